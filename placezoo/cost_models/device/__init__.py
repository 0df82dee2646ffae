"""The cost of neural networks placed on devices: the time of a step, simulated."""
