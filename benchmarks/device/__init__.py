"""``DevicePlace-v0``, measured."""
