"""What a placement of a neural network on devices costs: the time of a step, simulated."""
