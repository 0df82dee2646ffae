"""The timeline of a placed model as a trace that Chrome's ``chrome://tracing`` and Perfetto open."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.device.step_time import StepTime

_MICROSECONDS = 1e6


def chrome_trace(model: StepTime, assignment: NDArray[np.int64]) -> str:
    """Return the trace as JSON: a process for each device, with its operators and what arrives there.

    Args:
        model: the cost model.
        assignment: int64 [num_groups].

    Source: the Trace Event Format, complete events.
    """
    timeline, device = model.timeline(assignment), model.expand(assignment)
    events: list[dict[str, object]] = []
    for place, kind in enumerate(model.topology.kinds):
        for thread, name in ((0, "operators"), (1, "arriving")):
            events.append({"ph": "M", "name": "thread_name", "pid": place, "tid": thread, "args": {"name": name}})
        events.append({"ph": "M", "name": "process_name", "pid": place, "args": {"name": f"{place}: {kind}"}})
    graph = model.op_graph
    for op in np.flatnonzero(device >= 0).tolist():
        events.append(
            {
                "ph": "X", "pid": int(device[op]), "tid": 0, "name": graph.kinds[op],
                "ts": _MICROSECONDS * float(timeline.start[op]),
                "dur": _MICROSECONDS * float(timeline.end[op] - timeline.start[op]),
                "args": {"operator": graph.names[op], "flops": float(np.asarray(graph.flops)[op])},
            }
        )  # fmt: skip
    for transfer in range(int(timeline.sent[0])):
        op = int(timeline.transfer_op[transfer])
        begin, end = float(timeline.transfer_begin[transfer]), float(timeline.transfer_end[transfer])
        events.append(
            {
                "ph": "X", "pid": int(timeline.transfer_to[transfer]), "tid": 1, "name": f"from {int(device[op])}",
                "ts": _MICROSECONDS * begin, "dur": _MICROSECONDS * (end - begin),
                "args": {"operator": graph.names[op], "bytes": float(np.asarray(graph.output_bytes)[op])},
            }
        )  # fmt: skip
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}) + "\n"
