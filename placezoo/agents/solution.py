"""``Solution``, what an agent returns: an assignment, its cost, how it was found; JSON that can be checked."""

from __future__ import annotations

import gzip
import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.cost import Cost
from placezoo.datasets.files import sha256, write_atomically
from placezoo.datasets.json_content import read_json
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.envs.problem import PlacementProblem

FORMAT = "placezoo.Solution/1"


class ClaimError(ValueError):
    """A solution claims what its instance does not bear out."""


class TracePoint(NamedTuple):
    """The best total cost known after so many evaluations and seconds."""

    evaluations: int
    seconds: float
    total: float


@dataclass(frozen=True)
class Solution:
    """One agent's answer to one problem.

    Attributes:
        env_id: the environment's id.
        parameters: what rebuilds the problem from its instance.
        instance: the instance's name or path.
        digest: the instance's digest.
        agent: the agent's name.
        hyperparameters: the agent's.
        seed: the agent's.
        budget: seconds and evaluations that were allowed.
        assignment: int64 [num_items].
        cost: its cost.
        trace: each improvement of the best cost, and a last point at the end of the search.
        provenance: versions, machine and time.
        bound: what no assignment costs less than, as the agent has proved, or None.
    """

    env_id: str
    parameters: dict[str, Any]
    instance: str
    digest: str
    agent: str
    hyperparameters: dict[str, Any]
    seed: int
    budget: dict[str, Any]
    assignment: NDArray[np.int64]
    cost: Cost
    trace: tuple[TracePoint, ...]
    provenance: dict[str, str] = field(default_factory=dict)
    bound: float | None = None

    @property
    def evaluations(self) -> int:
        """How many evaluations the search took."""
        return self.trace[-1].evaluations

    @property
    def seconds(self) -> float:
        """How many seconds the search took."""
        return self.trace[-1].seconds

    def save(self, path: str | Path) -> None:
        """Write the solution as JSON, compressed where the name ends in ``.gz``."""
        cost = {
            "total": self.cost.total,
            "terms": dict(self.cost.terms),
            "feasible": self.cost.feasible,
            "violations": list(self.cost.violations),
        }
        content = {
            "format": FORMAT,
            "problem": {
                "env": self.env_id,
                "instance": self.instance,
                "digest": self.digest,
                "parameters": self.parameters,
            },
            "agent": {"name": self.agent, "hyperparameters": self.hyperparameters, "seed": self.seed},
            "budget": self.budget,
            "cost": cost,
            **({} if self.bound is None else {"bound": self.bound}),
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "provenance": self.provenance,
            "trace": [list(point) for point in self.trace],
            "assignment_sha256": assignment_digest(self.assignment),
            "assignment": self.assignment.tolist(),
        }
        text = (json.dumps(content) + "\n").encode()
        write_atomically(path, gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)

    @classmethod
    @refuses_in_one_line
    def load(cls, path: str | Path) -> Solution:
        """Read a solution; its claims are not checked here, see ``placezoo.experiments.evaluate``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: ``path:line: what`` for anything that is not a solution.
            ClaimError: the assignment was changed after the solution was saved.
        """
        content = read_json(path)
        if content.get("format") != FORMAT:
            raise ValueError(f"{path}:1: not a solution file (format {FORMAT!r} expected)")
        try:
            solution = _from_json(content)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}:1: a damaged solution file: {what}") from None
        if content.get("assignment_sha256") != assignment_digest(solution.assignment):
            raise ClaimError(f"{path}: assignment: changed after the solution was saved (its sha256 differs)")
        return solution


def assignment_digest(assignment: NDArray[np.int64]) -> str:
    """Return the SHA-256 of an assignment."""
    return sha256(assignment.astype("<i8").tobytes())


def describe_machine() -> dict[str, str]:
    """Return the versions, the machine and the time that a result should be read with."""
    return {
        "placezoo": metadata.version("placezoo"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _processor_name() -> str:
    """Return the processor's model where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _from_json(content: dict[str, Any]) -> Solution:
    problem, agent, cost = content["problem"], content["agent"], content["cost"]
    values = content["assignment"]
    if not isinstance(values, list) or not all(
        isinstance(value, int) and not isinstance(value, bool) for value in values
    ):
        raise ValueError("the assignment must be a list of whole numbers")
    for name, value, kind in (
        ("env", problem["env"], str),
        ("instance", problem["instance"], str),
        ("digest", problem["digest"], str),
        ("parameters", problem["parameters"], dict),
        ("agent name", agent["name"], str),
        ("feasible", cost["feasible"], bool),
        ("provenance", content.get("provenance", {}), dict),
    ):
        if not isinstance(value, kind):
            raise ValueError(f"{name} must be of type {kind.__name__}")
    trace = tuple(TracePoint(int(e), float(s), float(t)) for e, s, t in content["trace"])
    if not trace:
        raise ValueError("the trace is empty")
    return Solution(
        env_id=problem["env"],
        parameters=problem["parameters"],
        instance=problem["instance"],
        digest=problem["digest"],
        agent=agent["name"],
        hyperparameters=dict(agent["hyperparameters"]),
        seed=int(agent["seed"]),
        budget=dict(content["budget"]),
        assignment=np.array(values, dtype=np.int64),
        cost=Cost(
            float(cost["total"]),
            {str(name): float(value) for name, value in cost["terms"].items()},
            cost["feasible"],
            tuple(map(str, cost["violations"])),
        ),
        trace=trace,
        provenance={str(name): str(value) for name, value in content.get("provenance", {}).items()},
        bound=None if content.get("bound") is None else float(content["bound"]),
    )


def problem_record(problem: PlacementProblem) -> dict[str, Any]:
    """Return the fields of a solution that name its problem."""
    return {
        "env_id": problem.env_id,
        "parameters": dict(problem.parameters),
        "instance": problem.instance.name,
        "digest": problem.instance.digest,
    }


def budget_record(budget: Any) -> dict[str, Any]:
    """Return a budget as JSON values, without the limits that are not set."""
    return {name: value for name, value in asdict(budget).items() if value is not None}
