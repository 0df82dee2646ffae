"""``Solution``, what an agent returns: an assignment, its cost, how it was found; JSON that can be checked."""

from __future__ import annotations

import functools
import gzip
import json
import platform
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from placezoo.agents.search.clock import clock
from placezoo.cost_models.cost import Cost
from placezoo.datasets.files import sha256, write_atomically
from placezoo.datasets.json_content import read_record
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import make_problem
from placezoo.envs.rendering import check_picture, write_picture
from placezoo.envs.tally import Tally

FORMAT = "placezoo.Solution/1"
COUNTED, REPORTED = "counted by the problem", "reported by the agent"  # evaluations


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
        provenance: versions, machine and time; ``evaluations`` says who counted them, see ``counted``.
        bound: what no assignment costs less than, as the agent has proved, or None.
        refinement: what the agent says beyond the assignment, float64 [num_items, k], or None; of a chip where each
            macro is, x and y in micron, and how it is turned (``PlacementProblem.refined``).
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
    refinement: NDArray[np.float64] | None = None

    @property
    def evaluations(self) -> int:
        """How many evaluations the search took."""
        return self.trace[-1].evaluations

    @property
    def seconds(self) -> float:
        """How many seconds the search took."""
        return self.trace[-1].seconds

    @property
    def is_over_budget(self) -> bool:
        """Whether the search took more evaluations than it was allowed."""
        allowed = self.budget.get("evaluations")
        return allowed is not None and self.evaluations > allowed

    def counted(self, tally: Tally) -> Solution:
        """Return the solution with as many evaluations as its problem computed, where it says that it took fewer.

        ``provenance["evaluations"]`` is ``counted by the problem`` where all went through it. Else it is ``reported by
        the agent``: compiled searches evaluate by a kernel, and say how often.
        """
        last = self.trace[-1]
        is_counted = tally.kernels == 0 and tally.evaluations >= last.evaluations
        last = last._replace(evaluations=max(last.evaluations, tally.evaluations))
        source = COUNTED if is_counted else REPORTED
        return replace(self, trace=(*self.trace[:-1], last), provenance={**self.provenance, "evaluations": source})

    def save(self, path: str | Path) -> None:
        """Write the solution as JSON, compressed where the name ends in ``.gz``."""
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
            "cost": asdict(self.cost),
            **({} if self.bound is None else {"bound": self.bound}),
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "provenance": self.provenance,
            "trace": [list(point) for point in self.trace],
            "assignment_sha256": assignment_digest(self.assignment, self.refinement),
            "assignment": self.assignment.tolist(),
            **({} if self.refinement is None else {"refinement": self.refinement.tolist()}),
        }
        try:
            text = (json.dumps(content, allow_nan=False, default=_number) + "\n").encode()
        except ValueError:
            raise ValueError(
                f"{path}: a solution with a cost, bound, trace or refinement that is not finite cannot be saved"
            ) from None
        write_atomically(path, gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)

    def render(self, path: str | Path, problem: PlacementProblem | None = None, panel: int | None = None) -> None:
        """Draw the solution: a PNG or SVG, or a GIF of how its assignment is constructed, by the path's ending.

        Args:
            path: of the picture.
            problem: that it solves; default the one that its instance's name and parameters make.
            panel: which drawing alone, from 1; default all that the problem has, side by side.

        Raises:
            ValueError: another ending, no such panel, or an instance that is not known by name.
        """
        check_picture(Path(path))
        if problem is None:
            problem = make_problem(self.env_id, self.instance, **self.parameters)
        write_picture(problem.refined(self.refinement), self.assignment, Path(path), panel)

    def to_pandas(self, problem: PlacementProblem) -> Any:
        """Return the assignment as a DataFrame, a row an item, with the columns of ``problem.table``.

        Args:
            problem: that it solves, ``make_problem(s.env_id, s.instance, **s.parameters)`` where it is not at hand.

        Raises:
            ImportError: pandas is missing.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "to_pandas needs pandas, which is not installed: pip install 'placezoo[tables]'"
            ) from None
        table = problem.refined(self.refinement).table(self.assignment)
        return pd.DataFrame({name: list(column) for name, column in table.items()})

    @classmethod
    @refuses_in_one_line
    def load(cls, path: str | Path) -> Solution:
        """Read a solution; its claims are not checked here, see ``placezoo.experiments.evaluate``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: ``path:line: what`` for anything that is not a solution.
            ClaimError: the assignment was changed after the solution was saved.
        """
        file = read_record(path, _File, "a solution file")
        assignment = np.array(file.assignment, dtype=np.int64)
        refinement = None if file.refinement is None else np.array(file.refinement, np.float64)
        if file.assignment_sha256 != assignment_digest(assignment, refinement):
            raise ClaimError(f"{path}: assignment: changed after the solution was saved (its sha256 differs)")
        steps = np.array([point[:2] for point in file.trace], np.float64)
        if not np.isfinite(steps).all() or (steps[0] < 0).any() or (np.diff(steps, axis=0) < 0).any():
            raise ClaimError(f"{path}: trace: evaluations and seconds must begin at 0 or more and never fall")
        for name in ("env_id", "instance"):
            if name in file.problem.parameters:
                raise ValueError(f"{path}:1: {name!r} is no parameter of a problem")
        return cls(
            env_id=file.problem.env,
            parameters=file.problem.parameters,
            instance=file.problem.instance,
            digest=file.problem.digest,
            agent=file.agent.name,
            hyperparameters=file.agent.hyperparameters,
            seed=file.agent.seed,
            budget=file.budget,
            assignment=assignment,
            cost=Cost(**msgspec.structs.asdict(file.cost)),
            trace=file.trace,
            provenance=file.provenance,
            bound=file.bound,
            refinement=refinement,
        )


class _Problem(msgspec.Struct):
    env: str
    instance: str
    digest: str
    parameters: dict[str, Any]


class _Agent(msgspec.Struct):
    name: str
    hyperparameters: dict[str, Any]
    seed: int


class _Cost(msgspec.Struct):
    total: float
    terms: dict[str, float]
    feasible: bool
    violations: tuple[str, ...]


class _File(msgspec.Struct, tag_field="format", tag=FORMAT):
    problem: _Problem
    agent: _Agent
    budget: dict[str, Any]
    cost: _Cost
    trace: Annotated[tuple[TracePoint, ...], msgspec.Meta(min_length=1)]
    assignment: list[int]
    assignment_sha256: str = ""
    provenance: dict[str, str] = msgspec.field(default_factory=dict)
    bound: float | None = None
    refinement: list[list[float]] | None = None


def _number(value: Any) -> Any:
    """Return a number of NumPy as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def assignment_digest(assignment: NDArray[np.int64], refinement: NDArray[np.float64] | None = None) -> str:
    """Return the SHA-256 of an assignment, and of what refines it."""
    content = assignment.astype("<i8").tobytes()
    return sha256(content if refinement is None else content + refinement.astype("<f8").tobytes())


def describe_machine() -> dict[str, str]:
    """Return the versions, the machine and the date that a result should be read with."""
    other_clock = {} if clock() == "wall" else {"clock": clock()}
    return {**_installation(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), **other_clock}


@functools.cache
def _installation() -> dict[str, str]:
    return {
        "placezoo": metadata.version("placezoo"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
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
