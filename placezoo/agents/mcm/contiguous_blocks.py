"""``dynamic-programming``: the best contiguous blocks of a neural network over chiplets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.envs.mcm.problem import MCMPartitionProblem


def best_blocks(model: PipelineInterval, order: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the contiguous blocks of an order with the least interval; None if none fits the memories.

    Blocks are such that every tensor is read in its own block or the next one.
    """
    n, program = model.num_items, model.program
    position = np.empty(n, np.int64)
    position[order] = np.arange(n)
    last = np.arange(n)
    np.maximum.at(last, position[program.source], position[program.target])
    crossing = np.zeros(n + 1)  # bytes from before a position to it or later
    for place in range(n):
        crossing[place + 1 : last[place] + 1] += program.output_bytes[order[place]]
    farthest = np.zeros(n + 1, np.int64)  # the last position that is read from before a position
    farthest[1:] = np.maximum.accumulate(last)
    need_start = np.zeros(n + 1, np.int64)
    rows = [program.needs[program.need_start[item] : program.need_start[item + 1]] for item in order]
    need_start[1:] = np.cumsum([row.size for row in rows])
    needs = np.concatenate([np.zeros(0, np.int64), *rows])
    package = model.package
    cut = _best_cuts(
        program.seconds[order], program.held_bytes[order], program.working_bytes[order], crossing, farthest, need_start,
        needs, program.replica_seconds, package.count, package.link_bandwidth, package.link_latency, package.sram,
    )  # fmt: skip
    if cut[0] < 0:
        return None
    assignment = np.empty(n, np.int64)
    assignment[order] = np.searchsorted(cut, np.arange(n), side="right")
    return assignment


@jit.ieee_kernel
def _best_cuts(
    seconds, held, working, crossing, farthest, need_start, needs, replica_seconds, most, bandwidth, latency, sram
):
    """Return where blocks end, or -1 first if no blocks fit."""
    n = seconds.size
    best = np.full((most + 1, n + 1), np.inf)  # [blocks, items in them]
    came_from = np.full((most + 1, n + 1), -1)
    best[0, 0] = 0.0
    stamp = np.full(replica_seconds.size, -1)
    for begin in range(n):
        arrives = crossing[begin] / bandwidth + (latency if crossing[begin] > 0.0 else 0.0)
        compute, parameters, largest = 0.0, 0.0, 0.0
        for end in range(begin + 1, n + 1):
            item = end - 1
            compute += seconds[item]
            parameters += held[item]
            largest = max(largest, working[item])
            for position in range(need_start[item], need_start[item + 1]):
                if stamp[needs[position]] != begin:
                    stamp[needs[position]] = begin
                    compute += replica_seconds[needs[position]]
            if begin > 0 and farthest[begin] >= end:  # a tensor would pass over this block
                continue
            if parameters + largest + 2.0 * (crossing[begin] + crossing[end]) > sram:
                continue
            leaves = crossing[end] / bandwidth + (latency if crossing[end] > 0.0 else 0.0)
            interval = compute + arrives + leaves
            for blocks in range(most):
                worst = max(best[blocks, begin], interval)
                if worst < best[blocks + 1, end]:
                    best[blocks + 1, end] = worst
                    came_from[blocks + 1, end] = begin
    count = 1
    for blocks in range(1, most + 1):
        if best[blocks, n] < best[count, n]:
            count = blocks
    if best[count, n] == np.inf:
        return np.array([-1])
    cuts = np.empty(count - 1, np.int64)
    end = n
    for blocks in range(count, 0, -1):
        end = came_from[blocks, end]
        if blocks > 1:
            cuts[blocks - 2] = end
    return cuts if count > 1 else np.array([n])


@dataclass(frozen=True)
class DynamicProgramming(Agent[MCMPartitionProblem]):
    """The best contiguous blocks of a topological order, by dynamic programming.

    Two orders are cut: operators as late as their readers allow, and as early as their inputs do.
    """

    name = "dynamic-programming"

    def prepare(self, problem: MCMPartitionProblem) -> None:
        """Compile the recursion."""
        best_blocks(problem.cost_model, problem.item_order)

    def _search(self, search: Search[MCMPartitionProblem]) -> None:
        problem = search.problem
        for order in (problem.item_order, np.asarray(problem.cost_model.dag.order)):
            blocks = best_blocks(problem.cost_model, order)
            search.evaluate(problem.equal_blocks() if blocks is None else blocks)
            if search.is_over:
                return
