"""Completing chip placements: flips of hard macros for short wires, and places of soft macros."""

from __future__ import annotations

import numpy as np

from placezoo import jit
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.proxy_state import rebuild
from placezoo.cost_models.chip.soft_placer import place_soft_macros, sweep
from placezoo.cost_models.chip.state import FLIPS, total_of

_SWEEPS = 3


@jit.ieee_kernel
def flip_macros(state):
    """Give each hard macro the orientation of least wirelength among the four without a quarter turn, twice over."""
    proxy = state.proxy
    x, y, placed, orientation = proxy.x, proxy.y, proxy.placed, proxy.orientation
    net_ptr, net_weights, terminal_block = proxy.net_ptr, proxy.net_weights, proxy.terminal_block
    terminal_offset, terminal_net, shift = proxy.terminal_offset, proxy.terminal_net, proxy.terminal_shift
    block_ptr, block_terminals, stamps, counts = proxy.block_ptr, proxy.block_terminals, proxy.net_stamp, proxy.counts
    for _ in range(2):
        changed = False
        for item in range(state.assignment.size):
            if not state.item_hard[item] or state.assignment[item] < 0:
                continue
            block = state.item_block[item]
            best, least = orientation[block], np.inf
            for choice in range(4):
                # The present one first: only a shorter one replaces it.
                turn = proxy_state.flipped(orientation[block], choice)
                counts[proxy_state.STAMP] += 1
                length = 0.0
                for entry in range(block_ptr[block], block_ptr[block + 1]):
                    net = terminal_net[block_terminals[entry]]
                    if stamps[net] == counts[proxy_state.STAMP]:
                        continue
                    stamps[net] = counts[proxy_state.STAMP]
                    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
                    for terminal in range(net_ptr[net], net_ptr[net + 1]):
                        other = terminal_block[terminal]
                        if other == block:
                            shift_x, shift_y = proxy_state.turned(
                                turn, terminal_offset[terminal, 0], terminal_offset[terminal, 1]
                            )
                        elif placed[other]:
                            shift_x, shift_y = shift[terminal, 0], shift[terminal, 1]
                        else:
                            continue
                        low_x, high_x = min(low_x, x[other] + shift_x), max(high_x, x[other] + shift_x)
                        low_y, high_y = min(low_y, y[other] + shift_y), max(high_y, y[other] + shift_y)
                    length += net_weights[net] * (high_x - low_x + high_y - low_y)
                if length < least - 1e-9:
                    best, least = turn, length
            if best != orientation[block]:
                orientation[block] = best
                changed = True
                for entry in range(block_ptr[block], block_ptr[block + 1]):
                    terminal = block_terminals[entry]
                    shift_x, shift_y = proxy_state.turned(
                        best, terminal_offset[terminal, 0], terminal_offset[terminal, 1]
                    )
                    shift[terminal, 0], shift[terminal, 1] = shift_x, shift_y
        if not changed:
            break


@jit.ieee_kernel
def complete(state):
    """Derive flips and soft macros of a whole assignment from nothing but the assignment; return the total."""
    proxy = state.proxy
    flips = state.counts[FLIPS]
    if flips:
        for item in range(state.assignment.size):
            proxy.orientation[state.item_block[item]] = state.home_orientation[item]
    floor = place_soft_macros(proxy, state.links)
    for step in range(2):
        if flips:
            flip_macros(state)
        if step == 0:
            sweep(proxy, state.links.blocks, floor, _SWEEPS)
    rebuild(proxy)
    return total_of(state)


@jit.ieee_kernel
def settle(state):
    """Improve what follows from a whole assignment from where it stands; return the total."""
    if state.counts[FLIPS]:
        flip_macros(state)
    rebuild(state.proxy)
    sweep(state.proxy, state.links.blocks, np.inf, 1)
    rebuild(state.proxy)
    return total_of(state)
