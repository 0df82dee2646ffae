"""Neural-network device placement, ``DevicePlace-v0``."""
