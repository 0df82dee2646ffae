"""The constraint solver of chiplet partitioning: valid partitions near a candidate, or drawn from probabilities.

Three rules: edges lead to the same or a later chiplet; the chiplets used are 0..max; where a chiplet sends to another
there is no longer way between them over others (the triangle rule).

Each item has a domain, the chiplets that it may still go to, as the bits of a word. Items are visited in some order and
get a chiplet of their domain; then domains are reduced:

* edges: a reader is nowhere before the first chiplet left for what it reads, and the reverse;
* triangle, along items: if an edge u -> v has other ways beside it, all items on those are with u or with v;
* triangle, along chiplets: no item goes where an edge would give a pair of chiplets a direct and a longer way.

A domain that becomes empty takes the last visit back; what is tried is not tried there again. After ``max_backtracks``
the search turns to *chains*: every edge leads to the same or the next chiplet. Those are difference constraints, for
which reducing intervals is enough never to fail (Dechter, Meiri & Pearl 1991), so there always is an answer. Chiplets
that nobody chose are closed up at the end, which keeps the other rules.

Source: Xie et al. 2022, SAMPLE and FIX.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.mcm.moves import chain_intervals, longer_ways, reachable
from placezoo.datasets.dag import Dag

MAX_BACKTRACKS = 50
_MOST_BETWEEN = 4_000_000  # (edge, item between its ends) pairs that are kept; the chiplets' rule finds the others
_ONE = np.uint64(1)


class SolverGraph(NamedTuple):
    """The items as the solver reads them. n items, E edges, T edges with other ways beside them."""

    source: NDArray[np.int64]  # [E]
    target: NDArray[np.int64]  # [E]
    out_start: NDArray[np.int64]  # [n + 1]
    out_edges: NDArray[np.int64]  # [E]
    in_start: NDArray[np.int64]  # [n + 1]
    in_edges: NDArray[np.int64]  # [E]
    order: NDArray[np.int64]  # [n], topological
    first: NDArray[np.int64]  # [T], the ends of those edges
    last: NDArray[np.int64]  # [T]
    between_start: NDArray[np.int64]  # [T + 1], the items on the other ways
    between: NDArray[np.int64]
    around_start: NDArray[np.int64]  # [n + 1], for each item the edges (of T) that it is an end of or between
    around: NDArray[np.int64]


def solver_graph(dag: Dag) -> SolverGraph:
    """Return what the solver needs to know of a graph."""
    n, links = dag.num_nodes, dag.links
    later = _all_behind(dag.order[::-1], dag.successors, links[:, 1])
    earlier = _all_behind(dag.order, dag.predecessors, links[:, 0])
    first, last, rows, kept = [], [], [], 0
    for u, v in links.tolist():
        both = later[u] & earlier[v]
        if both.any():
            items = np.flatnonzero(np.unpackbits(both.view(np.uint8), bitorder="little")[:n])
            kept += items.size
            if kept > _MOST_BETWEEN:
                break
            first.append(u)
            last.append(v)
            rows.append(items.astype(np.int64))
    around: list[list[int]] = [[] for _ in range(n)]
    for edge, (u, v, items) in enumerate(zip(first, last, rows, strict=True)):
        for item in (u, v, *items.tolist()):
            around[item].append(edge)
    empty = np.zeros(0, np.int64)
    return SolverGraph(
        **dag.edge_arrays(),
        order=np.array(dag.order, np.int64),
        first=np.array(first, np.int64),
        last=np.array(last, np.int64),
        between_start=np.cumsum([0, *(row.size for row in rows)], dtype=np.int64),
        between=np.concatenate([empty, *rows]),
        around_start=np.cumsum([0, *(len(row) for row in around)], dtype=np.int64),
        around=np.array([edge for row in around for edge in row], np.int64),
    )


def _all_behind(
    order: NDArray[np.int64], rows: tuple[NDArray[np.int64], NDArray[np.int64]], ends: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return the items that lie behind each, given edges in rows and those behind first in the order, as bits."""
    start, edges = rows
    behind = np.zeros((order.size, (order.size + 63) // 64), np.uint64)
    for item in order:
        for other in ends[edges[start[item] : start[item + 1]]]:
            behind[item] |= behind[other]
            behind[item, other // 64] |= _ONE << np.uint64(other % 64)
    return behind


class _Search(NamedTuple):
    """What a search changes and takes back."""

    domain: NDArray[np.uint64]  # [n]
    is_set: NDArray[np.int8]  # [n], whether the domain has one chiplet and is counted in ``pairs``
    pairs: NDArray[np.int64]  # [C, C], edges between set items
    direct: NDArray[np.uint64]  # [C]
    reach: NDArray[np.uint64]  # [C]
    trail_item: NDArray[np.int64]  # items whose domain was reduced, in order
    trail_domain: NDArray[np.uint64]  # and what it was
    set_trail: NDArray[np.int64]  # [n], items in the order in which they were set
    sizes: NDArray[np.int64]  # [2], of the two trails
    queue: NDArray[np.int64]  # [n], items whose domain was reduced and whose neighbours have not heard
    queued: NDArray[np.int8]  # [n]
    heap: NDArray[np.int64]  # [1], how many are in the queue


@jit.kernel
def _lowest(domain):
    chiplet = 0
    while not (domain >> np.uint64(chiplet)) & _ONE:
        chiplet += 1
    return chiplet


@jit.kernel
def _highest(domain):
    chiplet = 63
    while not (domain >> np.uint64(chiplet)) & _ONE:
        chiplet -= 1
    return chiplet


@jit.kernel
def _below(chiplet):
    """Return the chiplets before one, as bits."""
    return (_ONE << np.uint64(chiplet)) - _ONE


@jit.kernel
def _up_to(chiplet):
    return _below(chiplet) | (_ONE << np.uint64(chiplet))


@jit.kernel
def _reduce(search, item, allowed):
    """Keep of an item's domain what is allowed; return False, and change nothing, if nothing would be left."""
    old = search.domain[item]
    new = old & allowed
    if new == 0:
        return False
    if new != old:
        size = search.sizes[0]
        search.trail_item[size], search.trail_domain[size] = item, old
        search.sizes[0] = size + 1
        search.domain[item] = new
        if not search.queued[item]:
            search.queued[item] = 1
            search.queue[search.heap[0]] = item
            search.heap[0] += 1
    return True


@jit.kernel
def _count_edge(search, source, target, sign):
    """Add or take away an edge between two items that are set; return whether its pair of chiplets is new."""
    a, b = _lowest(search.domain[source]), _lowest(search.domain[target])
    if a == b:
        return False
    search.pairs[a, b] += sign
    if search.pairs[a, b] == 0:
        search.direct[a] &= ~(_ONE << np.uint64(b))
    elif sign > 0 and search.pairs[a, b] == 1:
        search.direct[a] |= _ONE << np.uint64(b)
        return True
    return False


@jit.kernel
def _count_pairs(graph, search, item, sign):
    """Add or take away the edges between an item that is set and the others that are; return whether a pair is new."""
    is_new = False
    for position in range(graph.out_start[item], graph.out_start[item + 1]):
        other = graph.target[graph.out_edges[position]]
        if search.is_set[other] and _count_edge(search, item, other, sign):
            is_new = True
    for position in range(graph.in_start[item], graph.in_start[item + 1]):
        other = graph.source[graph.in_edges[position]]
        if search.is_set[other] and _count_edge(search, other, item, sign):
            is_new = True
    return is_new


@jit.kernel
def _propagate(graph, search):
    """Reduce domains until nothing follows any more; return whether every item has a chiplet left."""
    while search.heap[0] > 0:
        search.heap[0] -= 1
        item = search.queue[search.heap[0]]
        search.queued[item] = 0
        domain = search.domain[item]
        low, high = _lowest(domain), _highest(domain)
        from_low, to_high = ~_below(low), _up_to(high)
        for position in range(graph.out_start[item], graph.out_start[item + 1]):
            if not _reduce(search, graph.target[graph.out_edges[position]], from_low):
                return False
        for position in range(graph.in_start[item], graph.in_start[item + 1]):
            if not _reduce(search, graph.source[graph.in_edges[position]], to_high):
                return False
        if low != high or search.is_set[item]:
            continue
        search.is_set[item] = 1
        search.set_trail[search.sizes[1]] = item
        search.sizes[1] += 1
        if _count_pairs(graph, search, item, 1):
            reachable(search.direct, search.reach)
            if longer_ways(search.direct, search.reach) > 0:
                return False
        for position in range(graph.around_start[item], graph.around_start[item + 1]):
            edge = graph.around[position]
            u, v = graph.first[edge], graph.last[edge]
            if item != u and item != v:
                # It is with one of the two: if it cannot be with one, it is with the other.
                if not search.domain[u] & domain and not _reduce(search, v, domain):
                    return False
                if not search.domain[v] & domain and not _reduce(search, u, domain):
                    return False
            elif search.is_set[u] and search.is_set[v]:
                ends = search.domain[u] | search.domain[v]
                for place in range(graph.between_start[edge], graph.between_start[edge + 1]):
                    if not _reduce(search, graph.between[place], ends):
                        return False
            else:
                # One end is known: an item between that is set elsewhere says where the other end is.
                other = v if item == u else u
                for place in range(graph.between_start[edge], graph.between_start[edge + 1]):
                    one = graph.between[place]
                    if search.is_set[one] and search.domain[one] != domain:
                        if not _reduce(search, other, search.domain[one]):
                            return False
                        break
    return True


@jit.kernel
def _take_back(graph, search, trail, set_trail):
    """Return to the domains at the time of two trail lengths."""
    changed = search.sizes[1] > set_trail
    while search.sizes[1] > set_trail:
        search.sizes[1] -= 1
        item = search.set_trail[search.sizes[1]]
        search.is_set[item] = 0
        _count_pairs(graph, search, item, -1)
    while search.sizes[0] > trail:
        search.sizes[0] -= 1
        search.domain[search.trail_item[search.sizes[0]]] = search.trail_domain[search.sizes[0]]
    for position in range(search.heap[0]):
        search.queued[search.queue[position]] = 0
    search.heap[0] = 0
    if changed:
        reachable(search.direct, search.reach)


@jit.kernel
def _draw(domain, probabilities, rng):
    """Draw a chiplet of a domain by its probability; evenly if all are 0."""
    chiplets = probabilities.size
    total, members = 0.0, 0
    for chiplet in range(chiplets):
        if (domain >> np.uint64(chiplet)) & _ONE:
            total += probabilities[chiplet]
            members += 1
    left = rng.random() * (total if total > 0.0 else members)
    chosen = -1
    for chiplet in range(chiplets):
        if (domain >> np.uint64(chiplet)) & _ONE:
            weight = probabilities[chiplet] if total > 0.0 else 1.0
            if weight > 0.0:
                chosen = chiplet
                left -= weight
                if left < 0.0:
                    return chosen
    return chosen


@jit.kernel
def _nearest(low, high, wanted):
    return min(max(wanted, low), high)


@jit.kernel
def _nearest_of(domain, wanted):
    """Return the chiplet of a domain that is nearest to one."""
    for distance in range(64):
        if wanted - distance >= 0 and (domain >> np.uint64(wanted - distance)) & _ONE:
            return wanted - distance
        if wanted + distance < 64 and (domain >> np.uint64(wanted + distance)) & _ONE:
            return wanted + distance
    return -1


@jit.kernel
def _close_up(assignment, chiplets):
    """Renumber the chiplets that are used 0, 1, ..."""
    number = np.full(chiplets, -1)
    for item in range(assignment.size):
        number[assignment[item]] = 0
    used = 0
    for chiplet in range(chiplets):
        if number[chiplet] == 0:
            number[chiplet] = used
            used += 1
    for item in range(assignment.size):
        assignment[item] = number[assignment[item]]


@jit.kernel
def _chain(graph, visits, candidate, probabilities, rng, assignment):
    """Write a chain: each item nearest to its candidate, or drawn where there is none."""
    n, chiplets = assignment.size, probabilities.shape[1]
    low, high = np.zeros(n, np.int64), np.full(n, chiplets - 1)
    for position in range(n):
        item = visits[position]
        if low[item] < high[item]:
            if candidate[item] >= 0:
                chosen = _nearest(low[item], high[item], candidate[item])
            else:
                inside = _up_to(high[item]) & ~_below(low[item])
                chosen = _draw(inside, probabilities[item], rng)
            low[item] = high[item] = chosen
            chain_intervals(graph, low, high, visits[position : position + 1])
        assignment[item] = low[item]


@jit.kernel
def solve(graph, visits, candidate, probabilities, max_backtracks, rng, assignment):
    """Write a valid assignment.

    Args:
        graph: the items.
        visits: int64 [n], the order in which items are visited.
        candidate: int64 [n], the chiplet that an item keeps if it may (FIX), or -1: draw (SAMPLE).
        probabilities: float64 [n, C], what is drawn by; C the chiplets that there are.
        max_backtracks: how often a visit may be taken back before chains are the answer.
        rng: a numpy Generator.
        assignment: int64 [n], overwritten.

    Returns:
        How many visits were taken back; more than ``max_backtracks`` if the answer is a chain.
    """
    n, chiplets = probabilities.shape
    every = _up_to(chiplets - 1)
    search = _Search(
        domain=np.full(n, every),
        is_set=np.zeros(n, np.int8),
        pairs=np.zeros((chiplets, chiplets), np.int64),
        direct=np.zeros(chiplets, np.uint64),
        reach=np.zeros(chiplets, np.uint64),
        trail_item=np.empty(n * chiplets + 1, np.int64),
        trail_domain=np.empty(n * chiplets + 1, np.uint64),
        set_trail=np.empty(n, np.int64),
        sizes=np.zeros(2, np.int64),
        queue=np.empty(n, np.int64),
        queued=np.zeros(n, np.int8),
        heap=np.zeros(1, np.int64),
    )
    # Two rounds of visits: first those who get what the candidate says, then the others.
    sequence = np.empty(2 * n, np.int64)
    sequence[:n], sequence[n:] = visits, visits
    visited = np.empty(2 * n, np.int64)  # where in the sequence each visit was made
    chosen = np.empty(2 * n, np.int64)
    marks = np.empty((2 * n, 2), np.int64)
    depth, position, taken_back = 0, 0, 0
    if chiplets == 1:
        assignment[:] = 0
        return 0
    while position < 2 * n:
        item = sequence[position]
        domain = search.domain[item]
        wanted = candidate[item]
        skip = search.is_set[item] > 0
        if position < n and wanted >= 0 and not (domain >> np.uint64(wanted)) & _ONE:
            skip = True
        if skip:
            position += 1
            continue
        if wanted < 0:
            place = _draw(domain, probabilities[item], rng)
        else:
            place = wanted if position < n else _nearest_of(domain, wanted)
        visited[depth], chosen[depth] = position, place
        marks[depth, 0], marks[depth, 1] = search.sizes[0], search.sizes[1]
        depth += 1
        fits = _reduce(search, item, _ONE << np.uint64(place)) and _propagate(graph, search)
        position += 1
        while not fits:
            if depth == 0 or taken_back >= max_backtracks:
                _chain(graph, visits, candidate, probabilities, rng, assignment)
                _close_up(assignment, chiplets)
                return max_backtracks + 1
            taken_back += 1
            depth -= 1
            _take_back(graph, search, marks[depth, 0], marks[depth, 1])
            position = visited[depth]
            item = sequence[position]
            # What was tried is not tried there again.
            fits = _reduce(search, item, ~(_ONE << np.uint64(chosen[depth]))) and _propagate(graph, search)
    for item in range(n):
        assignment[item] = _lowest(search.domain[item])
    _close_up(assignment, chiplets)
    return taken_back
