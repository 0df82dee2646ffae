"""``ppo``: the policy network trained by masked PPO, by learners of three libraries."""
