"""Solvers of other packages that work on problems of several domains."""
