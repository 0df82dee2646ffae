"""What a layer takes on an accelerator: cycles on its arrays, traffic to DRAM, energy; and what the hardware takes.

A layer takes the longer of computing and of moving its bytes over DRAM; memories are double-buffered, so half of one is
there for what stays. Several arrays share a layer by groups first, then by outputs (columns) or by pixels (rows),
whichever is faster.
"""

from __future__ import annotations

import numpy as np

from placezoo import jit
from placezoo.cost_models.accel.systolic import OS, WS, ceil_div, gemm_traffic, separable_cycles

ST_OS = 3  # a dataflow of whole accelerators: os, and one-dimensional convolutions row by row
# What hardware is: the quantities of ``design_space.QUANTITIES``, then what ``derive`` makes of them.
(
    ARRAYS, ROWS, COLUMNS, LANES, INPUT_SRAM, WEIGHT_SRAM, OUTPUT_SRAM, L2_SRAM, SHARED_SRAM, INSTRUCTION_SRAM,
    PARAMETER_SRAM, ACTIVATION_SRAM, BANDWIDTH, BATCH, JOINED, INPUT_PJ, WEIGHT_PJ, SUM_PJ, L2_PJ, SHARED_PJ,
    INPUT_ROOM, WEIGHT_ROOM, SUM_ROOM, AREA_MM2, PEAK_WATTS, MEMORY_BYTES,
) = range(26)  # fmt: skip
# Columns of a technology, in the order of the fields of ``technology.Technology``.
(
    CLOCK, VALUE_BYTES, SUM_BYTES, MAC_PJ, REGISTER_PJ, SRAM_PJ, SRAM_PJ_PER_KB, BANK_KB, SUMS_PJ, SUMS_PJ_PER_KB,
    DRAM_PJ, VECTOR_PJ, MAC_MM2, EDGE_MM2, SUMS_MM2, SRAM_MM2,
) = range(16)  # fmt: skip
# Columns of a layer's shape: whole numbers, as floats.
GROUPS, M, K, N, LINES, LENGTH, KERNEL, STRIDE, INPUTS, WEIGHTS, OUTPUTS, REPEATS = range(12)
PRODUCT, SEPARABLE, ELEMENTWISE = range(3)
SECONDS, ENERGY, COMPUTE, MEMORY, DRAM_BYTES = range(5)  # of what a layer takes
_KB, _PICO = 1.0 / 1024.0, 1e-12


@jit.inlined
def product_cycles(dataflow, rows, columns, sums, m, k, n):
    """Return the cycles of a product on an array that keeps so many sums.

    With one fold along the inner dimension, or room for all sums of a fold, these are ``gemm_cycles``. Where the sums
    find no room, the stream is cut so that they do, and the array is filled again for each piece.
    """
    if dataflow == OS:
        return ceil_div(m, rows) * ceil_div(n, columns) * (k + rows + columns - 2.0)
    stream, across = (m, n) if dataflow == WS else (n, m)
    inner_folds, pieces = ceil_div(k, rows), 1.0
    if inner_folds > 1.0:
        pieces = ceil_div(stream * min(across, columns), sums)
    return inner_folds * ceil_div(across, columns) * (stream + pieces * (2.0 * rows + columns - 2.0))


@jit.inlined
def pieces_of(size, room):
    """Return in how many pieces an operand stays in a room; each is read once."""
    return 1.0 if size <= room else np.ceil(size / room)


@jit.inlined
def dram_values(inputs, weights, input_room, weight_room):
    """Return the values read over DRAM, in the better order: the inputs stay piece by piece, or the weights do.

    What stays is read once, the other operand once for each piece of it.
    """
    inputs_stay = inputs + weights * pieces_of(inputs, input_room)
    weights_stay = weights + inputs * pieces_of(weights, weight_room)
    return min(inputs_stay, weights_stay)


