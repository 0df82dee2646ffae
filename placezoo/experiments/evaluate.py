"""Checking claims: every solution is scored again from the instance itself."""

from __future__ import annotations

import math

from placezoo.agents.solution import ClaimError, Solution
from placezoo.cost_models.cost import Cost
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import make_problem

_TOLERANCE = 1e-9  # relative; costs are sums of float64 in a fixed order


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
        cost = problem.evaluate(solution.assignment)
    except ValueError as error:
        raise ClaimError(f"assignment: {error}") from None
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
    return cost
