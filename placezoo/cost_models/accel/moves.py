"""Kernels of an accelerator's cost: the state of a design and of the layers on it, and its moves.

Items are decisions: about the hardware, about what a network leaves open, about the dataflow of a layer, about keeping
the tensor of an edge on the chip. What is not decided yet counts as the item's usual option; what an incomplete design
costs is the decided share of that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.accel.layer_cost import (
    AREA_MM2,
    BATCH,
    ENERGY,
    INPUTS,
    MEMORY_BYTES,
    OUTPUTS,
    PEAK_WATTS,
    SECONDS,
    SHARED_SRAM,
    VALUE_BYTES,
    derive,
    layer_cost,
)  # fmt: skip

TERM_NAMES = ("latency", "energy", "power", "area", "tdp", "memory", "accuracy")
OPTION_FEATURE_NAMES = ("position", "share")
OPTION_POSITION, OPTION_SHARE = range(2)  # columns of those features
PAIR_FEATURE_NAMES = ("cost", "area", "tdp")
PAIR_COST, PAIR_AREA, PAIR_TDP = range(3)
(TOTAL, LATENCY, ENERGY_SUM, POWER, AREA, TDP, MEMORY_SUM, ACCURACY, VALUE, EXCESS, UNPLACED) = range(11)  # of totals
HARDWARE, DATAFLOW, CHOICE, LAYER_DATAFLOW, FUSION = range(5)  # kinds of items
_MAKE_ROOM = 4  # times that another decision is drawn
FUSED = 1  # the option of an edge whose tensor stays on the chip
# Columns of AcceleratorState.items. TARGET is the layer of a dataflow, the edge of a fusion; USUAL what an undecided
# item counts as; SMALLEST the option with the least area, power and memory; TABLE_STRIDE is 0 for most.
KIND_OF, TARGET, OPTIONS, USUAL, SMALLEST, TABLE_STRIDE, SETS, SETS_END, HANGING, HANGING_END = range(10)
# Columns of AcceleratorState.layer_table: the item of the dataflow or -1, and rows of ``lists``.
LAYER_KIND, NETWORK, DATAFLOW_ITEM, GATES, GATES_END, OUT, OUT_END, IN, IN_END = range(9)
SOURCE_LAYER, TARGET_LAYER, FUSION_ITEM = range(3)  # of AcceleratorState.edges
(  # of AcceleratorState.bounds: limits, powers of the objective, what else the cost reads
    AREA_LIMIT, TDP_LIMIT, MEMORY_LIMIT, ACCURACY_LIMIT, PENALTY, BY_SAMPLE, LATENCY_POWER, ENERGY_POWER, TDP_POWER,
    FIXED_DATAFLOW,
) = range(10)  # fmt: skip


class AcceleratorState(NamedTuple):
    """A design, what each layer takes on it, and the task. n items, R options, L layers, E edges, W networks."""

    assignment: NDArray[np.int64]  # [n], -1 = undecided
    hardware: NDArray[np.float64]  # [26]
    tried: NDArray[np.float64]  # [26], of a design that is only looked at
    layers: NDArray[np.float64]  # [L, 5], seconds, joules, seconds of computing and of DRAM, bytes over DRAM
    sums: NDArray[np.float64]  # [W, 2], seconds and joules of each network
    totals: NDArray[np.float64]  # [11]
    saved_layers: NDArray[np.float64]  # [L, 5], before the move that is only looked at
    saved_totals: NDArray[np.float64]  # [11]
    previous: NDArray[np.int64]  # [1], the option that the second decision of the last move had
    items: NDArray[np.int64]  # [n, 10]
    option_values: NDArray[np.float64]  # [n, R]
    factors: NDArray[np.float64]  # like the rows of ``lists`` that say what items set: by how much; 0: they divide
    base: NDArray[np.float64]  # [26], the quantities before any item
    layer_table: NDArray[np.int64]  # [L, 9]
    shapes: NDArray[np.float64]  # [L, 12]
    edges: NDArray[np.int64]  # [E, 3]
    lists: NDArray[np.int64]  # quantities set; pairs of item and option of gates; layers that hang on items; edges
    technology: NDArray[np.float64]  # [16]
    bounds: NDArray[np.float64]  # [10]
    table: NDArray[np.float64]  # accuracy of each combination, the most possible where some are undecided; or one entry


@jit.inlined
def copy(source, target):
    """Copy an array; a loop compiles many times faster than an assignment of slices."""
    for place in range(source.size):
        target[place] = source[place]


@jit.inlined
def option_of(state, item):
    """Return the option of an item, the usual one if it is undecided."""
    option = state.assignment[item]
    return option if option >= 0 else state.items[item, USUAL]


@jit.inlined
def set_quantities(state, hardware, item, option):
    """Let an item's option multiply and divide the quantities of the hardware."""
    value = state.option_values[item, option]
    for position in range(state.items[item, SETS], state.items[item, SETS_END]):
        if state.factors[position] > 0.0:
            hardware[state.lists[position]] *= value * state.factors[position]
        else:
            hardware[state.lists[position]] /= value


