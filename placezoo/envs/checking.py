"""Checking a problem of one's own: that its features, moves and episodes say the same as its costs."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.vector import FORMULATIONS

_TOLERANCE = 1e-7  # relative to the costs compared


def check_problem(problem: PlacementProblem, moves: int = 200, seed: int = 0) -> None:
    """Check that a problem keeps what ``PlacementProblem`` and ``Kernel`` promise; say in one line what it does not.

    Looked at are the instance's name, parameters and order, shapes and ranges of features, random moves (``delta``
    against the difference of whole costs, ``apply``, ``undo``, feasibility), ``observe`` against ``cost_of``, masks,
    and an episode in each formulation. A problem that passes may still model the wrong thing: compare ``evaluate``
    with a slow version of your own.

    Args:
        problem: any, a small one by preference.
        moves: how many random moves are made.
        seed: of everything random.

    Raises:
        ValueError: what is wrong, and in which function.

    Example:
        >>> import placezoo
        >>> placezoo.check_problem(placezoo.make_problem("GraphPartition-v0", "karate", num_parts=3))
    """
    rng = np.random.default_rng(seed)
    _check_description(problem)
    _check_features(problem)
    start = problem.initial_assignment(rng)
    _require(
        start.shape == (problem.num_items,) and start.dtype == np.int64,
        f"initial_assignment: int64 of shape ({problem.num_items},) expected, not {start.dtype} of {start.shape}",
    )
    cost = problem.evaluate(start)
    _require(math.isfinite(cost.total), f"cost_of: the total of a whole assignment is {cost.total}")
    _require(
        tuple(cost.terms) == tuple(problem.term_names),
        f"cost_of: its terms are {', '.join(cost.terms)}, term_names are {', '.join(problem.term_names)}",
    )
    if cost.feasible:
        _require(
            problem.infeasible_penalty >= cost.total,
            f"infeasible_penalty: {problem.infeasible_penalty:g}, and a feasible assignment costs {cost.total:g}",
        )
    _check_moves(problem, start, moves, rng)
    _check_observe(problem, start)
    mask = problem.allowed(np.full(problem.num_items, -1, np.int64), int(problem.item_order[0]))
    _require(bool(mask.any()), "allowed: the first item of the order may be placed nowhere")
    for formulation in FORMULATIONS:
        _check_episode(problem, formulation, rng)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_description(problem: PlacementProblem) -> None:
    for name in ("name", "digest"):
        _require(isinstance(getattr(problem.instance, name, None), str), f"instance: it has no {name}, a text")
    try:
        json.dumps(problem.parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters: they must be JSON values ({error})") from None
    make: Any = type(problem)
    try:
        again = make(problem.instance, **problem.parameters)
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters: they do not rebuild the problem ({error})") from None
    _require(again.num_items == problem.num_items, "parameters: the problem that they rebuild has other items")
    order = problem.item_order
    _require(
        np.array_equal(np.sort(order), np.arange(problem.num_items)), "item_order: it is no permutation of the items"
    )


def _check_features(problem: PlacementProblem) -> None:
    names = problem.feature_names
    links, of_links = problem.item_edges
    between, of_between = problem.resource_edges
    for what, values, rows, columns in (
        ("item_features", problem.item_features, problem.num_items, names.items),
        ("item_edges", of_links, len(links), names.item_edges),
        ("resource_edges", of_between, len(between), names.resource_edges),
    ):
        _check_values(what, values, rows, columns)
    for what, ends, count in (
        ("item_edges", links, problem.num_items),
        ("resource_edges", between, problem.num_resources),
    ):
        _require(ends.ndim == 2 and ends.shape[1] == 2, f"{what}: links of shape [n, 2] expected, not {ends.shape}")
        _require(
            not ends.size or (ends.min() >= 0 and ends.max() < count), f"{what}: a link leads to what does not exist"
        )


def _check_values(what: str, values: NDArray[np.float32], rows: int, columns: tuple[str, ...]) -> None:
    _require(
        values.shape == (rows, len(columns)) and values.dtype == np.float32,
        f"{what}: float32 of shape ({rows}, {len(columns)}) expected, not {values.dtype} of {values.shape}",
    )
    for number, name in enumerate(columns):
        outside = values[:, number][~(np.abs(values[:, number]) <= 1.0)]  # of NaN too
        if outside.size:
            raise ValueError(f"{what}: {name} must be finite and in -1..1, and has {outside[0]:g}")


def _check_moves(problem: PlacementProblem, start: NDArray[np.int64], moves: int, rng: np.random.Generator) -> None:
    kernel = problem.kernel(start)
    is_open = kernel.complete is not None  # then differences leave out what is derived anew
    before = problem.cost_of(kernel.state)
    for _ in range(moves):
        move = kernel.propose(kernel.state, rng)
        change = float(kernel.delta(kernel.state, move))
        old = kernel.state.assignment.copy()
        kernel.apply(kernel.state, move)
        new = kernel.state.assignment.copy()
        wanted = _moved(old.copy(), move)
        _require(
            wanted is None or np.array_equal(new, wanted), f"apply: the move {_text(move)} does not go where it says"
        )
        after = problem.cost_of(kernel.state)
        if not is_open:
            whole = problem.evaluate(new)
            _same("cost_of", f"the state after {_text(move)}", after.total, "evaluate", whole.total)
            _same("delta", f"the move {_text(move)}", change, "the difference of costs", after.total - before.total,
                  abs(before.total) + abs(after.total))  # fmt: skip
        _require(
            after.feasible or not before.feasible, f"propose: the move {_text(move)} leaves the feasible assignments"
        )
        if rng.random() < 0.5:
            kernel.undo(kernel.state, move)
            _require(np.array_equal(kernel.state.assignment, old), f"undo: it does not take {_text(move)} back")
            back = problem.cost_of(kernel.state)
            _same("undo", f"the state before {_text(move)}", back.total, "cost_of then", before.total)
        else:
            before = after


def _moved(assignment: NDArray[np.int64], move: Any) -> NDArray[np.int64] | None:
    """Return the assignment after a move; None for a kind of the domain's own."""
    item, source, target, partner = (int(one) for one in move)
    if partner < -1:
        return None
    assignment[item] = target
    if partner >= 0:
        assignment[partner] = source
    return assignment


