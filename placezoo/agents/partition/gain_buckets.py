"""Nodes in doubly linked buckets by their gain (Fiduccia & Mattheyses 1982): each change takes one step."""

from __future__ import annotations

from placezoo import jit


@jit.kernel
def insert(node, bucket, heads, following, preceding, bucket_of):
    """Put a node at the head of a bucket, of which ``heads`` holds the first nodes."""
    first = heads[bucket]
    following[node] = first
    preceding[node] = -1
    if first >= 0:
        preceding[first] = node
    heads[bucket] = node
    bucket_of[node] = bucket


@jit.kernel
def remove(node, heads, following, preceding, bucket_of):
    """Take a node out of its bucket."""
    if preceding[node] >= 0:
        following[preceding[node]] = following[node]
    else:
        heads[bucket_of[node]] = following[node]
    if following[node] >= 0:
        preceding[following[node]] = preceding[node]
    bucket_of[node] = -1