@jit.kernel
def set_hardware(state, hardware, undecided, changed, option):
    """Write the hardware of a state, with one item's option replaced (-1: none).

    Args:
        state: whose assignment it is.
        hardware: float64 [26], written.
        undecided: which column of ``items`` says what undecided items count as.
        changed: the item.
        option: its option.
    """
    copy(state.base, hardware)
    for item in range(state.assignment.size):
        if state.items[item, SETS] < state.items[item, SETS_END]:
            taken = option if item == changed else state.assignment[item]
            set_quantities(state, hardware, item, taken if taken >= 0 else state.items[item, undecided])
    derive(hardware, state.technology)


@jit.kernel
def accuracy_with(state, changed, option):
    """Return the accuracy with one item's option replaced (-1: none): of undecided items, the most possible."""
    if state.table.size == 1:
        return state.table[0]
    place = 0
    for item in range(state.assignment.size):
        if state.items[item, TABLE_STRIDE] > 0:
            taken = option if item == changed else state.assignment[item]
            place += state.items[item, TABLE_STRIDE] * (taken if taken >= 0 else state.items[item, OPTIONS])
    return state.table[place]


@jit.inlined
def beyond(value, limit):
    """Return how far a value is above its limit, from 0 to below 1."""
    return 1.0 - limit / value if value > limit * (1.0 + 1e-12) else 0.0


@jit.inlined
def excess_over(bounds, hardware, accuracy):
    """Return how far a design is beyond its limits: 0 where it keeps them all, below 1 for each that it does not."""
    found = beyond(hardware[AREA_MM2], bounds[AREA_LIMIT]) + beyond(hardware[PEAK_WATTS], bounds[TDP_LIMIT])
    found += beyond(hardware[MEMORY_BYTES], bounds[MEMORY_LIMIT])
    if accuracy < bounds[ACCURACY_LIMIT]:
        found += 1.0 - accuracy / bounds[ACCURACY_LIMIT]
    return found


@jit.inlined
def excess_with(state, item, option, undecided):
    """Return how far a design would be beyond its limits with one item's option replaced.

    With ``SMALLEST`` for what is undecided, 0 means: the design can still keep them all.
    """
    if state.items[item, SETS] < state.items[item, SETS_END] or undecided == SMALLEST:
        set_hardware(state, state.tried, np.int64(undecided), item, option)
    else:
        copy(state.hardware, state.tried)
    return excess_over(state.bounds, state.tried, accuracy_with(state, item, option))


@jit.inlined
def is_limited(state, item):
    """Return whether an item's option counts for a limit."""
    return state.items[item, SETS] < state.items[item, SETS_END] or state.items[item, TABLE_STRIDE] > 0


@jit.inlined
def is_kept(state, edge):
    """Return whether the tensor of an edge stays on the chip: it is decided so, and fits half of the shared memory."""
    item = state.edges[edge, FUSION_ITEM]
    if item < 0 or option_of(state, item) != FUSED:
        return False
    size = state.shapes[state.edges[edge, SOURCE_LAYER], OUTPUTS] * state.hardware[BATCH]
    return size * state.technology[VALUE_BYTES] <= 0.5 * state.hardware[SHARED_SRAM]


