"""Options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the environment or the agent; repeatable."),
]
Environment = Annotated[str, typer.Argument(metavar="ENV", help="The environment's id, GraphPartition-v0 for example.")]
Timesteps = Annotated[int | None, typer.Option(help="Environment steps.")]
Seconds = Annotated[float | None, typer.Option(help="Wall time; 300 if neither is given.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
