"""Graph observations of any size for Stable-Baselines3 and RLlib, without padding; for every environment."""
