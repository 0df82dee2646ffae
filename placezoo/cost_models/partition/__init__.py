"""The cost of graph partitions: cut and imbalance."""