@jit.kernel
def refresh(state, first, end):
    """Compute anew what some layers take.

    Args:
        state: changed in place.
        first: where their numbers begin in ``lists``; below 0: all layers.
        end: where they end.
    """
    layers, lists, technology, hardware = state.layer_table, state.lists, state.technology, state.hardware
    common = np.int64(state.bounds[FIXED_DATAFLOW])
    for position in range(max(first, 0), end if first >= 0 else len(layers)):
        layer = lists[position] if first >= 0 else position
        active = True
        for gate in range(layers[layer, GATES], layers[layer, GATES_END]):
            active = active and option_of(state, lists[2 * gate]) == lists[2 * gate + 1]
        if not active:
            for column in range(5):
                state.layers[layer, column] = 0.0
            continue
        kept, keeps = 0.0, layers[layer, OUT] < layers[layer, OUT_END]
        for place in range(layers[layer, IN], layers[layer, IN_END]):
            if is_kept(state, lists[place]):
                kept += state.shapes[state.edges[lists[place], SOURCE_LAYER], OUTPUTS]
        for place in range(layers[layer, OUT], layers[layer, OUT_END]):
            keeps = keeps and is_kept(state, lists[place])
        item, dataflow = layers[layer, DATAFLOW_ITEM], common
        if item >= 0:
            dataflow = np.int64(state.option_values[item, option_of(state, item)])
        kept = min(kept, state.shapes[layer, INPUTS])
        layer_cost(
            layers[layer, LAYER_KIND], state.shapes, layer, hardware, technology, dataflow, kept, keeps, state.layers
        )


@jit.kernel
def sum_up(state):
    """Compute the totals from what the layers take."""
    totals, sums, bounds, layers = state.totals, state.sums, state.bounds, state.layers
    for network in range(len(sums)):
        sums[network, 0] = sums[network, 1] = 0.0
    for layer in range(len(layers)):
        network = state.layer_table[layer, NETWORK]
        sums[network, 0] += layers[layer, SECONDS]
        sums[network, 1] += layers[layer, ENERGY]
    latency, energy = sums[0, 0], sums[0, 1]
    if len(sums) > 1:  # the geometric mean
        logs, joules = 0.0, 0.0
        for network in range(len(sums)):
            logs += np.log(max(sums[network, 0], 1e-300))
            joules += np.log(max(sums[network, 1], 1e-300))
        latency, energy = np.exp(logs / len(sums)), np.exp(joules / len(sums))
    totals[LATENCY], totals[ENERGY_SUM] = latency, energy
    totals[POWER] = energy / latency if latency > 0.0 else 0.0
    totals[AREA], totals[TDP] = state.hardware[AREA_MM2], state.hardware[PEAK_WATTS]
    totals[MEMORY_SUM], totals[ACCURACY] = (
        state.hardware[MEMORY_BYTES],
        accuracy_with(state, np.int64(-1), np.int64(-1)),
    )
    samples = state.hardware[BATCH] if bounds[BY_SAMPLE] > 0.0 else 1.0
    value = latency / samples if bounds[LATENCY_POWER] > 0.0 else 1.0
    if bounds[ENERGY_POWER] > 0.0:
        value *= energy / samples
    if bounds[TDP_POWER] > 0.0:
        value *= totals[TDP]
    totals[VALUE] = value
    totals[EXCESS] = excess_over(bounds, state.hardware, totals[ACCURACY])
    undecided = 0
    for item in range(state.assignment.size):
        undecided += state.assignment[item] < 0
    totals[UNPLACED] = undecided
    if totals[EXCESS] > 0.0:
        value += bounds[PENALTY] * (1.0 + totals[EXCESS])
    totals[TOTAL] = value * (1.0 - undecided / state.assignment.size)


@jit.inlined
def is_whole(state, item):
    """Return whether all layers depend on an item."""
    return state.items[item, KIND_OF] <= DATAFLOW


# Numba compiles a function anew for each number that stands in a call, and LLVM puts a called function into its caller.
# So all that changes a state goes through one call of one function.


@jit.kernel
def bring_up_to_date(state, item):
    """Compute anew what depends on an item, or everything where it is below 0."""
    first, end = np.int64(-1), np.int64(-1)
    if item < 0 or is_whole(state, item):
        set_hardware(state, state.hardware, np.int64(USUAL), np.int64(-1), np.int64(-1))
    else:
        first, end = state.items[item, HANGING], state.items[item, HANGING_END]
    refresh(state, first, end)
    sum_up(state)


