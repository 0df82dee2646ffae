"""Partitioners of graphs."""
