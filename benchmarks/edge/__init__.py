"""``EdgePlace-v0``, measured."""
