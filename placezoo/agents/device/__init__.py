"""Placers of neural networks on devices."""