@jit.kernel
def initialise(state):
    """Compute everything from the assignment."""
    bring_up_to_date(state, np.int64(-1))


@jit.kernel
def evaluate_all(state, assignments, totals):
    """Write the total cost of each assignment, [count, items]; the state is of the last one then."""
    for number in range(totals.size):
        for item in range(state.assignment.size):
            state.assignment[item] = assignments[number, item]
        bring_up_to_date(state, np.int64(-1))
        totals[number] = state.totals[TOTAL]


@jit.inlined
def set_options(state, item, option, partner, others):
    """Write the options of a move, and return the item that says what depends on it: -1 for everything.

    Args:
        state: whose assignment is changed.
        item: of the move.
        option: that it takes.
        partner: of the move.
        others: the option that the partner takes; -2: the one that the move says, and what it was is remembered.
    """
    state.assignment[item] = option
    if partner >= 0:
        state.assignment[partner] = others
        return np.int64(-1)
    if partner < -1:
        other, taken = divmod(-2 - partner, state.option_values.shape[1])
        if others == -2:
            state.previous[0] = state.assignment[other]
            state.assignment[other] = taken
        else:
            state.assignment[other] = state.previous[0]
        return np.int64(-1)
    return np.int64(item)


@jit.inlined
def apply(state, move):
    """Make a move; a partner of -2 - (item x R + option) is an item of the hardware, which takes the option with it."""
    item, source, target, partner = move
    bring_up_to_date(state, set_options(state, item, target, partner, source if partner >= 0 else -2))


@jit.inlined
def undo(state, move):
    """Take back the move that was just made."""
    item, source, target, partner = move
    bring_up_to_date(state, set_options(state, item, source, partner, target if partner >= 0 else -1))


@jit.inlined
def delta(state, move):
    """Return what a move adds to the total."""
    item, source, target, partner = move
    if source == target:
        return 0.0
    before = state.totals[TOTAL]
    what = set_options(state, item, target, partner, source if partner >= 0 else -2)
    look_at(state, what)
    set_options(state, item, source, partner, target if partner >= 0 else -1)
    after = state.totals[TOTAL]
    copy(state.saved_totals, state.totals)
    return after - before


@jit.kernel
def look_at(state, item):
    """Write the totals as they are after an item has changed, and leave what they are made of as it was before.

    The totals before are in ``saved_totals`` then.
    """
    layers, saved = state.layers, state.saved_layers
    copy(state.totals, state.saved_totals)
    copy(state.hardware, state.tried)
    for layer in range(len(layers)):
        for column in range(5):
            saved[layer, column] = layers[layer, column]
    bring_up_to_date(state, item)
    for layer in range(len(layers)):
        for column in range(5):
            layers[layer, column] = saved[layer, column]
    copy(state.tried, state.hardware)


@jit.kernel
def propose(state, rng):
    """Draw a decision and another option of it; a design within its limits is not taken out of them.

    Where a decision of the hardware would do that, another one is drawn to make room for it, a few times.
    """
    items = state.assignment.size
    item = min(int(rng.random() * items), items - 1)
    source, count = state.assignment[item], state.items[item, OPTIONS]
    if source < 0:
        return item, source, min(int(rng.random() * count), count - 1), -1
    stay = (item, source, source, -1)
    if count == 1:
        return stay
    target = min(int(rng.random() * (count - 1)), count - 2)
    target += target >= source
    excess = state.totals[EXCESS]
    if not is_limited(state, item) or excess_with(state, item, target, USUAL) <= excess:
        return item, source, target, -1
    if is_whole(state, item):
        for _ in range(_MAKE_ROOM):
            other = min(int(rng.random() * items), items - 1)
            option = min(int(rng.random() * state.items[other, OPTIONS]), state.items[other, OPTIONS] - 1)
            taken = state.assignment[other]
            if other == item or not is_whole(state, other) or taken < 0 or option == taken:
                continue
            state.assignment[item] = target
            fits = excess_with(state, other, option, USUAL) <= excess
            state.assignment[item] = source
            if fits:
                return item, source, target, -2 - (other * state.option_values.shape[1] + option)
    return stay


