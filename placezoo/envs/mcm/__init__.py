"""Partitioning over chiplets, ``MCMPartition-v0``."""
