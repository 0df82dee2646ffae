"""The commands that learn: train, finetune, pretrain, tune."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from placezoo.agents.budget import Budget
from placezoo.agents.learning.learners import learner_entry
from placezoo.envs.registration import problem_class, problem_parameters
from placezoo.experiments.options import (
    Address,
    CheckpointMinutes,
    Dataset,
    Device,
    Environment,
    Formulation,
    Instance,
    Resume,
    Seconds,
    Seed,
    Settings,
    Timesteps,
    Track,
    dataset_names,
)  # fmt: skip
from placezoo.experiments.progress import console, name_table, progress_bar, training_bar
from placezoo.experiments.settings import parse_settings
from placezoo.experiments.tracking import make_trackers
from placezoo.experiments.train import CurvePoint, TrainingRun, resume, train

_SECONDS = 300.0
_STATE = "state.safetensors"  # what a broken off training leaves; importing its module needs torch


def train_agent(
    env: Environment,
    dataset: Dataset = None,
    instance: Instance = None,
    agent: Annotated[str, typer.Option(help="The agent to train.")] = "ppo",
    backend: Annotated[
        str | None, typer.Option(help="The library that learns: fast, sb3 or rllib; default the agent's first.")
    ] = None,
    formulation: Formulation = None,
    settings: Settings = None,
    timesteps: Timesteps = None,
    seconds: Seconds = None,
    seed: Seed = 0,
    device: Device = "cpu",
    out: Annotated[Path | None, typer.Option(help="The folder for checkpoint and curve; default runs/AGENT.")] = None,
    start: Annotated[str | None, typer.Option(help="Go on from the checkpoint in this folder.")] = None,
    env_runners: Annotated[int | None, typer.Option(help="rllib: processes that step environments.")] = None,
    learners: Annotated[int | None, typer.Option(help="rllib: processes that compute gradients.")] = None,
    gpus: Annotated[float | None, typer.Option(help="rllib: GPUs for each learner.")] = None,
    address: Address = None,
    checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None,
    go_on: Resume = False,
) -> None:
    """Train a learned agent; writes policy.safetensors, policy.json, curve.csv and curve.png."""
    entry = learner_entry(agent)
    folder = out or Path("runs") / agent
    if go_on:
        if dataset or instance or settings or start:
            raise ValueError(
                "--resume goes on with the run's own configuration: give only ENV and --out with it, "
                "and --seconds or --timesteps to make it longer"
            )
        with _says_what_is_kept(env, folder), training_bar() as show:
            trackers = make_trackers(track, folder, {})
            _report(resume(folder, show, trackers, timesteps, seconds), folder)
        return
    scale = {"env_runners": env_runners, "learners": learners, "gpus": gpus, "address": address}
    parameters, hyperparameters = _split(env, settings)
    if start is not None:
        entry.load(backend)  # says so if the extra is missing
        from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder

        parameters = _presented(Checkpoint.load(checkpoint_folder(start, agent, env)), env, parameters)
    run = TrainingRun(
        env, dataset, instance, formulation, parameters, hyperparameters,
        timesteps=timesteps,
        seconds=_SECONDS if seconds is None and timesteps is None else seconds,
        seed=seed,
        device=device,
        start=start,
        agent=agent,
        backend=entry.backend(backend),
        scale={name: value for name, value in scale.items() if value is not None},
        checkpoint_minutes=checkpoint_minutes,
    )  # fmt: skip
    with _says_what_is_kept(env, folder), training_bar() as show:
        _report(train(run, folder, show, make_trackers(track, folder, asdict(run))), folder)


def score_checkpoint(
    checkpoint: Annotated[str, typer.Argument(help="The folder of train or pretrain, or `pretrained`.")],
    dataset: Annotated[str, typer.Option(help="A dataset, whose test split is solved.", autocompletion=dataset_names)],
    env: Annotated[
        str | None, typer.Option(help="The environment, where the folder holds policies for several.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Whose policy it is; default what it says of itself.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    cases: Annotated[int, typer.Option(help="How many instances, the first ones.")] = 20,
    evaluations: Annotated[
        int | None, typer.Option(help="Of every agent on an instance; default 16, or two an item where items move.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Of every agent on an instance, instead.")] = None,
    beside: Annotated[
        list[str] | None, typer.Option(help="Another agent to compare with, instead of heuristics; repeatable.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Score a trained policy on held-out instances, beside heuristics that have the same budget."""
    from placezoo.experiments.policy_test import score_policy

    budget = None if evaluations is None and seconds is None else Budget(seconds, evaluations)
    if cases < 1:
        raise ValueError(f"--cases must be at least 1, not {cases}")
    with progress_bar(f"{dataset}/{split}", float(cases)) as (bar, task):
        scores = score_policy(
            checkpoint, dataset, env, agent, split, cases, budget, beside, parse_settings(settings),
            lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    table = name_table("agent", "mean cost", "x greedy", "best of all on", "s an instance")
    for score in scores:
        table.add_row(
            score.agent, f"{score.mean:.6g}", f"{score.relative:.4f}", str(score.wins), f"{score.seconds:.3f}"
        )
    console.print(table)


def finetune(
    checkpoint: Annotated[
        str, typer.Argument(help="The folder of train or pretrain, or `pretrained` for the package's policy of ppo.")
    ],
    env: Environment,
    instance: Instance = None,
    dataset: Dataset = None,
    method: Annotated[str, typer.Option(help="What learns on: full, head, superposition or experts.")] = "full",
    formulation: Formulation = None,
    settings: Settings = None,
    timesteps: Timesteps = None,
    seconds: Seconds = None,
    seed: Seed = 0,
    device: Device = "cpu",
    out: Annotated[Path, typer.Option(help="The folder for checkpoint and curve.")] = Path("runs/finetuned"),
    track: Track = None,
) -> None:
    """Train a checkpoint further, on another problem or another environment; writes what `placezoo train` writes."""
    from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder

    before = Checkpoint.load(checkpoint_folder(checkpoint, "ppo", env))
    parameters, hyperparameters = _split(env, settings)
    run = TrainingRun(
        env, dataset, instance, formulation or before.formulation, _presented(before, env, parameters), hyperparameters,
        timesteps=timesteps,
        seconds=_SECONDS if seconds is None and timesteps is None else seconds,
        seed=seed,
        device=device,
        start=checkpoint,
        agent=before.training.get("agent", "ppo"),
        method=method,
    )  # fmt: skip
    with _says_what_is_kept(env, out), training_bar() as show:
        _report(train(run, out, show, make_trackers(track, out, asdict(run))), out)


def pretrain_policy(
    mixture: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENV:DATASET[,NAME=VALUE] ...", help="What to learn together, over one trunk."),
    ] = None,
    settings: Settings = None,
    seconds: Annotated[float, typer.Option(help="Wall time.")] = 600.0,
    seed: Seed = 0,
    device: Device = "cpu",
    out: Annotated[Path, typer.Option(help="The folder: one checkpoint for each environment.")] = Path(
        "runs/pretrained"
    ),
    checkpoint_minutes: CheckpointMinutes = 1.0,
    track: Track = None,
    go_on: Resume = False,
) -> None:
    """Train one trunk on several datasets, even of several environments; each gets a checkpoint of its own."""
    from placezoo.experiments.pretrain import go_on_pretraining, parse_part, pretrain

    if go_on and (mixture or settings):
        raise ValueError("--resume goes on with the run's own configuration: give only --out with it")
    parts = [parse_part(text) for text in mixture or ()]
    trackers = make_trackers(track, out, {"mixture": list(mixture or ()), "seconds": seconds, "seed": seed})
    with progress_bar("pre-training", 1.0) as (bar, task):

        def show(done: float) -> None:
            bar.update(task, completed=done)

        if go_on:
            scores = go_on_pretraining(out, show, trackers)
        else:
            scores = pretrain(
                parts, out, parse_settings(settings), seconds, seed, device, show, trackers, checkpoint_minutes
            )
    for name, score in scores.items():
        console.print(f"{name}: validation cost {score:.4f} x greedy construction's")
    console.print(f"checkpoints: {out}")


