"""Accelerators and the links that join them."""
