"""Benchmarks of accelerator search."""
