"""The table of best known solutions: kept as solutions, so that every entry can be scored again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock

from placezoo.agents.solution import ClaimError, Solution
from placezoo.datasets.files import sha256, write_atomically
from placezoo.datasets.json_content import located, read_record
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.registry import is_named
from placezoo.datasets.yaml_content import is_yaml
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import problem_class, problem_parameters
from placezoo.experiments.evaluate import verify
from placezoo.parameters import check_parameters

FORMAT = "placezoo.BestKnown/1"
INDEX = "index.json"
TABLE = Path(__file__).with_name("best_known_solutions")
_BETTER = 1e-9  # relative: less is rounding


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the table; its solution is in ``file``.

    Attributes:
        env: the environment's id.
        instance: the instance's name.
        digest: the instance's digest.
        parameters: of the problem.
        total: the cost.
        bound: what no assignment costs less than, as the agent has proved, or None.
        agent: who found it.
        date: when.
        machine: on what.
        file: the solution's name in the table's folder.

    Raises:
        ValueError: the file is no solution's in the table's folder.
    """

    env: str
    instance: str
    digest: str
    parameters: dict[str, Any]
    total: float
    bound: float | None
    agent: str
    date: str
    machine: str
    file: str

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or not self.file.endswith((".json", ".json.gz")) or self.file == INDEX:
            raise ValueError(f"{self.file!r} must be a solution's file in the table's folder")


class _Index(msgspec.Struct, tag_field="format", tag=FORMAT):
    records: list[Record]


class BestKnown:
    """The table in a folder, by default the one that comes with the package.

    Args:
        folder: where ``index.json`` and the solutions are; an empty or missing folder is an empty table.

    Raises:
        ValueError: ``path:line: what`` for an index that is none.
    """

    def __init__(self, folder: str | Path = TABLE) -> None:
        self.folder = Path(folder)
        self._records = _records(self.folder / INDEX)

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the records, sorted by environment, instance and parameters."""
        return iter(sorted(self._records.values(), key=lambda r: (r.env, r.instance, json.dumps(r.parameters))))

    def __len__(self) -> int:
        return len(self._records)

    def of(self, problem: PlacementProblem) -> Record | None:
        """Return the entry of a problem, or None."""
        return self._records.get(_key(problem.env_id, problem.instance.digest, problem.parameters))

    def cost_of(self, problem: PlacementProblem) -> float:
        """Return the best known cost of a problem, NaN if none is known."""
        record = self.of(problem)
        return math.nan if record is None else record.total

    def solution(self, record: Record) -> Solution:
        """Read the solution of an entry."""
        return Solution.load(self.folder / record.file)

    def verify(self, record: Record) -> None:
        """Score an entry again from its instance.

        Raises:
            ClaimError: the entry or its solution is not what it says.
            OSError: the instance is not on this machine.
        """
        solution = self.solution(record)
        if (solution.digest, solution.parameters) != (record.digest, record.parameters):
            raise ClaimError(f"{record.file}: a solution of another problem than {record.instance}")
        cost = verify(solution)
        if not cost.feasible or not math.isclose(cost.total, record.total, rel_tol=_BETTER):
            raise ClaimError(f"{record.file}: the table says {record.total:g}, its solution costs {cost.total:g}")

    def update(self, solution: Solution, problem: PlacementProblem | None = None) -> bool:
        """Put a solution into the table if it is feasible and better than what is there; return whether it was.

        Args:
            solution: any; it is scored again from its instance.
            problem: its problem, if at hand.

        Raises:
            ClaimError: the solution is not what it says.
            ValueError: its instance is a file that others do not have.
            OSError: the instance is not on this machine, or the table cannot be written.
        """
        if not is_named(solution.instance):
            raise ValueError(f"{solution.instance}: the table has named instances only (see `placezoo datasets`)")
        for name, value in solution.parameters.items():
            if isinstance(value, str) and is_yaml(value):
                raise ValueError(
                    f"{name}={value}: the table has no parameters that are files, which others do not have"
                )
        cost = verify(solution, problem)
        if not cost.feasible:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            self._records = _records(self.folder / INDEX)  # another process may have found something meanwhile
            key = _key(solution.env_id, solution.digest, solution.parameters)
            known = self._records.get(key)
            if known is not None and cost.total >= known.total - _BETTER * abs(known.total):
                return False
            record = self._write(solution, cost.total)
            self._records[key] = record
            records = [msgspec.structs.asdict(one) for one in self]
            write_atomically(
                self.folder / INDEX,
                json.dumps({"format": FORMAT, "records": records}, indent=1, allow_nan=False) + "\n",
            )
            if known is not None and known.file != record.file:
                (self.folder / known.file).unlink(missing_ok=True)
        return True

    def _write(self, solution: Solution, total: float) -> Record:
        settings = sha256(json.dumps(solution.parameters, sort_keys=True).encode())[:6]
        # Another name for each cost: until the index is written, it names the solution before.
        name = f"{solution.env_id}_{solution.instance}_{settings}_{total:.9g}"
        file = re.sub(r"[^A-Za-z0-9_.-]+", "-", name) + ".json.gz"
        replace(solution, trace=solution.trace[-1:]).save(self.folder / file)
        provenance = solution.provenance
        return Record(
            env=solution.env_id, instance=solution.instance, digest=solution.digest, parameters=solution.parameters,
            total=total, bound=solution.bound, agent=solution.agent, date=provenance.get("date", ""),
            machine=provenance.get("processor", ""), file=file,
        )  # fmt: skip


_Key = tuple[str, str, str]


@refuses_in_one_line
def _records(path: Path) -> dict[_Key, Record]:
    if not path.exists():
        return {}
    records = read_record(path, _Index, "a table of best known solutions").records
    return located(path, lambda: {_key(record.env, record.digest, record.parameters): record for record in records})


def _key(env: str, digest: str, parameters: dict[str, Any]) -> _Key:
    """Return what tells one table entry from another: all that the cost of an assignment depends on."""
    domain, declared = problem_class(env), problem_parameters(env)
    # One key for one problem: what is left out has its default, and 2, 2.0 and -0.0 are written in one way.
    given = {name: value for name, value in {**declared, **parameters}.items() if name in declared}
    whole = {
        name: _plain(value)
        for name, value in check_parameters(domain, env, **given).items()
        if name not in domain.presentation
    }
    return env, digest, json.dumps(whole, sort_keys=True)


def _plain(value: Any) -> Any:
    """Return a parameter in the one way that it is written in keys: without -0.0, numbers in lists as floats."""
    if isinstance(value, (list, tuple)):
        return [float(one) + 0.0 if isinstance(one, (int, float)) else one for one in value]
    return value + 0.0 if isinstance(value, float) else value
