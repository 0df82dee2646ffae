"""Compiling kernels before anybody waits for them: what environments and agents call, on small instances."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from placezoo import jit
from placezoo.agents.budget import Budget
from placezoo.agents.registry import agent_entries, extra_is_here, is_for, make_agent
from placezoo.envs.registration import make_env, make_problem, make_vector_env
from placezoo.envs.vector import FORMULATIONS

_BUDGET = Budget(evaluations=20)


class Warmed(NamedTuple):
    """What has been made ready.

    Attributes:
        what: an environment, or an agent there.
        seconds: that it took.
        compiling: how much of that went into compiling; 0 where all was kept from before.
    """

    what: str
    seconds: float
    compiling: float


def warm_up(env_ids: Sequence[str]) -> Iterator[Warmed]:
    """Use each environment in all formulations, scalar and batched, and every agent there that needs no extra.

    What is compiled is kept beside the package, for all later processes.

    Args:
        env_ids: of environments that have an instance of their own.
    """
    for env_id in env_ids:
        started = _now()
        for formulation in FORMULATIONS:
            _play(env_id, formulation)
        yield _since(started, env_id)
        problem = make_problem(env_id)
        for name, entry in agent_entries().items():
            if entry.extra or not entry.package or not is_for(name, env_id):
                continue
            started = _now()
            make_agent(name).solve(problem, _BUDGET, seed=0)
            yield _since(started, f"{env_id}, {name}")
        if extra_is_here("agents"):
            started = _now()
            make_agent("ppo", checkpoint="untrained", samples=1).solve(problem, Budget(evaluations=1), seed=0)
            yield _since(started, f"{env_id}, ppo")


def _play(env_id: str, formulation: str) -> None:
    env = make_env(env_id, formulation=formulation)
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    action = env.action_space.sample(mask=observation["action_mask"])
    env.step(action)
    batched = make_vector_env(env_id, 2, formulation=formulation)
    batched.reset(seed=0)
    batched.step(np.stack([np.asarray(action)] * 2))
    batched.close()


def _now() -> tuple[float, float]:
    return time.perf_counter(), jit.compilation.seconds


def _since(started: tuple[float, float], what: str) -> Warmed:
    return Warmed(what, time.perf_counter() - started[0], jit.compilation.seconds - started[1])
