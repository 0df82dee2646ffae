"""Scientific workflows in the shapes that workflow management is measured on: Montage, Epigenomics, 1000Genome.

Shapes: Juve et al. 2013, "Characterizing and profiling scientific workflows" (Montage, Epigenomics), and Ferreira da
Silva et al. 2019 (1000Genome), which WfCommons generates too. Mean run times (seconds) and files (megabytes) are of
the order of those profiles, rounded; each task's own is drawn around them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from placezoo.datasets.edge.task_graph import TaskGraph

_SPREAD = 0.5  # sigma of the logarithms of run times and files
_POPULATIONS = 7  # of the 1000 genomes project, all and six groups, for each chromosome


class _Kind(NamedTuple):
    """What tasks of one name are like: mean run time in seconds, mean output in megabytes."""

    name: str
    seconds: float
    megabytes: float


class _Workflow:
    """A task graph that is being put together: a task after those that it reads from."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._kinds: list[_Kind] = []
        self._compute: list[float] = []
        self._output: list[float] = []
        self._edges: list[tuple[int, int]] = []

    def add(self, kind: _Kind, parents: Iterable[int] = ()) -> int:
        """Add a task that reads the outputs of others; return its number."""
        task = len(self._kinds)
        self._kinds.append(kind)
        seconds, megabytes = self._rng.lognormal(-0.5 * _SPREAD**2, _SPREAD, 2) * kind[1:]
        self._compute.append(float(seconds))
        self._output.append(float(megabytes))
        self._edges += [(parent, task) for parent in parents]
        return task

    def task_graph(self, num_types: int, work: float, size: float, name: str) -> TaskGraph:
        """Return the graph; tasks of one kind need one hardware type, work and bytes are scaled to means."""
        names = [kind.name for kind in self._kinds]
        types = {kind: int(self._rng.integers(num_types)) for kind in dict.fromkeys(names)}
        counts: dict[str, int] = {}
        numbered = []
        for kind in names:
            counts[kind] = counts.get(kind, 0) + 1
            numbered.append(f"{kind}_{counts[kind]:05d}")
        edges = np.array(self._edges, np.int64).reshape(-1, 2)
        compute, files = np.array(self._compute), np.array(self._output)[edges[:, 0]]
        return TaskGraph(
            compute=compute * (work / compute.mean()),
            hardware_type=np.array([types[kind] for kind in names]),
            edges=edges,
            bytes=files * (size / files.mean()),
            name=name,
            task_names=tuple(numbered),
        )


