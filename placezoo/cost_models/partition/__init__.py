"""What a partition of a graph costs."""
