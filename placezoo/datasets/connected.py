"""Connected components: groups of what belongs together, from pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected_groups(count: int, pairs: Sequence[tuple[int, int]] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the group of each of ``count`` things, int64 [count]; pairs are together, first members number groups."""
    ends = np.asarray(pairs, np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), (count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)
