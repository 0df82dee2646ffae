"""Placement on an edge cluster, ``EdgePlace-v0``."""
