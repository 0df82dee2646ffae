"""Graphs to partition: the instance, its formats, generators, and orders to visit nodes in."""