def montage(
    images: int, rng: Generator, *, num_types: int = 1, work: float = 100.0, size: float = 1000.0, name: str = "montage"
) -> TaskGraph:
    """Return a mosaic of sky images: projected, differences of neighbours fitted, backgrounds levelled, added up.

    The images lie in a square, and each overlaps those beside, above and diagonally below it.

    Args:
        images: how many; there are about six tasks for each.
        rng: draws run times, files and hardware types.
        num_types: hardware types; all tasks of one kind need one, drawn evenly.
        work: mean of the tasks' work.
        size: mean of the edges' bytes.
        name: of the graph.

    Raises:
        ValueError: fewer than 2 images.
    """
    if images < 2:
        raise ValueError(f"a mosaic needs at least 2 images, not {images}")
    flow, side = _Workflow(rng), int(np.ceil(np.sqrt(images)))
    projected = [flow.add(_Kind("mProject", 1.7, 8.0)) for _ in range(images)]
    fits = []
    for image in range(images):
        row, column = divmod(image, side)
        for down, right in ((0, 1), (1, 0), (1, 1)):
            other = (row + down) * side + column + right
            if column + right < side and other < images:
                fits.append(flow.add(_Kind("mDiffFit", 0.7, 0.6), (projected[image], projected[other])))
    concat = flow.add(_Kind("mConcatFit", 143.0, 1.2), fits)
    model = flow.add(_Kind("mBgModel", 384.0, 0.1), (concat,))
    levelled = [flow.add(_Kind("mBackground", 1.7, 8.0), (image, model)) for image in projected]
    for part in np.array_split(np.array(levelled), max(1, images // 60)):
        table = flow.add(_Kind("mImgtbl", 2.8, 0.1), part.tolist())
        added = flow.add(_Kind("mAdd", 282.0, 775.0), (table, *part.tolist()))
        shrunk = flow.add(_Kind("mShrink", 66.0, 0.5), (added,))
        flow.add(_Kind("mJPEG", 0.6, 0.4), (shrunk,))
    return flow.task_graph(num_types, work, size, name)


def epigenomics(
    lanes: int, splits: int, rng: Generator, *, num_types: int = 1, work: float = 100.0, size: float = 1000.0,
    name: str = "epigenomics",
) -> TaskGraph:  # fmt: skip
    """Return a map of the epigenetic state of cells: lanes of a sequencer, each split, filtered, mapped and merged.

    Args:
        lanes: of the sequencer.
        splits: of each lane, with four tasks each.
        rng: as for ``montage``, and what follows.
        num_types: hardware types.
        work: mean of the tasks' work.
        size: mean of the edges' bytes.
        name: of the graph.

    Raises:
        ValueError: no lane or no split.
    """
    if lanes < 1 or splits < 1:
        raise ValueError(f"lanes and splits must be at least 1, not {lanes} and {splits}")
    flow, merged = _Workflow(rng), []
    for _ in range(lanes):
        split, mapped = flow.add(_Kind("fastqSplit", 34.0, 13.0)), []
        for _ in range(splits):
            task = split
            for kind in (("filterContams", 2.5, 13.0), ("sol2sanger", 0.5, 10.0), ("fast2bfq", 1.4, 2.2)):
                task = flow.add(_Kind(*kind), (task,))
            mapped.append(flow.add(_Kind("map", 202.0, 0.9), (task,)))
        merged.append(flow.add(_Kind("mapMerge", 11.0, 27.0), mapped))
    whole = flow.add(_Kind("mapMergeAll", 11.0, 107.0), merged)
    index = flow.add(_Kind("maqIndex", 44.0, 107.0), (whole,))
    flow.add(_Kind("pileup", 56.0, 84.0), (index,))
    return flow.task_graph(num_types, work, size, name)


def genome(
    chromosomes: int, chunks: int, rng: Generator, *, num_types: int = 1, work: float = 100.0, size: float = 1000.0,
    name: str = "1000genome",
) -> TaskGraph:  # fmt: skip
    """Return overlaps of mutations of the 1000 genomes project: chunks parsed and merged, then compared by population.

    Args:
        chromosomes: how many; each has two tasks, one for each chunk, and two for each of seven populations.
        chunks: of each chromosome's individuals.
        rng: as for ``montage``, and what follows.
        num_types: hardware types.
        work: mean of the tasks' work.
        size: mean of the edges' bytes.
        name: of the graph.

    Raises:
        ValueError: no chromosome or no chunk.
    """
    if chromosomes < 1 or chunks < 1:
        raise ValueError(f"chromosomes and chunks must be at least 1, not {chromosomes} and {chunks}")
    flow = _Workflow(rng)
    for _ in range(chromosomes):
        parsed = [flow.add(_Kind("individuals", 100.0, 2.0)) for _ in range(chunks)]
        merged = flow.add(_Kind("individuals_merge", 60.0, 25.0), parsed)
        sifted = flow.add(_Kind("sifting", 10.0, 0.2))
        for _ in range(_POPULATIONS):
            flow.add(_Kind("mutation_overlap", 25.0, 0.1), (merged, sifted))
            flow.add(_Kind("frequency", 80.0, 0.2), (merged, sifted))
    return flow.task_graph(num_types, work, size, name)
