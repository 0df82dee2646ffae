"""Settings on the command line: ``--set NAME=VALUE``."""

from __future__ import annotations

import json
from typing import Any

from placezoo.agents.registry import agent_class
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.registration import problem_parameters


def parse_settings(settings: list[str] | None) -> dict[str, Any]:
    """Return ``NAME=VALUE`` settings as a dict; a value is JSON where it can be (4, 0.5, true, null, NaN), else text.

    Raises:
        ValueError: a setting without ``=``, or one given twice.
    """
    parsed: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ValueError(f"--set {setting}: NAME=VALUE expected")
        if name in parsed:
            raise ValueError(f"--set {name} is given twice")
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed


def split_settings(env_id: str, agent: str, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the environment and those of the agent.

    Raises:
        ValueError: neither knows a name.
        ImportError: the agent needs packages that are not installed.
    """
    of_problem = problem_parameters(env_id)
    of_agent = agent_class(agent).__dataclass_fields__
    for name in settings:
        if name not in of_problem and name not in of_agent:
            raise ValueError(f"{unknown_name('setting', name, [*of_problem, *of_agent])} ({env_id}, agent {agent})")
    return (
        {name: value for name, value in settings.items() if name in of_problem},
        {name: value for name, value in settings.items() if name not in of_problem},
    )
