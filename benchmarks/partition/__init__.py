"""``GraphPartition-v0``, measured."""
