"""Pre-training one trunk on a mixture of datasets, even of several environments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from placezoo.agents.agent import with_policy
from placezoo.agents.learning.learners import learner_entry
from placezoo.agents.solution import describe_machine
from placezoo.envs.registration import problem_class, problem_parameters
from placezoo.envs.source import ProblemSource
from placezoo.experiments.settings import parse_settings
from placezoo.experiments.train import relative_score, validation_problems

_PROBES = 10  # validations of each part


@dataclass(frozen=True)
class Part:
    """One dataset of a mixture.

    Args:
        env_id: the environment's id.
        dataset: its name.
        parameters: of the problem.
    """

    env_id: str
    dataset: str
    parameters: dict[str, Any] = field(default_factory=dict)


def parse_part(text: str) -> Part:
    """Return ``ENV:DATASET,NAME=VALUE,...`` as a part.

    Raises:
        ValueError: it is written otherwise, or names a parameter that the environment has not.
    """
    env_id, colon, rest = text.partition(":")
    dataset, *settings = rest.split(",")
    if not colon or not dataset:
        raise ValueError(f"{text}: ENV:DATASET[,NAME=VALUE] expected, EdgePlace-v0:giph for example")
    parameters = parse_settings(settings)
    known = problem_parameters(env_id)
    for name in parameters:
        if name not in known:
            raise ValueError(f"{text}: {env_id} has no parameter {name!r}")
    return Part(env_id, dataset, parameters)


def pretrain(
    parts: list[Part],
    folder: str | Path,
    hyperparameters: dict[str, Any] | None = None,
    seconds: float = 600.0,
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, float]:
    """Train policies for several problems that share everything but the inputs of their domain.

    The parts take turns, one update each, for equal shares of the time. In the end ``folder/ENV`` (with the dataset and
    a number where an environment occurs twice) is a checkpoint for each, with the trunk as it was when the part scored
    best on its validation split.

    Args:
        parts: what to learn.
        folder: where to write.
        hyperparameters: of ``PPOConfig``.
        seconds: wall time, all together.
        seed: of everything random.
        device: ``cpu`` or ``cuda``.
        on_progress: called with the share of training done.

    Returns:
        The best validation cost of each over greedy construction's.

    Raises:
        ValueError: there is nothing to learn, or something in a part is wrong.
    """
    if not parts:
        raise ValueError("nothing to learn: give at least one ENV:DATASET")
    entry = learner_entry("ppo")
    config_class, learner_class, agent_class = entry.load("fast")
    from placezoo.agents.networks.checkpoint import network_config
    from placezoo.agents.networks.policy_network import PolicyNetwork, Trunk
    from placezoo.agents.networks.threads import single_thread

    config = config_class(**(hyperparameters or {}))
    trunk: Trunk | None = None
    learners, held_out = [], []
    for part in parts:
        source = ProblemSource(problem_class(part.env_id), dataset=part.dataset, parameters=part.parameters)
        network = PolicyNetwork(network_config(source.first(), config.encoder, config.width, config.layers), trunk)
        trunk = network.trunk
        learners.append(learner_class(source, entry.formulation, config, seed, device, network=network))
        held_out.append(validation_problems(source))
    names = _names(parts)
    best = dict.fromkeys(names, float("inf"))
    agent = agent_class(**entry.validation)
    spent, probes = [0.0] * len(parts), [0] * len(parts)
    made = [0] * len(parts)
    with single_thread():
        while sum(spent) < seconds:
            turn = min(range(len(parts)), key=lambda index: spent[index])
            started = time.perf_counter()
            done = min(1.0, sum(spent) / seconds)
            learner = learners[turn]
            learner.set_learning_rate(done)
            made[turn] += learner.update(done).timesteps
            spent[turn] += time.perf_counter() - started
            if on_progress is not None:
                on_progress(min(1.0, sum(spent) / seconds))
            share = spent[turn] * len(parts) / seconds
            if share < (probes[turn] + 1) / _PROBES and sum(spent) < seconds:
                continue
            probes[turn] += 1
            for index, name in enumerate(names) if sum(spent) >= seconds else [(turn, names[turn])]:
                policy = learners[index].checkpoint()
                score = relative_score(with_policy(agent, policy), entry.validation_budget, held_out[index])
                if score < best[name]:
                    best[name] = score
                    policy.training = {
                        "agent": "ppo", "mixture": [f"{part.env_id}:{part.dataset}" for part in parts],
                        "parameters": parts[index].parameters, "hyperparameters": hyperparameters or {},
                        "seconds": seconds, "seed": seed, "timesteps_done": made[index],
                        "validation_cost_over_greedy": round(score, 5), **describe_machine(),
                    }  # fmt: skip
                    policy.save(Path(folder) / name)
    return best


def _names(parts: list[Part]) -> list[str]:
    environments = [part.env_id for part in parts]
    return [
        part.env_id if environments.count(part.env_id) == 1 else f"{part.env_id}-{part.dataset}-{number}"
        for number, part in enumerate(parts)
    ]
