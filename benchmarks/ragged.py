"""Graphs of 50 and of 5,000 nodes in one training: memory and speed of padded and of ragged rollouts, bytes sent.

Half of the environments partition small graphs, half large ones, MaskablePPO learns from all of them: once padded to
the largest (``PadGraph``), once ragged (``GraphVecEnv``). Each runs in a process of its own.
"""

from __future__ import annotations

import pickle
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.measuring import Row, measured_apart, run

STEPS, ENVS = 64, 4


def graphs():
    from placezoo.datasets.partition.graph_generators import delaunay

    return [delaunay(50, np.random.default_rng(0)), delaunay(5000, np.random.default_rng(1))]


def make_env(index: int):
    """Return an environment over one of the two graphs, with the spaces of the larger."""
    import gymnasium as gym

    import placezoo  # noqa: F401 - registers the ids

    small, large = graphs()
    env = gym.make("GraphPartition-v0", instance=large, num_parts=4)
    if index % 2 == 0:
        reset = env.reset
        env.reset = lambda *, seed=None, options=None: reset(seed=seed, options={"instance": small})  # type: ignore[method-assign]
    return env


def measure(kind: str) -> None:
    import torch
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    from placezoo.agents.networks.checkpoint import network_config
    from placezoo.agents.ppo.sb3_policy import GraphPolicy, RaggedGraphPolicy
    from placezoo.agents.ragged.sb3 import GraphVecEnv
    from placezoo.envs.wrappers import PadGraph

    torch.set_num_threads(1)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    env = (
        DummyVecEnv([lambda index=index: PadGraph(make_env(index)) for index in range(ENVS)])
        if kind == "padded"
        else GraphVecEnv([lambda index=index: make_env(index) for index in range(ENVS)], capacity=STEPS * ENVS)
    )
    problem = env.envs[0].unwrapped.problem
    policy = {"network": network_config(problem, "graph-sage", 32, 2).to_json(), "formulation": "construct"}
    model = MaskablePPO(
        GraphPolicy if kind == "padded" else RaggedGraphPolicy, env, n_steps=STEPS, batch_size=64, n_epochs=2,
        policy_kwargs=policy, seed=0,
    )  # fmt: skip
    started = time.perf_counter()
    model.learn(STEPS * ENVS * 2)
    seconds = time.perf_counter() - started
    stored = model.rollout_buffer.observations
    held = sum(array.nbytes for array in stored.values()) if isinstance(stored, dict) else stored.nbytes
    if kind == "ragged":
        held += _distinct_bytes(env.store._items.values())
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    print(f"RESULT {held / 2**20:.1f} {peak:.0f} {STEPS * ENVS * 2 / seconds:.0f}")


def _distinct_bytes(observations) -> int:
    """Return the bytes of all arrays, each counted once."""
    arrays = {}
    for observation in observations:
        for part in observation.values():
            for array in part if isinstance(part, tuple) else [part]:
                if array is not None:
                    arrays[id(array)] = array.nbytes
    return sum(arrays.values())


def sent() -> Iterator[Row]:
    """Return the bytes of an episode's observations as they go from an environment runner to a learner."""
    from placezoo.envs.wrappers import PackGraphs, PadGraph

    for name, wrap in (("padded", PadGraph), ("packed, nothing shared", None), ("packed, shared", PackGraphs)):
        env = (wrap or PackGraphs)(make_env(1))
        observation, _ = env.reset(seed=0)
        observations = [observation]
        for _ in range(STEPS):
            observations.append(env.step(int(np.flatnonzero(env.unwrapped.action_masks())[0]))[0])
        if wrap is None:
            size = sum(len(pickle.dumps(one, protocol=5)) for one in observations)
        else:
            size = len(pickle.dumps(observations, protocol=5))
        kibibytes = size / len(observations) / 1024
        title, column = "an episode on 5,000 nodes, sent", "KiB for each step"
        yield Row(name, kibibytes, column=column, shown=f"{kibibytes:.1f}", table=title, key="observations")


def rollouts() -> Iterator[Row]:
    title = f"{ENVS} environments of 50 and 5,000 nodes, {STEPS} steps each, MaskablePPO"
    columns = {"rollout, MB": ".1f", "peak above start, MB": ".0f", "transitions/s": ".0f"}
    for kind in ("padded", "ragged"):
        found = measured_apart("benchmarks.ragged", "measure", kind)
        if isinstance(found, str):
            yield Row(kind, np.nan, column="rollout, MB", shown=found, table=title, key="observations")
            continue
        for value, (column, form) in zip(found, columns.items(), strict=True):
            yield Row(kind, value, column=column, shown=f"{value:{form}}", table=title, key="observations")
    yield from sent()


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2])
    else:
        run(__doc__, {"rollouts": rollouts})
