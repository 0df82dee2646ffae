"""How much memory many environments take, estimated before any of it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from placezoo.envs.kernel import changing_arrays
from placezoo.envs.placement_env import PlacementEnv

_OBJECTS = 16 << 10  # bytes of an environment, its spaces and its generator, beside arrays
_COPIES = 3  # of what is observed: the environment's, the batch's, the observation's


def check_memory(env: PlacementEnv, num_envs: int) -> None:
    """Raise ValueError, in one line, where so many environments like one do not fit into the memory that is free."""
    problem, needed, free = env.problem, num_envs * estimated_bytes(env), available_bytes()
    if needed > free:
        raise ValueError(
            f"num_envs={num_envs}: so many environments of {problem.env_id} on {problem.instance.name} take about "
            f"{needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free"
        )


def estimated_bytes(env: PlacementEnv) -> int:
    """Return how much memory an environment takes, among many on its problem."""
    problem = env.problem
    with problem.tally.paused():
        state = problem.kernel().state
    features = 4 * env.source.max_resources * len(problem.feature_names.resource_columns)
    observed = env._mask.nbytes + features + 8 * env.source.max_items
    return _OBJECTS + _COPIES * observed + sum(array.nbytes for array in changing_arrays(state))


def available_bytes() -> int:
    """Return how much memory is free, as far as the system tells; else all that the machine has."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 62