@jit.kernel
def allowed(state, item, mask):
    """Mark the options of a decision that leave a design within all limits possible; if none does, all that exist."""
    count = state.items[item, OPTIONS]
    mask[:] = 0
    if not is_limited(state, item):
        mask[:count] = 1
        return
    found = False
    for option in range(count):
        mask[option] = excess_with(state, item, option, SMALLEST) == 0.0
        found |= mask[option] != 0
    if not found:
        mask[:count] = 1


@jit.kernel
def draw_design(state, items, mask, rng):
    """Decide about items, one after another, by a random option that is allowed; the totals are not brought up to date.

    Args:
        state: in which they are undecided.
        items: int64, in which order.
        mask: int8 [num_resources], to work in.
        rng: to draw with.
    """
    for item in items:
        allowed(state, item, mask)
        taken, left = -1, rng.integers(0, mask.sum())
        while left >= 0:
            taken += 1
            left -= mask[taken]
        state.assignment[item] = taken


@jit.kernel
def movable(state, mask):
    """Mark the single moves that keep to the limits, or go less beyond them; if there is none, staying."""
    mask[:] = 0
    found = False
    for item in range(state.assignment.size):
        limited = is_limited(state, item)
        for option in range(state.items[item, OPTIONS]):
            if option != state.assignment[item]:
                excess = excess_with(state, item, option, USUAL) if limited else 0.0
                mask[item, option] = excess == 0.0 or not limited or excess < state.totals[EXCESS]
                found |= mask[item, option] != 0
    if not found:
        for item in range(state.assignment.size):
            mask[item, max(state.assignment[item], 0)] = 1


@jit.kernel
def observe(state, features, values):
    """Write the options' features, and total, feasibility and terms.

    Features: where an option stands in the row of its decision's options, from 0 to 1; the share of the decisions that
    take it.
    """
    options = features.shape[0]
    for option in range(options):
        features[option, OPTION_POSITION] = option / max(options - 1, 1)
        features[option, OPTION_SHARE] = 0.0
    for item in range(state.assignment.size):
        if state.assignment[item] >= 0:
            features[state.assignment[item], OPTION_SHARE] += 1.0 / state.assignment.size
    totals = state.totals
    values[0] = totals[TOTAL]
    values[1] = totals[EXCESS] == 0.0 and totals[UNPLACED] == 0.0
    for term in range(7):
        values[2 + term] = totals[1 + term]


@jit.kernel
def look(state, item, mask, features):
    """Write the features of each option of a decision that the mask allows.

    ``cost``: 0 for the one with the least cost, near 1 for one that costs many times as much, undecided items being
    their usual options; ``area`` and ``tdp``: over their limits, or over the most of these options where there is none.
    """
    bounds, totals = state.bounds, state.totals
    best, most_area, most_tdp = np.inf, 1e-300, 1e-300
    values = np.zeros((mask.size, 3))
    for option in range(mask.size):
        for column in range(features.shape[1]):
            features[option, column] = 0.0
        if mask[option]:
            source = state.assignment[item]
            state.assignment[item] = option
            look_at(state, item)
            state.assignment[item] = source
            values[option, 0] = totals[TOTAL] / max(1.0 - totals[UNPLACED] / state.assignment.size, 1e-300)
            values[option, 1], values[option, 2] = totals[AREA], totals[TDP]
            copy(state.saved_totals, totals)
            best = min(best, values[option, 0])
            most_area, most_tdp = max(most_area, values[option, 1]), max(most_tdp, values[option, 2])
    area_scale = bounds[AREA_LIMIT] if bounds[AREA_LIMIT] < np.inf else most_area
    tdp_scale = bounds[TDP_LIMIT] if bounds[TDP_LIMIT] < np.inf else most_tdp
    for option in range(mask.size):
        if mask[option]:
            features[option, PAIR_COST] = 1.0 - best / values[option, 0] if values[option, 0] > 0.0 else 0.0
            features[option, PAIR_AREA] = min(values[option, 1] / area_scale, 1.0)
            features[option, PAIR_TDP] = min(values[option, 2] / tdp_scale, 1.0)
