"""A systolic array, processing element by processing element: what the closed equations must equal."""

from itertools import product


def slow_run(dataflow, rows, columns, m, k, n, trimmed=False):
    """Return cycles, reads of inputs, reads of filters, writes of outputs, and multiply-adds of a product."""
    if dataflow == "os":
        down, across, steps = m, n, k  # an element keeps an output and sees k pairs of values
    elif dataflow == "ws":
        down, across, steps = k, n, m  # an element keeps a filter's value and sees m inputs
    else:
        down, across, steps = k, m, n  # an element keeps an input and sees n filters' values
    cycles = inputs = filters = outputs = products = 0
    for top, left in product(range(0, down, rows), range(0, across, columns)):
        here = [(i, j) for i in range(min(rows, down - top)) for j in range(min(columns, across - left))]
        used_rows, used_columns = 1 + max(i for i, _ in here), 1 + max(j for _, j in here)
        high, wide = (used_rows, used_columns) if trimmed else (rows, columns)
        loading = 0 if dataflow == "os" else high  # what stands still comes in row by row
        # Values move one element a cycle, right and down: element (i, j) begins i + j cycles after the first.
        cycles += max(loading + i + j + steps for i, j in product(range(high), range(wide)))
        products += len(here) * steps
        if dataflow == "os":
            inputs += used_rows * steps
            filters += used_columns * steps
            outputs += len(here)
        else:
            still, moving = len(here), used_rows * steps
            inputs += moving if dataflow == "ws" else still
            filters += still if dataflow == "ws" else moving
            outputs += used_columns * steps
    return cycles, inputs, filters, outputs, products
