"""What a placement on an edge cluster costs: its makespan, simulated."""
