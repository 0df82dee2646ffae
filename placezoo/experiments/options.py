"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placezoo.agents.registry import agent_entries
from placezoo.datasets.dataset import DATASETS
from placezoo.datasets.op_graphs.model_zoo import model_names
from placezoo.datasets.registry import instance_names
from placezoo.envs.registration import problem_classes


def environment_ids() -> list[str]:
    """Return the environments' ids, for the shell to complete."""
    return list(problem_classes())


def agent_names() -> list[str]:
    """Return the agents' names, for the shell to complete."""
    return list(agent_entries())


def dataset_names() -> list[str]:
    """Return the datasets' names, for the shell to complete."""
    return list(DATASETS)


def names_of_instances() -> list[str]:
    """Return what ``--instance`` may be, for the shell to complete."""
    return [*instance_names(), *(f"{name}/test/0" for name in DATASETS), *model_names()]


Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the environment or the agent; repeatable."),
]
Exports = Annotated[
    list[Path] | None,
    typer.Option(
        "--export",
        help="Write the answer for other tools, by the ending: .csv; .plc, .tcl, .def; .json, .part.4 and more.",
    ),
]
Environment = Annotated[
    str,
    typer.Argument(
        metavar="ENV", help="The environment's id, GraphPartition-v0 for example.", autocompletion=environment_ids
    ),
]
Timesteps = Annotated[int | None, typer.Option(help="Environment steps. With --resume: in all.")]
Seconds = Annotated[
    float | None,
    typer.Option(help="Wall time, without what is compiled; 300 if neither is given. With --resume: in all."),
]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Dataset = Annotated[
    str | None, typer.Option(help="A dataset, whose train split is learned from.", autocompletion=dataset_names)
]
Instance = Annotated[str | None, typer.Option(help="One instance to learn instead.")]
Formulation = Annotated[str | None, typer.Option(help="construct, improve or one-shot; default the agent's own.")]
Track = Annotated[list[str] | None, typer.Option(help="Log to wandb or tensorboard as well; repeatable.")]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, auto for this machine's.")]
CheckpointMinutes = Annotated[float, typer.Option(help="How often to write what --resume goes on from.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the training in --out, with its own configuration; --seconds or --timesteps make it longer.",
    ),
]
