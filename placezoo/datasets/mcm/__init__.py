"""Multi-chip modules."""
