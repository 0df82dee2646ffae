"""``macro-placer``: hard and soft macros annealed together, anywhere on the canvas, at the exact proxy cost.

Source: annealing of macros at exact incremental costs is TILOS's; the spread start is SimPL's (Kim, Lee & Markov 2012),
the optimal interval Goto's (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.cost_models.chip.free_places import FreePlaces, put_down
from placezoo.cost_models.chip.joint_annealing import JointPlacement, anneal_jointly, copy_best, within
from placezoo.cost_models.chip.legality import halo_reach
from placezoo.cost_models.chip.proxy_state import HARD, SOFT, TOP_DENSITY, TOTAL
from placezoo.cost_models.chip.quick_trials import build, quick_trials
from placezoo.cost_models.chip.soft_placer import place_soft_macros
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.parameters import above, at_least, between, one_of

_CHUNK = 2000  # moves between two looks at the clock, and at one temperature
_CHUNKS_BETWEEN_BUILDS = 25  # after so many the state is built anew: sums of floats drift
_FEWEST_TEMPERATURES = 50
_SHARE = 0.005  # of the allowed seconds that pass between two looks at the clock
_AIR = 1 / 32  # of a cell, between hard macros at the start
_RECORDS = 20  # of what is found under way, for the trace


@dataclass(frozen=True)
class MacroPlacer(Agent[ChipPlaceProblem]):
    """Hard and soft macros annealed together at places of their own, not at the centres of cells.

    Springs and spreading place hard and soft macros alike; the hard ones then go, one after another, to the nearest
    free place, in the best of several orders; annealing takes the rest of the budget. It answers with a refinement
    beside the assignment (``ChipPlaceProblem.refined``). With ``movable="macros"`` soft macros move too while it
    searches, and follow from the hard ones in the end.

    Deterministic for a seed under a budget of evaluations; under one of seconds the cooling follows the clock.

    Args:
        start: ``spread``, from nothing; or ``netlist``, from the netlist's own placement.
        first_temperature: in units of the start's cost.
        last_temperature: likewise.
        hard_share: of the moves that are of hard macros.
        first_step: the longest steps at the start, in cells.
        last_step: at the end.
        widening: over so many times more cells than the cost's the density is averaged at first; 1: never. It falls to
            the cost's own until half of the budget is spent, so that cells that are not yet among the fullest count.
        spacing: between hard macros, and at the edges, micron: more than float32 and a DEF's units round away.
    """

    name = "macro-placer"

    start: Annotated[str, one_of("spread", "netlist")] = "spread"
    first_temperature: Annotated[float, above(0)] = 3e-4
    last_temperature: Annotated[float, above(0)] = 7e-7
    hard_share: Annotated[float, between(0, 1)] = 0.25
    first_step: Annotated[float, above(0)] = 1.0
    last_step: Annotated[float, above(0)] = 0.1
    widening: Annotated[float, at_least(1)] = 3.0
    spacing: Annotated[float, at_least(0)] = 1e-3

    def prepare(self, problem: ChipPlaceProblem) -> None:
        """Compile what the search calls, and merge the netlist's equal nets."""
        anneal_jointly(self.begin(problem)[0], 1.0, self.hard_share, 1.0, 1, np.random.default_rng(0))

    def begin(self, problem: ChipPlaceProblem) -> tuple[JointPlacement, bool]:
        """Return the placement that annealing begins with, built, and whether it is legal."""
        joint = self._joint(problem)
        proxy, loose = joint.trials.proxy, problem.loose_blocks
        if self.start == "spread":
            alike = proxy.kinds.copy()
            alike[loose] = SOFT
            place_soft_macros(proxy._replace(kinds=alike), problem.cost_model.springs(loose))
        is_legal = _settle(joint)
        _build(joint)
        return joint, is_legal

    def _search(self, search: Search[ChipPlaceProblem]) -> None:
        joint, is_legal = self.begin(search.problem)
        if not is_legal:  # no order of the hard macros worked: from cells then
            _take_over(joint, search.problem, search.problem.initial_assignment(search.rng))
        search.evaluations += 1
        _record(search, joint)
        search.seconds_aside = search.seconds
        if not search.is_over:
            self._anneal(search, joint)
            _record(search, joint)

    def _anneal(self, search: Search[ChipPlaceProblem], joint: JointPlacement) -> None:
        proxy = joint.trials.proxy
        fullest = int(proxy.shape[TOP_DENSITY])
        hot, cold = (share * proxy.totals[TOTAL] for share in (self.first_temperature, self.last_temperature))
        chunk = _CHUNK
        if search.budget.evaluations is not None:  # few evaluations are cooled too
            chunk = min(chunk, max(search.budget.evaluations // _FEWEST_TEMPERATURES, 1))
        chunks, recorded, is_wide = 0, search.progress, False
        while not search.is_over:
            done = search.progress
            widened = min(int(fullest * (1 + (self.widening - 1) * max(1 - 2 * done, 0.0))), proxy.values.size // 2)
            if widened != proxy.shape[TOP_DENSITY] or chunks % _CHUNKS_BETWEEN_BUILDS == 0:
                was_wide, is_wide = is_wide, widened > fullest
                proxy.shape[TOP_DENSITY] = widened
                build(joint.trials)
                if is_wide or was_wide or chunks == 0:  # the best so far was the best by another measure
                    joint.best_total[0] = proxy.totals[TOTAL]
                    copy_best(joint)
            moves = search.evaluations_left(search.affordable(chunk, _SHARE))
            anneal_jointly(
                joint, hot * (cold / hot) ** done, self.hard_share,
                self.first_step * (self.last_step / self.first_step) ** done, moves, search.rng,
            )  # fmt: skip
            search.evaluations += moves
            chunks += 1
            if not is_wide and search.progress > recorded + 1 / _RECORDS and not search.is_over:
                before = search.seconds
                _record(search, joint)
                recorded = search.progress
                search.seconds_aside += search.seconds - before

    def _joint(self, problem: ChipPlaceProblem) -> JointPlacement:
        """Return the netlist's own placement, not yet built, with all that moves it."""
        model, netlist = problem.cost_model, problem.instance
        proxy = model.merged_state()
        proxy = proxy._replace(shape=proxy.shape.copy())  # the widening changes it
        loose, blocks = problem.loose_blocks, model.blocks
        blockages = np.array([each[:4] for each in netlist.canvas.blockages if each[4] > 0]).reshape(-1, 4)
        is_down = np.ones(blocks.size, np.int8)
        is_down[loose] = 0
        hard = loose[proxy.kinds[loose] == HARD]
        degrees = np.diff(proxy.block_ptr)
        return JointPlacement(
            trials=quick_trials(proxy),
            places=FreePlaces(
                proxy.x, proxy.y, netlist.placement.extents[blocks] / 2,
                np.maximum(halo_reach(netlist, netlist.orientations)[blocks], self.spacing),
                np.flatnonzero(proxy.kinds == HARD), is_down, blockages,
                np.array([netlist.canvas.width, netlist.canvas.height, self.spacing]),
            ),
            hard=hard,
            soft=loose[proxy.kinds[loose] == SOFT],
            flips=np.array([problem.parameters["flips"]], np.int8),
            best=np.zeros((blocks.size, 3)),
            best_total=np.full(1, np.inf),
            ends=np.zeros(2 * int(degrees.max(initial=1))),
        )  # fmt: skip


def _take_over(joint: JointPlacement, problem: ChipPlaceProblem, assignment: NDArray[np.int64]) -> None:
    """Begin with an assignment's placement."""
    placement = problem.placement(assignment)
    proxy, blocks = joint.trials.proxy, problem.cost_model.blocks
    proxy.x[:], proxy.y[:] = placement.centers[blocks].T
    proxy.orientation[:] = placement.orientations[blocks]
    _build(joint)


def _settle(joint: JointPlacement) -> bool:
    """Move hard macros to free places near where they are, in the order of several after which all costs least.

    With a little air between them if that works, since macros that touch cannot step. Returns False, and leaves the
    hard ones, if no order finds a place for all.
    """
    proxy, hard, places = joint.trials.proxy, joint.hard, joint.places
    x, y, canvas = proxy.x[hard].copy(), proxy.y[hard].copy(), places.canvas
    to_edge = np.minimum(np.minimum(x, canvas[0] - x), np.minimum(y, canvas[1] - y))
    to_middle = np.hypot(x - canvas[0] / 2, y - canvas[1] / 2)
    least, best = np.inf, (x, y)
    for air in (_AIR * proxy.grid[:2], np.zeros(2)):
        for key in (-proxy.sizes[hard].prod(axis=1), x, y, x + y, to_edge, -to_edge, to_middle):
            proxy.x[hard], proxy.y[hard] = x, y
            places.is_down[hard] = 0
            if put_down(places._replace(room=np.maximum(places.room, air)), hard[np.argsort(key, kind="stable")]):
                build(joint.trials)
                if proxy.totals[TOTAL] < least:
                    least, best = proxy.totals[TOTAL], (proxy.x[hard].copy(), proxy.y[hard].copy())
        if least < np.inf:
            break
    proxy.x[hard], proxy.y[hard] = best
    places.is_down[hard] = 1
    return least < np.inf


def _build(joint: JointPlacement) -> None:
    """Move soft macros that stick out of the canvas inside, and compute all that follows; it is the best so far."""
    proxy = joint.trials.proxy
    for block in joint.soft:
        proxy.x[block], proxy.y[block] = within(joint.places, block, proxy.x[block], proxy.y[block])
    build(joint.trials)
    copy_best(joint)


def _record(search: Search[ChipPlaceProblem], joint: JointPlacement) -> None:
    """Record the best placement: its cells as the assignment, its places as what refines it."""
    places = joint.best[search.problem.item_blocks]
    search.record(search.problem.cells_of(places[:, :2]), places)
