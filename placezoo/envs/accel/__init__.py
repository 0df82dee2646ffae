"""Accelerator search, ``AccelSearch-v0``."""
