"""The simulation of a placement as a queue of events; shares no code with the package."""

import heapq
import math


def transfer_time(graph, cluster, edge, a, b):
    if a == b:
        return 0.0
    return float(cluster.delay[a][b]) + float(graph.bytes[edge]) * float(cluster.inverse_bandwidth[a][b])


def slow_makespan(graph, cluster, assignment, compute_noise=None, transfer_noise=None):
    """Return makespan, total cost, and start and end of each placed task.

    Events at one time come in this order: arrivals whose transfers began before, ends of tasks, arrivals whose
    transfers begin now, by edge.
    """
    placed = [task for task in range(len(graph.compute)) if assignment[task] >= 0]
    edges = [
        (number, int(a), int(b))
        for number, (a, b) in enumerate(graph.edges)
        if assignment[a] >= 0 and assignment[b] >= 0
    ]
    missing = {task: sum(b == task for _, _, b in edges) for task in placed}
    queues = {int(device): [] for device in assignment if device >= 0}
    running, start, end, total = {}, {}, {}, 0.0
    events = [(0.0, -math.inf, task, "ready", task) for task in placed if missing[task] == 0]
    heapq.heapify(events)

    def start_next(device, now):
        nonlocal total
        if device not in running and queues[device]:
            task = queues[device].pop(0)
            took = float(graph.compute[task]) / float(cluster.speed[device])
            took *= 1.0 if compute_noise is None else compute_noise[task]
            total += took
            running[device], start[task] = task, now
            heapq.heappush(events, (now + took, now + took, -1, "end", task))

    while events:
        now, _, _, kind, task = heapq.heappop(events)
        if kind == "end":
            end[task] = now
            device = int(assignment[task])
            del running[device]
            for number, a, b in edges:
                if a == task:
                    took = transfer_time(graph, cluster, number, device, int(assignment[b]))
                    took *= 1.0 if transfer_noise is None else transfer_noise[number]
                    total += took
                    heapq.heappush(events, (now + took, now, number, "arrival", b))
        else:
            if kind == "arrival":
                missing[task] -= 1
            if missing[task] == 0:
                queues[int(assignment[task])].append(task)
        for device in queues:
            start_next(device, now)
    assert len(end) == len(placed)
    return max(end.values(), default=0.0), total, start, end
