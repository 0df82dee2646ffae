"""The rules and the interval of chiplet partitions in plain Python; shares no code with the package."""

import itertools


def longest_way(edges, a, b):
    """Return the length of the longest path from a to b in an acyclic set of edges, 0 if there is none."""
    found = [longest_way(edges, y, b) + 1 for x, y in edges if x == a and y != b and longest_way(edges, y, b)]
    return max(found, default=0) or ((a, b) in edges)


def links_of(problem):
    """Return the edges between the items of a problem or a cost model."""
    return [tuple(link) for link in getattr(problem, "cost_model", problem).dag.links.tolist()]


def is_valid(links, assignment):
    """Return whether a partition keeps the three rules."""
    if sorted(set(assignment)) != list(range(max(assignment) + 1)):
        return False
    if any(assignment[a] > assignment[b] for a, b in links):
        return False
    chips = {(assignment[a], assignment[b]) for a, b in links if assignment[a] != assignment[b]}
    return all(longest_way(chips, a, b) == 1 for a, b in chips)


def valid_partitions(num_items, links, chiplets):
    """Return every valid partition."""
    return {one for one in itertools.product(range(chiplets), repeat=num_items) if is_valid(links, one)}


def interval(graph, package, replicas, assignment):
    """Return interval and memory of each chiplet.

    Args:
        graph: the operators.
        package: the chiplets.
        replicas: the operators that each chiplet that needs them has.
        assignment: chiplet of each other operator, by its number.
    """
    scale = package.value_bytes / 4.0

    def seconds(op):
        return max(graph.flops[op] / package.peak_flops, scale * graph.bytes_moved[op] / package.memory_bandwidth)

    readers = {op: [int(b) for a, b in graph.edges if a == op] for op in range(graph.num_ops)}
    sources = {op: [int(a) for a, b in graph.edges if b == op] for op in range(graph.num_ops)}
    intervals, memories = [], []
    for chiplet in range(package.count):
        mine = [op for op, place in assignment.items() if place == chiplet]
        copies, waiting = set(), [a for op in mine for a in sources[op]]
        while waiting:
            op = waiting.pop()
            if op in replicas and op not in copies:
                copies.add(op)
                waiting += sources[op]
        compute = sum(seconds(op) for op in [*mine, *copies])
        links = 0.0
        crossing = 0.0
        for border in (chiplet - 1, chiplet):  # the links into and out of it
            over = sum(
                scale * graph.output_bytes[op]
                for op, place in assignment.items()
                if place <= border and any(assignment.get(b, -1) > border for b in readers[op])
            )
            crossing += over
            links += over / package.link_bandwidth + (package.link_latency if over > 0 else 0.0)
        intervals.append(compute + links)
        working = max((scale * (graph.bytes_moved[op] - graph.parameter_bytes[op]) for op in mine), default=0.0)
        held = sum(scale * graph.parameter_bytes[op] for op in mine)
        memories.append(held + max(working, 0.0) + 2 * crossing)
    return max(intervals), memories
