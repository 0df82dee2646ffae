from placezoo import datasets
from placezoo.envs.registration import make_problem, register_environments
register_environments()
