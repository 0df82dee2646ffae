"""``gap`` and ``cnc``: partitions by a network trained on the expected cut."""
