"""Partitioners over chiplets."""
