"""The proxy cost of chip placements, kept exactly while blocks move."""
