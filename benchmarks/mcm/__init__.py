"""``MCMPartition-v0``, measured."""
