"""``fm``: k-way Fiduccia-Mattheyses refinement in gain buckets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.partition.gain_buckets import insert, remove
from placezoo.agents.partition.hypergraph_refinement import pass_over
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.cost_models.partition.cost import Balance, PartitionCost
from placezoo.cost_models.partition.hypergraph_cost import HypergraphCost
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.parameters import at_least

MAX_BUCKETS = 1 << 16  # gains beyond are scaled into as many buckets; only the order within one is then approximate


@dataclass(frozen=True)
class FiducciaMattheyses(Agent[GraphPartitionProblem]):
    """Greedy graph growing, refined by passes until none improves; new starts until the budget is spent.

    A pass moves each node at most once, always the one with the largest gain whose move keeps the balance, also when
    that gain is negative, and returns to the best partition it met (Fiduccia & Mattheyses 1982; k-way as in Sanchis
    1989).

    Args:
        starts: how many starts at most, None for as many as the budget allows.
        max_passes: of each start.
    """

    name = "fm"
    counts_evaluations = False  # moves of refinement are not counted

    starts: Annotated[int | None, at_least(1)] = None
    max_passes: Annotated[int, at_least(1)] = 20

    def prepare(self, problem: GraphPartitionProblem) -> None:
        """Compile what the search calls."""
        compile_repair(problem)
        rng = np.random.default_rng(0)
        start = problem.greedy(rng)
        refine(problem.cost_model, start, rng, max_passes=1)

    def _search(self, search: Search[GraphPartitionProblem]) -> None:
        problem = search.problem
        done = 0
        while self.starts is None or done < self.starts:
            start = problem.greedy(search.rng)
            search.evaluate(refine(problem.cost_model, repair(problem, start), search.rng, self.max_passes))
            done += 1
            if search.is_over:
                return


def refine(
    cost_model: PartitionCost | HypergraphCost,
    assignment: NDArray[np.int64],
    rng: np.random.Generator,
    max_passes: int = 20,
) -> NDArray[np.int64]:
    """Return a partition that is no worse: k-way Fiduccia-Mattheyses passes until one brings nothing.

    A pass over a graph takes time linear in the edges times the parts.

    Args:
        cost_model: the partition's cost.
        assignment: int64 [num_nodes], whole.
        rng: orders nodes of equal gain.
        max_passes: stop after so many.
    """
    if isinstance(cost_model, PartitionCost):
        return refine_parts(cost_model.graph, cost_model.balance, "cut", assignment, rng, max_passes)
    hypergraph, objective = cost_model.hypergraph, cost_model.objective
    return refine_parts(hypergraph, cost_model.balance, objective, assignment, rng, max_passes)


def refine_parts(
    instance: Graph | Hypergraph,
    balance: Balance,
    objective: str,
    assignment: NDArray[np.int64],
    rng: np.random.Generator,
    max_passes: int = 20,
    is_over: Callable[[], bool] = lambda: False,
) -> NDArray[np.int64]:
    """Do what ``refine`` does where no cost model has been built, until ``is_over`` says so between two passes."""
    largest = int(instance.weighted_degrees.max())
    refined = np.array(assignment, np.int64)
    limits = np.full(balance.num_parts, balance.max_part_weight)
    # Where the limit leaves less room than one node needs, a pass may exceed it by one node on its way.
    on_its_way = np.maximum(limits, balance.ideal_part_weight + instance.node_weights.max())
    for _ in range(max_passes):
        if is_over():
            break
        order = rng.permutation(instance.num_nodes)
        scale = largest // MAX_BUCKETS + 1
        if isinstance(instance, Hypergraph):
            gain = pass_over(instance, balance, objective, refined, order, scale, largest)
        else:
            gain = pass_over_graph(
                instance.indptr, instance.indices, instance.edge_weights, instance.node_weights, refined, limits,
                on_its_way, order, scale, largest,
            )  # fmt: skip
        if gain <= 0:
            break
    return refined


@jit.kernel
def _best_target(ties, part_weights, own, weight, limits):
    """Return the part with room to which a node is tied most (-1 if none has room), and the gain."""
    best, best_tie = -1, np.int64(-1)
    for part in range(part_weights.size):
        if part != own and part_weights[part] + weight <= limits[part]:
            if ties[part] > best_tie or (ties[part] == best_tie and part_weights[part] < part_weights[best]):
                best, best_tie = part, ties[part]
    return best, best_tie - ties[own]


@jit.kernel
def pass_over_graph(indptr, indices, edge_weights, node_weights, assignment, limits, on_its_way, order, scale, largest):
    """Make one pass in place; return by how much it lowered the cut, or 1 if it mended the balance.

    ``limits`` and ``on_its_way``, int64 [num_parts], say what each part may weigh in the end and on the way there.
    """
    n, k = assignment.size, limits.size
    ties = np.zeros((n, k), np.int64)  # edge weight from each node into each part
    part_weights = np.zeros(k, np.int64)
    for node in range(n):
        part_weights[assignment[node]] += node_weights[node]
        for entry in range(indptr[node], indptr[node + 1]):
            ties[node, assignment[indices[entry]]] += edge_weights[entry]
    offset = largest // scale
    heads = np.full(2 * offset + 2, -1, np.int64)
    following = np.full(n, -1, np.int64)
    preceding = np.full(n, -1, np.int64)
    bucket_of = np.full(n, -1, np.int64)
    locked = np.zeros(n, np.bool_)
    top = 0
    overweight = 0
    for part in range(k):
        overweight += max(0, part_weights[part] - limits[part])
    for node in order:
        own = assignment[node]
        on_boundary = part_weights[own] > limits[own]
        for part in range(k):
            on_boundary |= part != own and ties[node, part] > 0
        if on_boundary:
            target, gain = _best_target(ties[node], part_weights, own, node_weights[node], on_its_way)
            if target >= 0:
                bucket = gain // scale + offset + 1
                insert(node, bucket, heads, following, preceding, bucket_of)
                top = max(top, bucket)
    moved = np.empty(n, np.int64)
    came_from = np.empty(n, np.int64)
    count = 0
    best_count = 0
    gained = 0
    best_gained = 0
    start_overweight = overweight
    best_overweight = overweight
    patience = max(200, n // 10)
    while count - best_count < patience:
        while top >= 0 and heads[top] < 0:
            top -= 1
        if top < 0:
            break
        node = heads[top]
        remove(node, heads, following, preceding, bucket_of)
        own = assignment[node]
        target, gain = _best_target(ties[node], part_weights, own, node_weights[node], on_its_way)
        if target < 0:
            continue  # no part has room; a neighbour's move may bring the node back
        bucket = gain // scale + offset + 1
        if bucket < top:
            insert(node, bucket, heads, following, preceding, bucket_of)
            continue
        weight = node_weights[node]
        overweight -= max(0, part_weights[own] - limits[own]) + max(0, part_weights[target] - limits[target])
        part_weights[own] -= weight
        part_weights[target] += weight
        overweight += max(0, part_weights[own] - limits[own]) + max(0, part_weights[target] - limits[target])
        assignment[node] = target
        locked[node] = True
        gained += gain
        moved[count], came_from[count] = node, own
        count += 1
        for entry in range(indptr[node], indptr[node + 1]):
            neighbour = indices[entry]
            ties[neighbour, own] -= edge_weights[entry]
            ties[neighbour, target] += edge_weights[entry]
            if locked[neighbour]:
                continue
            if bucket_of[neighbour] >= 0:
                remove(neighbour, heads, following, preceding, bucket_of)
            other, new_gain = _best_target(
                ties[neighbour], part_weights, assignment[neighbour], node_weights[neighbour], on_its_way
            )
            if other >= 0:
                bucket = new_gain // scale + offset + 1
                insert(neighbour, bucket, heads, following, preceding, bucket_of)
                top = max(top, bucket)
        if overweight < best_overweight or (overweight == best_overweight and gained > best_gained):
            best_overweight, best_gained, best_count = overweight, gained, count
    for step in range(count - 1, best_count - 1, -1):
        assignment[moved[step]] = came_from[step]
    return 1 if best_overweight < start_overweight else best_gained
