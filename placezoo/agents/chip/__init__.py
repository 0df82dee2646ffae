"""Placers of chips: springs, gradients, wire masks."""
