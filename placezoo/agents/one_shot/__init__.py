"""``gdp``, ``go`` and ``one-shot-ppo``: networks that place a whole graph at once."""
