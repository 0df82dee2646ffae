"""The simulation of a placed model as a list of events; shares no code with the package."""


def slow_step_time(graph, topology, device, priority=None):
    """Return step time, peak memory and busy time of each device, start and end of each operator, and transfers.

    Args:
        graph: the operators.
        topology: the devices.
        device: of each operator, -1 = nowhere.
        priority: of each operator, or None.
    """
    ops = [op for op in range(len(graph.flops)) if device[op] >= 0]
    edges = [(int(a), int(b)) for a, b in graph.edges if device[a] >= 0 and device[b] >= 0]
    devices = range(len(topology.kinds))
    missing = {op: sum(b == op for _, b in edges) for op in ops}
    events, queues, running = [], {d: [] for d in devices}, {d: None for d in devices}
    link_free = {link: 0.0 for link in range(len(topology.links))}
    caused, became_ready = 0, 0
    held = {
        d: sum(graph.parameter_bytes[op] * (1 + graph.state_bytes) for op in ops if device[op] == d) for d in devices
    }
    start, end, transfers = {}, {}, []
    # What lies on each device: (operator, device) -> those that still need it.
    needs = {}
    peak, busy = dict(held), {d: 0.0 for d in devices}

    def note():
        for d in devices:
            lying = sum(float(graph.output_bytes[op]) for op, place in needs if place == d)
            peak[d] = max(peak[d], held[d] + lying)

    def route(a, b):
        """Breadth first over links in their order; devices do not forward."""
        paths, layer = {a: []}, [a]
        while b not in paths:
            following = []
            for node in layer:
                for link, (x, y) in enumerate(topology.links):
                    if x == node and y not in paths and (node == a or node >= len(topology.kinds)):
                        paths[int(y)] = [*paths[node], link]
                        following.append(int(y))
            layer = following
        return paths[b]

    def make_ready(op):
        nonlocal became_ready
        queues[device[op]].append((-(priority[op] if priority is not None else 0.0), became_ready, op))
        became_ready += 1

    def run(d, now):
        nonlocal caused
        if running[d] is None and queues[d]:
            op = min(queues[d])[2]
            queues[d].remove(min(queues[d]))
            compute = graph.flops[op] / (topology.peak_flops[d] * topology.efficiency)
            took = max(compute, graph.bytes_moved[op] / topology.memory_bandwidth[d]) + topology.launch_overhead
            running[d], start[op] = op, now
            busy[d] += took
            needs[op, d] = {"running"}
            note()
            events.append((now + took, caused, "end", op))
            caused += 1

    for op in ops:
        if missing[op] == 0:
            make_ready(op)
    for d in devices:
        run(d, 0.0)
    while events:
        event = min(events)
        events.remove(event)
        now, _, kind, what = event
        if kind == "end":
            op, d = what, device[what]
            end[op] = now
            running[d] = None
            for place in list(needs):
                needs[place].discard(("reader", op)) if place[1] == d else None
            sent = {}
            for a, b in edges:
                if a != op:
                    continue
                to = device[b]
                if to == d:
                    needs[op, d].add(("reader", b))
                    missing[b] -= 1
                    if missing[b] == 0:
                        make_ready(b)
                    continue
                if to not in sent:
                    links = route(d, to)
                    begin = max([now, *(link_free[link] for link in links)])
                    slowest = min(topology.link_bandwidth[link] for link in links)
                    took = sum(topology.link_latency[link] for link in links) + graph.output_bytes[op] / slowest
                    for link in links:
                        link_free[link] = begin + took
                    sent[to] = len(transfers)
                    transfers.append((op, to, begin, begin + took))
                    events.append((begin + took, caused, "arrival", sent[to]))
                    caused += 1
                    needs[op, d].add(("sending", to))
                    needs[op, to] = set()
                    note()
                needs[op, to].add(("reader", b))
            needs[op, d].discard("running")
            for place in [place for place, left in needs.items() if not left]:
                del needs[place]
            run(d, now)
        else:
            op, to = transfers[what][:2]
            needs[op, device[op]].discard(("sending", to))
            if not needs[op, device[op]]:
                del needs[op, device[op]]
            for a, b in edges:
                if a == op and device[b] == to:
                    missing[b] -= 1
                    if missing[b] == 0:
                        make_ready(b)
            run(to, now)
    assert len(end) == len(ops)
    return max(end.values(), default=0.0), peak, busy, start, end, transfers
