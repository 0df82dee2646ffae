"""Compiled sums over what lies where, and their derivatives; see ``gathering``."""

from __future__ import annotations

import numpy as np

from placezoo import jit


@jit.kernel
def sum_contents(content, first, assignment, sizes, sums, counts):
    """Add up the embeddings of the items on each resource.

    Samples of one graph that follow each other mostly differ in a few items, so sums go on from the sample before.

    Args:
        content: float32 [N, d].
        first: int64 [B], where the items of each sample's graph start.
        assignment: int64 [B, M].
        sizes: int64 [B], how many items each has.
        sums: float32 [B, K, d], written.
        counts: float32 [B, K], written.
    """
    width, resources = content.shape[1], sums.shape[1]
    running = np.zeros((resources, width), np.float64)
    number = np.zeros(resources, np.float64)
    for b in range(len(first)):
        fresh = b == 0 or first[b] != first[b - 1]
        if fresh:
            running[:] = 0.0
            number[:] = 0.0
        for i in range(sizes[b]):
            place = assignment[b, i]
            last = -1 if fresh else assignment[b - 1, i]
            if place == last:
                continue
            if last >= 0:
                number[last] -= 1.0
                for f in range(width):
                    running[last, f] -= content[first[b] + i, f]
            if place >= 0:
                number[place] += 1.0
                for f in range(width):
                    running[place, f] += content[first[b] + i, f]
        for k in range(resources):
            counts[b, k] = number[k]
            for f in range(width):
                sums[b, k, f] = running[k, f]


@jit.kernel
def sum_contents_backward(gradient, first, assignment, sizes, of_content):
    """Derive ``sum_contents``: an item gets what its resource got while it lay there, a difference of running sums.

    Args:
        gradient: float32 [B, K, d], of the sums.
        first: int64 [B].
        assignment: int64 [B, M].
        sizes: int64 [B].
        of_content: float64 [N, d], added to.
    """
    resources, width = gradient.shape[1:]
    running = np.zeros((resources, width), np.float64)
    for b in range(len(first)):
        fresh = b == 0 or first[b] != first[b - 1]
        for i in range(sizes[b]):
            place = assignment[b, i]
            last = -1 if fresh else assignment[b - 1, i]
            if place == last:
                continue
            item = first[b] + i
            if last >= 0:
                for f in range(width):
                    of_content[item, f] += running[last, f]
            if place >= 0:
                for f in range(width):
                    of_content[item, f] -= running[place, f]
        for k in range(resources):
            for f in range(width):
                running[k, f] += gradient[b, k, f]
        if b + 1 == len(first) or first[b + 1] != first[b]:
            for i in range(sizes[b]):
                place = assignment[b, i]
                if place >= 0:
                    for f in range(width):
                        of_content[first[b] + i, f] += running[place, f]


@jit.kernel
def average_neighbours(
    message, edge_start, tail, row_sample, row_item, first, pair_start, resource, assignment, waiting, there
):
    """Average the messages into each row's item by where their tails lie.

    Args:
        message: float32 [E, d], of edges sorted by their heads.
        edge_start: int64 [N + 1].
        tail: int64 [E].
        row_sample: int64 [R].
        row_item: int64 [R].
        first: int64 [B], where the items of each sample's graph start.
        pair_start: int64 [R + 1], where each row's pairs start.
        resource: int64 [P].
        assignment: int64 [B, M].
        waiting: float32 [R, d + 1], zeros; gets the unplaced ones' messages, and their share.
        there: float32 [P, d + 1], zeros; gets those of the tails on the pair's resource, and their share.
    """
    width = message.shape[1]
    slot = np.full(assignment.max() + 1 if assignment.size else 0, -1, np.int64)
    for r in range(len(row_item)):
        item, b = row_item[r], row_sample[r]
        begin, end = edge_start[item], edge_start[item + 1]
        if begin == end:
            continue
        for p in range(pair_start[r], pair_start[r + 1]):
            if resource[p] < len(slot):
                slot[resource[p]] = p
        share = np.float32(1.0) / np.float32(end - begin)
        for e in range(begin, end):
            place = assignment[b, tail[e] - first[b]]
            if place < 0:
                for f in range(width):
                    waiting[r, f] += share * message[e, f]
                waiting[r, width] += share
            elif slot[place] >= 0:
                p = slot[place]
                for f in range(width):
                    there[p, f] += share * message[e, f]
                there[p, width] += share
        for p in range(pair_start[r], pair_start[r + 1]):
            if resource[p] < len(slot):
                slot[resource[p]] = -1


@jit.kernel
def average_neighbours_backward(
    of_waiting, of_there, edge_start, tail, row_sample, row_item, first, pair_start, resource, assignment, of_message
):
    """Derive ``average_neighbours``; adds to ``of_message``, float32 [E, d]."""
    width = of_message.shape[1]
    slot = np.full(assignment.max() + 1 if assignment.size else 0, -1, np.int64)
    for r in range(len(row_item)):
        item, b = row_item[r], row_sample[r]
        begin, end = edge_start[item], edge_start[item + 1]
        if begin == end:
            continue
        for p in range(pair_start[r], pair_start[r + 1]):
            if resource[p] < len(slot):
                slot[resource[p]] = p
        share = np.float32(1.0) / np.float32(end - begin)
        for e in range(begin, end):
            place = assignment[b, tail[e] - first[b]]
            if place < 0:
                for f in range(width):
                    of_message[e, f] += share * of_waiting[r, f]
            elif slot[place] >= 0:
                p = slot[place]
                for f in range(width):
                    of_message[e, f] += share * of_there[p, f]
        for p in range(pair_start[r], pair_start[r + 1]):
            if resource[p] < len(slot):
                slot[resource[p]] = -1
