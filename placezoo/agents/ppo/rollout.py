"""What a batched environment went through, episode by episode: graphs and arrays of their own sizes, no padding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.graph_batch import Graphs, Samples
from placezoo.envs.problem import PlacementProblem


@dataclass
class Segment:
    """Consecutive steps of one environment on one problem. L steps, n items, K resources.

    Attributes:
        problem: what was placed.
        graph: its item graph.
        scale: what its costs and rewards are relative to.
        assignment: int16 [L, n] (int32 with very many resources), before each step.
        current_item: int64 [L].
        features: float32 [L, K, Fr], of the resources.
        mask: bool [L, K] or [L, n, K].
        action: int64 [L] or [L, n]: a resource, item * K + resource, or all resources.
        log_prob: float32 [L], of the action when it was drawn.
        value: float32 [L], of the state.
        reward: float32 [L].
        advantage: float32 [L], filled in by ``estimate_advantages``.
        length: L so far.
        last_value: of the state after the last step, where the episode goes on or was cut off.
    """

    problem: PlacementProblem
    graph: Graphs
    scale: float
    assignment: NDArray[Any]
    current_item: NDArray[np.int64]
    features: NDArray[np.float32]
    mask: NDArray[np.bool_]
    action: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    value: NDArray[np.float32]
    reward: NDArray[np.float32]
    advantage: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    length: int = 0
    last_value: float = 0.0

    @classmethod
    def begin(cls, problem: PlacementProblem, graph: Graphs, scale: float, formulation: str, room: int) -> Segment:
        """Return an empty segment for at most ``room`` steps."""
        n, resources = problem.num_items, problem.num_resources
        every_item = formulation != "construct"
        return cls(
            problem=problem,
            graph=graph,
            scale=scale,
            assignment=np.empty((room, n), np.int16 if resources < 2**15 else np.int32),
            current_item=np.empty(room, np.int64),
            features=np.empty((room, resources, len(problem.feature_names.resource_columns)), np.float32),
            mask=np.empty((room, n, resources) if every_item else (room, resources), np.bool_),
            action=np.empty((room, n) if formulation == "one-shot" else room, np.int64),
            log_prob=np.empty(room, np.float32),
            value=np.empty(room, np.float32),
            reward=np.empty(room, np.float32),
        )

    def estimate_advantages(self, gamma: float, gae_lambda: float) -> None:
        """Fill in the advantages (Schulman et al. 2016, generalised advantage estimation)."""
        self.advantage = np.empty(self.length, np.float32)
        following, running = self.last_value, 0.0
        for step in range(self.length - 1, -1, -1):
            error = self.reward[step] + gamma * following - self.value[step]
            running = error + gamma * gae_lambda * running
            self.advantage[step] = running
            following = float(self.value[step])


@dataclass
class Chunk:
    """Some consecutive steps of a segment."""

    segment: Segment
    begin: int
    end: int


def cut(segments: list[Segment], length: int) -> list[Chunk]:
    """Return all steps in chunks of at most so many."""
    return [
        Chunk(segment, begin, min(begin + length, segment.length))
        for segment in segments
        for begin in range(0, segment.length, length)
    ]


def minibatches(chunks: list[Chunk], size: int, rng: np.random.Generator) -> list[list[Chunk]]:
    """Return the chunks in groups of about so many steps: graphs in random order, a graph's chunks together."""
    graphs = dict.fromkeys(id(chunk.segment.graph) for chunk in chunks)
    rank = dict(zip(graphs, rng.permutation(len(graphs)).tolist(), strict=True))
    order = sorted(rng.permutation(len(chunks)).tolist(), key=lambda index: rank[id(chunks[index].segment.graph)])
    total = sum(chunk.end - chunk.begin for chunk in chunks)
    count = max(1, round(total / size))
    groups: list[list[Chunk]] = [[] for _ in range(count)]
    made = 0
    for index in order:
        groups[min(made * count // total, count - 1)].append(chunks[index])
        made += chunks[index].end - chunks[index].begin
    return [group for group in groups if group]


@dataclass
class TrainingBatch:
    """Chunks side by side, as the network and the loss read them."""

    graphs: Graphs
    samples: Samples
    action: Tensor  # int64: for each choice its place in the flattened mask of the samples
    log_prob: Tensor  # float32 [B]
    advantage: Tensor  # float32 [B]
    target: Tensor  # float32 [B], of the value


def collate(chunks: list[Chunk], formulation: str, device: str = "cpu") -> TrainingBatch:
    """Put chunks side by side; those of one graph follow each other, and only this batch's own sizes pad it."""
    chunks = sorted(chunks, key=lambda chunk: (id(chunk.segment.graph), id(chunk.segment), chunk.begin))
    distinct = {id(chunk.segment.graph): chunk.segment.graph for chunk in chunks}
    number = {key: index for index, key in enumerate(distinct)}
    lengths = [chunk.end - chunk.begin for chunk in chunks]
    total = sum(lengths)
    items = max(chunk.segment.problem.num_items for chunk in chunks)
    resources = max(chunk.segment.problem.num_resources for chunk in chunks)
    width = chunks[0].segment.features.shape[2]
    every_item = formulation != "construct"
    assignment = np.full((total, items), -1, np.int64)
    features = np.zeros((total, resources, width), np.float32)
    mask = np.zeros((total, items, resources) if every_item else (total, resources), np.bool_)
    graph = np.repeat([number[id(chunk.segment.graph)] for chunk in chunks], lengths)
    places = []
    first = 0
    for chunk, length in zip(chunks, lengths, strict=True):
        segment, steps, rows = chunk.segment, slice(chunk.begin, chunk.end), slice(first, first + length)
        n, k = segment.problem.num_items, segment.problem.num_resources
        assignment[rows, :n] = segment.assignment[steps]
        features[rows, :k] = segment.features[steps]
        if every_item:
            mask[rows, :n, :k] = segment.mask[steps]
        else:
            mask[rows, :k] = segment.mask[steps]
        places.append(_places(segment.action[steps], np.arange(first, first + length), segment.problem, mask.shape[1:]))
        first += length

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(chunk.segment, name)[chunk.begin : chunk.end] for chunk in chunks])

    advantage = joined("advantage")
    samples = Samples.of(graph, assignment, joined("current_item"), features, mask, every_item, device)
    learned = (np.concatenate(places), joined("log_prob"), advantage, advantage + joined("value"))
    graphs = Graphs.join(list(distinct.values())).to(device)
    return TrainingBatch(graphs, samples, *(torch.from_numpy(array).to(device) for array in learned))


def _places(
    action: NDArray[np.int64], sample: NDArray[np.int64], problem: PlacementProblem, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return where a problem's actions are in the flattened mask [B, *shape] of a batch."""
    if len(shape) == 1:
        return sample * shape[0] + action
    items, resources = shape
    if action.ndim == 2:
        item, resource = np.broadcast_to(np.arange(problem.num_items), action.shape), action
        return (((sample[:, None] * items + item) * resources) + resource).ravel()
    item, resource = np.divmod(action, problem.num_resources)
    return (sample * items + item) * resources + resource
