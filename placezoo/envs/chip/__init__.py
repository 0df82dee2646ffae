"""Chip macro placement, ``ChipPlace-v0``."""
