"""Checking claims: every solution is scored again from the instance itself."""

from __future__ import annotations

import math
from pathlib import Path

from placezoo.agents.solution import ClaimError, Solution
from placezoo.cost_models.cost import Cost
from placezoo.datasets.registry import is_file, is_named
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import make_problem, problem_class

_MOST = 200  # characters of a name in an error
_TOLERANCE = 1e-9  # relative; costs are sums of float64 in a fixed order


def claimed_problem(solution: Solution, path: Path, instance: str | None = None) -> PlacementProblem:
    """Return the problem that a solution in a file claims to solve.

    Args:
        solution: the claim.
        path: of its file: instances that are files are looked for from here, then from its folder.
        instance: a name or path to use instead of the one in the claim; its digest is checked by ``verify``.

    Raises:
        ValueError: the instance or environment is unknown here.
        OSError: the instance is not on this machine.
    """
    problem_class(solution.env_id)  # says so if it is unknown here: then its instances' names are unknown too
    name = solution.instance if instance is None else instance
    if instance is None and not is_named(name):
        files = name.split(",")
        beside = [str(path.parent / file) if is_file(path.parent / file) else file for file in files]
        if not is_file(files[0]):
            name = ",".join(beside)
        if not is_file(name.split(",")[0]):
            named = solution.instance[:_MOST]
            raise ValueError(f"{path}: its instance {named!r} is not here: give it by --instance PATH")
    return make_problem(solution.env_id, name, **solution.parameters)


def verify(solution: Solution, problem: PlacementProblem | None = None) -> Cost:
    """Return the cost of a solution as computed from its instance, if that is what it claims.

    Args:
        solution: what to check.
        problem: its problem, if at hand; else it is made from the solution's own instance and parameters.

    Raises:
        ClaimError: ``digest: ...``, ``assignment: ...`` or ``cost: ...``, whichever is not as claimed.
        ValueError: the instance or environment is unknown here.
        OSError: the instance is not on this machine.
    """
    if problem is None:
        problem = make_problem(solution.env_id, solution.instance, **solution.parameters)
    if problem.instance.digest != solution.digest:
        raise ClaimError(
            f"digest: the claim is for {solution.digest[:16]}..., "
            f"{solution.instance} is {problem.instance.digest[:16]}..."
        )
    try:
        cost = problem.refined(solution.refinement).evaluate(solution.assignment)
    except ValueError as error:
        raise ClaimError(f"assignment: {error}") from None
    extra = sorted(set(solution.cost.terms) - set(cost.terms))
    if extra:
        raise ClaimError(f"cost: {extra[0]!r} is no term of {problem.env_id}'s cost")
    for name, claimed, found in (
        ("total", solution.cost.total, cost.total),
        *((name, solution.cost.terms.get(name, math.nan), value) for name, value in cost.terms.items()),
    ):
        if not math.isclose(claimed, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise ClaimError(f"cost: {name} is claimed to be {claimed:g}, the assignment's is {found:g}")
    if solution.cost.feasible != cost.feasible:
        raise ClaimError(
            f"cost: feasible is claimed to be {solution.cost.feasible}, the assignment's is {cost.feasible}"
        )
    if bool(solution.cost.violations) != bool(cost.violations):
        raise ClaimError(f"cost: {len(solution.cost.violations)} violations are claimed, {len(cost.violations)} found")
    if solution.bound is not None and not -math.inf < solution.bound <= cost.total + _TOLERANCE * abs(cost.total):
        raise ClaimError(
            f"bound: no assignment is claimed to cost less than {solution.bound:g}, this costs {cost.total:g}"
        )
    return cost
