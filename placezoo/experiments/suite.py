"""Suites: named, versioned lists of what to run, as TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from placezoo.datasets.files import read_bytes
from placezoo.datasets.suggestion import unknown_name


@dataclass(frozen=True)
class SuiteProblem:
    """Instances of one environment.

    Attributes:
        env: the environment's id.
        instances: names.
        parameters: of the problem.
        optional: leave instances out that are not on this machine and cannot be fetched or traced, instead of failing.
    """

    env: str
    instances: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class SuiteAgent:
    """An agent with its hyperparameters.

    Attributes:
        name: the agent's.
        hyperparameters: the agent's; ``checkpoint = "trained"`` stands for the policy that the suite's training makes.
        env: the one environment that it runs on, None for all that it is for.
    """

    name: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    env: str | None = None


@dataclass(frozen=True)
class Suite:
    """What a leaderboard runs.

    Attributes:
        name: the suite's.
        version: counted up whenever results are no longer comparable.
        description: one line.
        seconds: budget of each run.
        seeds: of each agent on each instance.
        problems: what to solve.
        agents: who solves.
        training: arguments of ``TrainingRun``, or None where nothing is trained.
    """

    name: str
    version: int
    description: str
    seconds: float
    seeds: tuple[int, ...]
    problems: tuple[SuiteProblem, ...]
    agents: tuple[SuiteAgent, ...]
    training: dict[str, Any] | None = None


def suite_names() -> list[str]:
    """Return the suites that come with the package."""
    folder = resources.files("placezoo.experiments").joinpath("suites")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """Return a suite of the package, or from the path of a TOML file.

    Raises:
        ValueError: no such suite, or the file is not one.
        FileNotFoundError: no such file.
    """
    if name.endswith(".toml"):
        text, where = read_bytes(name).decode(errors="replace"), name
    elif name in suite_names():
        text = resources.files("placezoo.experiments").joinpath("suites", f"{name}.toml").read_text("utf-8")
        where = f"suite {name}"
    else:
        raise ValueError(unknown_name("suite", name, suite_names()))
    try:
        return _parse(tomllib.loads(text), Path(name).stem)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where}: not TOML: {error}") from None
    except KeyError as error:
        raise ValueError(f"{where}: {error.args[0]!r} is missing") from None
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _parse(content: dict[str, Any], name: str) -> Suite:
    problems = [SuiteProblem(**{**entry, "instances": tuple(entry["instances"])}) for entry in content.pop("problems")]
    agents = [
        SuiteAgent(entry.pop("name"), env=entry.pop("env", None), hyperparameters=entry)
        for entry in content.pop("agents")
    ]
    seeds = tuple(content.pop("seeds"))
    return Suite(name=content.pop("name", name), seeds=seeds, problems=tuple(problems), agents=tuple(agents), **content)