def tune(
    env: Environment,
    dataset: Dataset = None,
    instance: Instance = None,
    agent: Annotated[str, typer.Option(help="The agent to tune.")] = "ppo",
    formulation: Formulation = None,
    settings: Settings = None,
    samples: Annotated[int, typer.Option(help="How many configurations to try.")] = 16,
    asha: Annotated[bool, typer.Option("--asha", help="Stop the worse ones early (ASHA).")] = False,
    seconds: Annotated[float, typer.Option(help="Training time of each.")] = 120.0,
    seed: Seed = 0,
    address: Address = None,
    out: Annotated[Path, typer.Option(help="The folder for results; a second call goes on there.")] = Path("runs/tune"),
    track: Track = None,
) -> None:
    """Search hyperparameters by Ray Tune; writes results.csv and the best checkpoint."""
    from placezoo.experiments.tune import TuneRun, tune_agent

    parameters, hyperparameters = _split(env, settings)
    base = TrainingRun(
        env, dataset, instance, formulation, parameters, hyperparameters,
        seconds=seconds, seed=seed, agent=agent, validations=5,
    )  # fmt: skip
    rows = tune_agent(TuneRun(base, samples, asha, address, tuple(track or ())), out)
    for row in rows[:5]:
        changed = ", ".join(f"{name} {_short(value)}" for name, value in row.hyperparameters.items())
        console.print(f"{row.validation_cost:.4f} x greedy after {row.timesteps:,} steps: {changed}")
    console.print(f"{len(rows)} configurations: {out / 'results.csv'}; best policy: {out / 'best'}")


def _presented(before: Any, env: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a training that goes on: problems are presented as before, unless it is said how."""
    if before.env_id != env:
        return parameters
    trained, names = before.training.get("parameters", {}), problem_class(env).presentation
    return {**{name: trained[name] for name in names if name in trained}, **parameters}


def _split(env: str, settings: list[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the problem and those of the training."""
    chosen = parse_settings(settings)
    known = problem_parameters(env)
    return (
        {name: value for name, value in chosen.items() if name in known},
        {name: value for name, value in chosen.items() if name not in known},
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class InterruptedTrainingError(Exception):
    """The user ended a training; says what there is of it."""


@contextmanager
def _says_what_is_kept(env: str, folder: Path) -> Iterator[None]:
    """Say of a training that is interrupted what there is of it, and how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        kept = [f"the best policy so far is in {folder}"] if (folder / "policy.json").exists() else []
        kept += [f"go on by: placezoo train {env} --resume --out {folder}"] if (folder / _STATE).exists() else []
        raise InterruptedTrainingError("; ".join(["interrupted", *kept])) from None


def _report(curve: list[CurvePoint], folder: Path) -> None:
    scored = [point for point in curve if math.isfinite(point.validation_cost)]
    best = min((point.validation_cost for point in scored if point.timesteps > 0), default=math.nan)
    last = curve[-1]
    console.print(f"{last.timesteps:,} steps, {last.episodes:,} episodes, {last.seconds:.0f} s")
    if scored and scored[0].timesteps == 0:
        console.print(f"validation cost before: {scored[0].validation_cost:.4f} x greedy construction's")
    console.print(f"best validation cost: {best:.4f} x greedy construction's")
    console.print(f"policy and curve: {folder}")
