"""The policy network in RLlib's new API stack: environments, module, connectors, learner."""