@jit.inlined
def layer_cost(kind, shapes, layer, hardware, technology, dataflow, kept_inputs, keeps_outputs, found):
    """Write what a layer, and all others that are as it is, take.

    Args:
        kind: of the layer.
        shapes: float64 [L, 12]: groups, m, k, n; lines, length, kernel and stride of one-dimensional convolutions;
            values of inputs, weights and outputs of a sample; how many such layers there are.
        layer: which of them.
        hardware: float64 [26].
        technology: float64 [16].
        dataflow: of the layer.
        kept_inputs: values of inputs of a sample that are on the chip already.
        keeps_outputs: whether the outputs stay on the chip.
        found: float64 [L, 5], seconds, joules, seconds of computing, seconds of DRAM, bytes over DRAM.
    """
    arrays, batch = hardware[ARRAYS], hardware[BATCH]
    read = batch * (shapes[layer, INPUTS] - kept_inputs)
    weights = shapes[layer, WEIGHTS]
    all_inputs, all_outputs = batch * shapes[layer, INPUTS], batch * shapes[layer, OUTPUTS]
    if kind == ELEMENTWISE:
        steps = max(all_inputs, all_outputs)
        cycles = np.ceil(steps / (hardware[LANES] * arrays))
        moved = read + weights
        energy = steps * technology[VECTOR_PJ] + (all_inputs + all_outputs) * hardware[INPUT_PJ]
    else:
        rows, columns = hardware[ROWS], hardware[COLUMNS]
        groups, m, k, n = shapes[layer, GROUPS], batch * shapes[layer, M], shapes[layer, K], shapes[layer, N]
        input_room, weight_room = hardware[INPUT_ROOM], hardware[WEIGHT_ROOM]
        turns, team, sharing = groups, 1.0, 1.0
        if arrays > 1.0:
            sharing = min(groups, arrays)
            turns, team = ceil_div(groups, sharing), np.floor(arrays / sharing)
        if kind == SEPARABLE and dataflow == ST_OS:
            lines = ceil_div(batch * shapes[layer, LINES], arrays)
            cycles = separable_cycles(
                rows, columns, lines, shapes[layer, LENGTH], shapes[layer, KERNEL], shapes[layer, STRIDE]
            )
            reads_in, reads_weights, sums = all_inputs, weights, all_outputs
        else:
            flow, kept_sums = OS if dataflow == ST_OS else dataflow, np.floor(hardware[SUM_ROOM])
            own_m, own_n = m, n
            if team > 1.0:
                own_n = ceil_div(n, team)
            cycles = product_cycles(flow, rows, columns, kept_sums, m, k, own_n)
            if team > 1.0:
                by_rows = product_cycles(flow, rows, columns, kept_sums, ceil_div(m, team), k, n)
                if by_rows < cycles:
                    cycles, own_m, own_n = by_rows, ceil_div(m, team), n
                    input_room *= team
                else:
                    weight_room *= team
            cycles *= turns
            one_in, one_weights, one_sums = gemm_traffic(flow, rows, columns, own_m, k, own_n)
            scale = groups * team
            reads_in, reads_weights, sums = scale * one_in, scale * one_weights, scale * one_sums
        room = 0.5 * (hardware[L2_SRAM] + hardware[SHARED_SRAM] / sharing) / technology[VALUE_BYTES]
        moved = groups * dram_values(read / groups, weights / groups, input_room + room, weight_room + room)
        energy = groups * m * k * n * (technology[MAC_PJ] + technology[REGISTER_PJ])
        energy += reads_in * hardware[INPUT_PJ] + reads_weights * hardware[WEIGHT_PJ] + sums * hardware[SUM_PJ]
    on_chip = all_inputs - read
    if keeps_outputs:
        on_chip += all_outputs
    else:
        moved += all_outputs
    moved_bytes = moved * technology[VALUE_BYTES]
    energy += moved_bytes * technology[DRAM_PJ] + moved * hardware[L2_PJ] + (moved + on_chip) * hardware[SHARED_PJ]
    repeats = shapes[layer, REPEATS]
    computing, moving = repeats * cycles / technology[CLOCK], repeats * moved_bytes / hardware[BANDWIDTH]
    found[layer, SECONDS] = max(computing, moving)
    found[layer, ENERGY] = repeats * energy * _PICO
    found[layer, COMPUTE] = computing
    found[layer, MEMORY] = moving
    found[layer, DRAM_BYTES] = repeats * moved_bytes


@jit.inlined
def sram_pj(technology, size):
    """Return the energy of an access of a memory of so many bytes; 0 where there is none."""
    banked = technology[SRAM_PJ] + technology[SRAM_PJ_PER_KB] * min(size * _KB, technology[BANK_KB])
    return banked if size > 0.0 else 0.0


@jit.ieee_kernel
def derive(hardware, technology):
    """Write what follows from the quantities of the hardware: energies of accesses, rooms, area, peak power, memory.

    The peak power (TDP) is that of every processing element, port, lane and DRAM channel busy in every cycle.
    """
    arrays, rows, columns = hardware[ARRAYS], hardware[ROWS], hardware[COLUMNS]
    inputs, weights, outputs = hardware[INPUT_SRAM], hardware[WEIGHT_SRAM], hardware[OUTPUT_SRAM]
    l2, shared, lanes = hardware[L2_SRAM], hardware[SHARED_SRAM], hardware[LANES]
    if hardware[JOINED] > 0.0:
        inputs = weights = inputs + weights + outputs
    hardware[INPUT_PJ], hardware[WEIGHT_PJ] = sram_pj(technology, inputs), sram_pj(technology, weights)
    column_kb = min(outputs * _KB, technology[BANK_KB]) / columns
    hardware[SUM_PJ] = technology[SUMS_PJ] + technology[SUMS_PJ_PER_KB] * column_kb
    hardware[L2_PJ], hardware[SHARED_PJ] = sram_pj(technology, l2), sram_pj(technology, shared)
    hardware[INPUT_ROOM] = max(0.5 * inputs / technology[VALUE_BYTES], 1.0)
    hardware[WEIGHT_ROOM] = max(0.5 * weights / technology[VALUE_BYTES], 1.0)
    hardware[SUM_ROOM] = max(0.5 * outputs / technology[SUM_BYTES], 1.0)

    others = shared + hardware[INSTRUCTION_SRAM] + hardware[PARAMETER_SRAM] + hardware[ACTIVATION_SRAM]
    operands = hardware[INPUT_SRAM] + hardware[WEIGHT_SRAM] + l2
    area = technology[MAC_MM2] * (rows * columns + lanes) + technology[EDGE_MM2] * (rows + columns)
    area += technology[SUMS_MM2] * outputs * _KB + technology[SRAM_MM2] * operands * _KB
    hardware[AREA_MM2] = arrays * area + technology[SRAM_MM2] * others * _KB
    hardware[MEMORY_BYTES] = arrays * (operands + outputs) + others

    peak = rows * columns * (technology[MAC_PJ] + technology[REGISTER_PJ]) + lanes * technology[VECTOR_PJ]
    peak += rows * hardware[INPUT_PJ] + columns * (hardware[WEIGHT_PJ] + hardware[SUM_PJ])
    transfer = technology[DRAM_PJ] + (hardware[L2_PJ] + hardware[SHARED_PJ]) / technology[VALUE_BYTES]
    hardware[PEAK_WATTS] = (arrays * peak * technology[CLOCK] + transfer * hardware[BANDWIDTH]) * _PICO
