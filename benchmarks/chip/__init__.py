"""``ChipPlace-v0``, measured."""
