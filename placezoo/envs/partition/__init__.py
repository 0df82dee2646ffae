"""Graph partitioning, ``GraphPartition-v0``."""
