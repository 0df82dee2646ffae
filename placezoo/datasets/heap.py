"""A binary heap in two arrays, largest key first, for kernels."""

from __future__ import annotations

from placezoo import jit


@jit.kernel
def heap_push(keys, nodes, size, key, node):
    """Add to a heap of ``size`` entries in the two arrays; return its new size."""
    child = size
    while child > 0 and keys[(child - 1) // 2] < key:
        keys[child], nodes[child] = keys[(child - 1) // 2], nodes[(child - 1) // 2]
        child = (child - 1) // 2
    keys[child], nodes[child] = key, node
    return size + 1


@jit.kernel
def heap_pop(keys, nodes, size):
    """Remove the entry with the largest key, ``keys[0], nodes[0]``; return the heap's new size."""
    size -= 1
    key, node = keys[size], nodes[size]
    parent = 0
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[parent], nodes[parent] = keys[child], nodes[child]
        parent = child
    keys[parent], nodes[parent] = key, node
    return size
