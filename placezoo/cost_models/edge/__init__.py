"""The cost of placements on edge clusters: their makespan, simulated."""