def _text(move: Any) -> str:
    return f"({', '.join(str(int(one)) for one in move)})"


def _same(function: str, of: str, found: float, other: str, expected: float, scale: float = 0.0) -> None:
    close = math.isclose(found, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * max(scale, 1.0))
    _require(close, f"{function}: of {of} it is {found:.12g}, {other} is {expected:.12g}")


def _check_observe(problem: PlacementProblem, start: NDArray[np.int64]) -> None:
    state, names = problem.kernel(start).state, problem.feature_names
    features = np.zeros((problem.num_resources, len(names.resources)), np.float32)
    values = np.zeros(2 + len(problem.term_names))
    problem.step_kernel.observe(state, features, values)
    _check_values("observe", features, problem.num_resources, names.resources)
    cost = problem.cost_of(state)
    _same("observe", "the total", float(values[0]), "cost_of", cost.total)
    _require(bool(values[1]) == cost.feasible, f"observe: feasible is {bool(values[1])}, cost_of says {cost.feasible}")
    for name, value in zip(problem.term_names, values[2:], strict=True):
        _same("observe", f"the term {name}", float(value), "cost_of", cost.terms[name])


def _check_episode(problem: PlacementProblem, formulation: str, rng: np.random.Generator) -> None:
    env = FORMULATIONS[formulation](ProblemSource.of(problem))
    env.action_space.seed(int(rng.integers(2**31)))
    observation, info = env.reset(seed=int(rng.integers(2**31)))
    earned, cost = 0.0, info["cost"]["total"] if formulation == "improve" else 0.0
    over = False
    while not over:
        mask = observation["action_mask"]
        _require(formulation != "improve" or bool(mask.any()), "movable: no item may go anywhere")
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample(mask=mask))
        earned, over = earned + float(reward), terminated or truncated
    if formulation == "construct" and not info["feasible"]:
        return  # it broke off, at the price of the penalty
    _same(formulation, "an episode, what is earned", earned, "what the cost fell by", cost - info["cost"]["total"],
          abs(cost) + abs(info["cost"]["total"]))  # fmt: skip
