"""How learned agents' policies were trained before a board ran: that time is not in their seconds, so it is told."""

from __future__ import annotations

from typing import Any

from placezoo.agents.agent import Agent
from placezoo.datasets.json_content import read_json


def training_line(label: str, agent: Agent, env_id: str, folder: str | None = None) -> str:
    """Return how long, on what and where an agent's policy was trained; empty where its checkpoint does not tell.

    Training on the very instance is part of a run's seconds and not told here.

    Args:
        label: of the agent.
        agent: with its hyperparameters.
        env_id: of the environment, where the agent has a policy for each.
        folder: of the checkpoint, where it is another one than the hyperparameters say.
    """
    checkpoint = folder or getattr(agent, "checkpoint", None)
    if checkpoint is None:
        return ""
    try:
        from placezoo.agents.networks.checkpoint import CONFIG, checkpoint_folder

        path = checkpoint_folder(checkpoint, getattr(agent, "agent", agent.name), env_id) / CONFIG
        training: dict[str, Any] = read_json(path, "a checkpoint").get("training", {})
    except (ImportError, OSError, ValueError):  # no torch, an untrained policy, a checkpoint that is none
        return ""
    if not isinstance(training, dict) or "seconds_done" not in training:
        return ""
    steps = f", {training['timesteps_done']:,} steps" if "timesteps_done" in training else ""
    source = training.get("dataset") or training.get("instance") or "unknown instances"
    start = training.get("start")
    after = "" if start in (None, "untrained") else ", from another policy"
    where = " ".join(str(training[key]) for key in ("processor", "date") if key in training)
    return f"{label}: {training['seconds_done']:,.0f} s on {source}{steps}{after} ({where})"
