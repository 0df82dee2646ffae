"""Chip macro placement: hard macros onto the cells of the canvas's grid, for short wires, even density, free routes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from placezoo.cost_models.chip import completion as chip_completion
from placezoo.cost_models.chip import layout as chip_layout
from placezoo.cost_models.chip import moves
from placezoo.cost_models.chip import state as chip_state
from placezoo.cost_models.chip.legality import illegalities
from placezoo.cost_models.chip.proxy_cost import WEIGHTS, ProxyCost, SmoothingRange
from placezoo.cost_models.chip.proxy_state import ProxyState, rebuild
from placezoo.cost_models.chip.spreading import Springs, relax
from placezoo.cost_models.cost import Cost
from placezoo.datasets.arrays import read_only
from placezoo.datasets.chip.netlist import FIRST_ROTATED, ORIENTATIONS, Netlist, NodeType, Placement
from placezoo.datasets.chip.netlist_grouping import cluster_flat
from placezoo.datasets.chip.placement_writer import write_def, write_openroad_tcl
from placezoo.datasets.chip.plc_format import write_plc
from placezoo.datasets.instance_warning import InstanceWarning
from placezoo.envs.chip.drawing import draw_heat_map, draw_placement
from placezoo.envs.chip.wire_mask import place_by_wire_mask
from placezoo.envs.problem import TABLES, FeatureNames, FeatureRoles, Kernel, PlacementProblem, StepKernel
from placezoo.parameters import check_parameters, one_of

MOVABLE = ("macros", "all")
_NEIGHBOURS = 12  # item edges kept per item
_TRIES = 20  # random placements that may fail before a packed one is returned


class ChipPlaceProblem(PlacementProblem):
    """Place a chip's hard macros at the centres of grid cells, without overlap, at the least proxy cost.

    Soft macros (clusters of standard cells) and flips follow from where the hard macros are: see
    ``cost_models.chip.soft_placer``. The cost is ``wirelength + 0.5 density + 0.5 congestion`` unless weighted
    otherwise; each pair of overlapping hard macros, and each one outside the canvas, adds 1.

    The standard cells of a flat netlist are clustered into soft macros first, and a warning says so.

    Args:
        instance: the netlist.
        movable: ``macros``: hard macros are items, soft ones follow; ``all``: soft macros are items too.
        flips: whether hard macros are flipped (N, FN, FS, S) for the shortest wires; else they stay as they are.
        smoothing_range: cells to each side over which congestion is spread; default the netlist's own.
        weights: of wirelength, density and congestion in the total.

    Raises:
        ValueError: a parameter is out of range, or there is nothing to place.
        ImportError: the netlist is flat, and mtkahypar, which clusters it, is not installed.
    """

    env_id = "ChipPlace-v0"
    short_name = "chip"
    default_formulation = "construct"
    default_instance = "synthetic-chips/test/0"
    feature_names = FeatureNames(
        items=("width", "height", "area", "is_hard", "degree", "port_pull", "order", "spring_x", "spring_y"),
        item_edges=("weight",),
        resources=moves.CELL_FEATURE_NAMES,
        resource_edges=(),
    )
    feature_roles = FeatureRoles(prior="wire_mask", grid=("x", "y"))
    exports = MappingProxyType({
        **TABLES,
        ".plc": "Circuit Training", ".tcl": "OpenROAD's place_macro", ".def": "a copy of the instance's DEF",
    })  # fmt: skip
    term_names = moves.TERM_NAMES
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe)
    _refinement: NDArray[np.float64] | None = None

    def __init__(
        self,
        instance: Netlist,
        movable: Annotated[str, one_of(*MOVABLE)] = "macros",
        flips: bool = True,
        smoothing_range: SmoothingRange = None,
        weights: Sequence[float] = WEIGHTS,
    ) -> None:
        if not isinstance(instance, Netlist):
            how = "read_def, read_netlist and read_bookshelf of placezoo.datasets read one"
            raise self.refusal(instance, "places a Netlist", how)
        self.parameters = check_parameters(
            ChipPlaceProblem, self.env_id, movable=movable, flips=flips, smoothing_range=smoothing_range
        )
        instance = _clustered(instance)
        if instance.num_nets == 0:
            warnings.warn(
                f"{instance.name} has no nets: the wirelength of every placement is 0", InstanceWarning, stacklevel=2
            )
        self.cost_model = ProxyCost(instance, self.parameters["smoothing_range"], weights)
        self.parameters["weights"] = list(self.cost_model.weights)
        self.instance = instance
        self.item_nodes = self._items()
        if self.item_nodes.size == 0:
            raise ValueError(f"{instance.name} has no movable {'hard macro' if movable == 'macros' else 'macro'}")
        self.num_items = self.item_nodes.size
        self.num_resources = instance.canvas.num_cells
        self.item_blocks = self.cost_model.block_of_node[self.item_nodes]
        followers = instance.soft_macros if movable == "macros" else np.zeros(0, np.int64)
        self.soft_blocks = self.cost_model.block_of_node[followers[~instance.fixed[followers]]]

    def _items(self) -> NDArray[np.int64]:
        """Return the movable nodes: hard macros by decreasing area, ties by name; then soft macros likewise."""
        netlist = self.instance
        kinds = [netlist.hard_macros] if self.parameters["movable"] == "macros" else [
            netlist.hard_macros, netlist.soft_macros,
        ]  # fmt: skip
        nodes: list[int] = []
        for kind in kinds:
            area = np.prod(netlist.sizes, axis=1)
            nodes += sorted(kind[~netlist.fixed[kind]], key=lambda node: (-area[node], netlist.names[node]))
        return np.array(nodes, np.int64)

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """Decreasing area, which is the items' own order: int64 [num_items]."""
        return read_only(np.arange(self.num_items))

    @cached_property
    def _obstacles(self) -> NDArray[np.float64]:
        """Rectangles no hard macro may overlap: blockages and fixed hard macros, float64 [K, 4], micron."""
        netlist = self.instance
        fixed = netlist.hard_macros[netlist.fixed[netlist.hard_macros]]
        centers, half = netlist.placement.centers[fixed], netlist.placement.extents[fixed] / 2
        blockages = np.array([blockage[:4] for blockage in netlist.canvas.blockages if blockage[4] > 0]).reshape(-1, 4)
        return np.concatenate([np.concatenate([centers - half, centers + half], axis=1), blockages])

    @cached_property
    def _twins(self) -> NDArray[np.int64]:
        """Which items are of one kind and size: ``ChipState.twins``."""
        hard = self.instance.types[self.item_nodes] == NodeType.HARD_MACRO
        extents = self.instance.placement.extents[self.item_nodes]
        _, group, counts = np.unique(np.column_stack([hard, extents]), axis=0, return_inverse=True, return_counts=True)
        group = group.reshape(-1)
        starts = np.cumsum(counts) - counts
        return read_only(np.stack([np.argsort(group, kind="stable"), starts[group], counts[group]]))

    @property
    def loose_blocks(self) -> NDArray[np.int64]:
        """The blocks of all macros that can move, items first: int64 [num_items + soft macros that follow]."""
        return np.concatenate([self.item_blocks, self.soft_blocks])

    def held_by_springs(self, rounds: int) -> ProxyState:
        """Return a state with all macros that can move where springs alone would hold them; only x and y are right."""
        state, loose = self.cost_model.state(), self.loose_blocks
        state.x[loose], state.y[loose] = self.instance.canvas.width / 2, self.instance.canvas.height / 2
        relax(state, self.cost_model.springs(loose), np.zeros((loose.size, 2)), 0.0, rounds)
        return state

    @cached_property
    def _springs(self) -> Springs:
        return self.cost_model.springs(self.soft_blocks)

    def refined(self, refinement: NDArray[np.float64] | None) -> ChipPlaceProblem:
        """Return the problem whose items lie where they are said to lie, and not at the centres of their cells.

        An assignment then says the cells of the centres. Flips do not follow any more; soft macros that are no items
        still do, from where the hard ones are. Legal are hard macros that overlap no other, no fixed one and no
        blockage and keep out of each other's halos, all items being inside the canvas.

        Args:
            refinement: float64 [num_items, 3]: x and y of the centre, micron; index of the orientation.

        Raises:
            ValueError: wrong shape, not finite, or an orientation that the problem does not allow.
        """
        if refinement is None:
            return self
        try:
            places = np.array(refinement, np.float64)
        except (TypeError, ValueError):
            places = np.zeros(0)
        if places.shape != (self.num_items, 3) or not np.isfinite(places).all():
            raise ValueError(f"a refinement is x, y and orientation of each of {self.num_items} macros, finite")
        home = self.instance.orientations[self.item_nodes]
        flips = self.parameters["flips"] * (self.instance.types[self.item_nodes] == NodeType.HARD_MACRO)
        is_possible = (places[:, 2] == home) | (
            (flips > 0) & np.isin(places[:, 2], range(len(ORIENTATIONS)))
            & ((places[:, 2] >= FIRST_ROTATED) == (home >= FIRST_ROTATED))
        )  # fmt: skip
        if not is_possible.all():
            item = int(is_possible.argmin())
            raise ValueError(
                f"{self.item_names[item]}: orientation {places[item, 2]:g} is not among those it may be given"
            )
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__, tally=self.tally)
        view._refinement = read_only(places)
        return view

    def refinement_of(self, placement: Placement) -> NDArray[np.float64]:
        """Return where a placement has the items: float64 [num_items, 3], what ``refined`` takes."""
        nodes = self.item_nodes
        return np.column_stack([placement.centers[nodes], placement.orientations[nodes]])

    def _refine(self, state: chip_state.ChipState) -> None:
        """Move the placed items of a state to their own places; what follows from them does not follow yet.

        Raises:
            ValueError: an item's place is in another cell.
        """
        assert self._refinement is not None
        x, y = self._refinement[:, 0], self._refinement[:, 1]
        placed = state.assignment >= 0
        wrong = placed & (state.assignment != self.cells_of(self._refinement[:, :2]))
        if wrong.any():
            item = int(wrong.argmax())
            raise ValueError(
                f"{self.item_names[item]} is said to be at ({x[item]:g}, {y[item]:g}), which is not in its cell "
                f"{state.assignment[item]}"
            )
        blocks = self.item_blocks[placed]
        state.proxy.x[blocks], state.proxy.y[blocks] = x[placed], y[placed]

    def __reduce__(self) -> tuple[Any, ...]:
        if self._refinement is None:
            return super().__reduce__()
        plain = object.__new__(type(self))
        plain.__dict__.update({**self.__dict__, "_refinement": None})
        return type(self).refined, (plain, self._refinement)

    def kernel(self, assignment: NDArray[np.int64] | None = None) -> Kernel:
        """Return the compiled moves over a fresh state."""
        self.tally.kernels += 1
        return Kernel(
            self._state(assignment),
            moves.propose,
            moves.delta,
            moves.apply,
            moves.undo,
            chip_completion.settle,
            chip_completion.complete,
        )

    def _state(self, assignment: NDArray[np.int64] | None) -> chip_state.ChipState:
        netlist, n = self.instance, self.num_items
        if assignment is None:
            array = np.full(n, -1, np.int64)
        else:
            array = np.array(assignment)
            if array.shape != (n,) or array.dtype.kind not in "iu":
                raise ValueError(f"an assignment is {n} whole numbers, not {array.dtype} of shape {array.shape}")
            array = array.astype(np.int64)
            if array.min() < -1 or array.max() >= self.num_resources:
                raise ValueError(
                    f"cells are 0..{self.num_resources - 1} (-1 = unplaced), not {array.min()}..{array.max()}"
                )
        counts = np.zeros(chip_state.NUM_COUNTS, np.int64)
        counts[chip_state.FLIPS] = self.parameters["flips"] and self._refinement is None
        home = netlist.orientations[self.item_nodes].copy()
        if self._refinement is not None:
            home[:] = self._refinement[:, 2]
        placed = np.ones(self.cost_model.blocks.size, np.bool_)
        placed[self.item_blocks] = placed[self.soft_blocks] = False
        proxy = self.cost_model.empty_state(placed=placed)
        item_hard = (netlist.types[self.item_nodes] == NodeType.HARD_MACRO).astype(np.int8)
        layout = chip_layout.Layout(
            assignment=array, item_block=self.item_blocks, item_hard=item_hard, obstacles=self._obstacles,
            x=proxy.x, y=proxy.y, half=netlist.placement.extents[self.item_nodes] / 2, grid=proxy.grid,
            shape=proxy.shape,
        )  # fmt: skip
        state = chip_state.ChipState(
            assignment=array,
            proxy=proxy,
            layout=layout,
            links=self._springs,
            item_block=self.item_blocks,
            item_hard=item_hard,
            order=np.array(self.item_order),
            twins=self._twins,
            home_orientation=home,
            counts=counts,
            anchors=np.zeros((self.soft_blocks.size, 2)),
        )
        chip_state.start(state)
        if self._refinement is not None:
            self._refine(state)
            rebuild(state.proxy)
        if state.counts[chip_state.UNPLACED] == 0:
            chip_completion.complete(state)
        if self._refinement is not None:
            state.counts[chip_state.CONFLICTS] = self._illegalities(state)[0]
        return state

    def _illegalities(self, state: chip_state.ChipState) -> tuple[int, tuple[str, ...]]:
        return illegalities(self.placement_of(state), self.item_nodes[state.assignment >= 0])

    def cost_of(self, state: chip_state.ChipState) -> Cost:
        """Return the cost of a state; incomplete, it costs nothing and is infeasible."""
        cost = self.cost_model.cost_of(state.proxy)
        unplaced, conflicts = int(state.counts[chip_state.UNPLACED]), int(state.counts[chip_state.CONFLICTS])
        found = []
        if unplaced:
            found.append(f"{unplaced} of {self.num_items} macros are not placed")
        if conflicts and self._refinement is not None:
            found += self._illegalities(state)[1]
        elif conflicts:
            found.append(f"{conflicts} overlaps of hard macros with each other, blockages or the canvas's edge")
        return Cost(float(chip_state.total_of(state)), cost.terms, not found, tuple(found))

    def placement(self, assignment: NDArray[np.int64]) -> Placement:
        """Return where everything is under a whole assignment, flips and soft macros included.

        Raises:
            ValueError: an item is unplaced.
        """
        state = self._state(assignment)
        if state.counts[chip_state.UNPLACED]:
            raise ValueError(f"{int(state.counts[chip_state.UNPLACED])} of {self.num_items} macros are not placed")
        return self.placement_of(state)

    def placement_of(self, state: chip_state.ChipState) -> Placement:
        """Return where everything is in a state; what is not placed is where the netlist has it."""
        netlist = self.instance
        centers, orientations = netlist.centers.copy(), netlist.orientations.copy()
        blocks = self.cost_model.blocks
        placed = state.proxy.placed.astype(bool)
        centers[blocks[placed], 0], centers[blocks[placed], 1] = state.proxy.x[placed], state.proxy.y[placed]
        orientations[blocks[placed]] = state.proxy.orientation[placed]
        return Placement(netlist, centers, orientations)

    def assignment_of(self, placement: Placement) -> NDArray[np.int64]:
        """Return the cells in which a placement's items have their centres: int64 [num_items]."""
        return self.cells_of(placement.centers[self.item_nodes])

    def cells_of(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cells in which places lie: float64 [n, 2], micron -> int64 [n]; outside, the nearest."""
        canvas = self.instance.canvas
        x, y = places.T
        columns = np.clip((x // canvas.cell_width).astype(np.int64), 0, canvas.columns - 1)
        return np.clip((y // canvas.cell_height).astype(np.int64), 0, canvas.rows - 1) * canvas.columns + columns

    @property
    def infeasible_penalty(self) -> float:
        """What a construction pays when a macro fits nowhere any more (Circuit Training: 4)."""
        return 4.0

    @cached_property
    def _spring_places(self) -> NDArray[np.float64]:
        """Where springs alone would hold the movable macros, all else standing: float64 [num_items, 2]."""
        state = self.held_by_springs(200)
        return np.stack([state.x[self.item_blocks], state.y[self.item_blocks]], axis=1)

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the items: float32 [num_items, 9].

        Width and height over the canvas's; area over the largest; hard or soft; degree (pins) over the largest; the
        share of the net weight that goes straight to ports; rank in the order of construction; and where springs alone
        would hold it, from -1 to 1 over the canvas.
        """
        netlist, canvas = self.instance, self.instance.canvas
        sizes = netlist.placement.extents[self.item_nodes]
        area = sizes.prod(axis=1)
        adjacency = self._block_adjacency
        degree = np.asarray(adjacency[self.item_blocks].sum(axis=1)).ravel()
        ports = np.flatnonzero(netlist.types[self.cost_model.blocks] == NodeType.PORT)
        to_ports = np.asarray(adjacency[self.item_blocks][:, ports].sum(axis=1)).ravel()
        places = self._spring_places / np.array([canvas.width, canvas.height]) * 2 - 1
        columns = [
            sizes[:, 0] / canvas.width,
            sizes[:, 1] / canvas.height,
            area / area.max(),
            netlist.types[self.item_nodes] == NodeType.HARD_MACRO,
            degree / max(degree.max(), 1e-12),
            to_ports / np.maximum(degree, 1e-12),
            np.arange(self.num_items) / max(self.num_items - 1, 1),
            *np.clip(places, -1, 1).T,
        ]
        return read_only(np.clip(np.stack(columns, axis=1), -1, 1).astype(np.float32))

    @cached_property
    def _block_adjacency(self) -> sparse.csr_matrix:
        """Weights of driver-sink pairs between blocks, symmetric: [num_blocks, num_blocks]."""
        fixed = self.cost_model._fixed
        counts = np.diff(fixed["net_ptr"])
        drivers = np.repeat(fixed["terminal_block"][fixed["net_ptr"][:-1]], counts)
        weights = np.repeat(fixed["net_weights"], counts)
        shape = (self.cost_model.blocks.size,) * 2
        matrix = sparse.csr_matrix((weights, (drivers, fixed["terminal_block"])), shape)
        matrix.setdiag(0)
        return (matrix + matrix.T).tocsr()

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each item's heaviest ties: directed links, int64 [E, 2] (sorted by their head), and weights over the largest.

        Two items are tied by nets between them and through each soft macro that both are tied to, in proportion to
        their shares of its nets; the 12 heaviest of each item are kept, in both directions.
        """
        adjacency, items = self._block_adjacency, self.item_blocks
        ties = adjacency[items][:, items]
        if self.soft_blocks.size:
            to_soft = adjacency[items][:, self.soft_blocks]
            whole = np.asarray(adjacency[self.soft_blocks].sum(axis=1)).ravel()
            ties = ties + to_soft @ sparse.diags(1 / np.maximum(whole, 1e-12)) @ to_soft.T
        ties = sparse.csr_matrix(ties)
        ties.setdiag(0)
        ties.eliminate_zeros()
        pairs: dict[tuple[int, int], float] = {}
        for item in range(self.num_items):
            row = slice(ties.indptr[item], ties.indptr[item + 1])
            heaviest = np.argsort(-ties.data[row], kind="stable")[:_NEIGHBOURS]
            for other, weight in zip(ties.indices[row][heaviest], ties.data[row][heaviest], strict=True):
                pairs[item, int(other)] = pairs[int(other), item] = float(weight)
        if not pairs:
            return read_only(np.zeros((0, 2), np.int64)), read_only(np.zeros((0, 1), np.float32))
        links = np.array(sorted(pairs, key=lambda pair: (pair[1], pair[0])), np.int64)
        weights = np.array([pairs[int(tail), int(head)] for tail, head in links])
        return read_only(links), read_only((weights / weights.max()).astype(np.float32)[:, None])

    def legalize(self, assignment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a placement near another: each item, the largest first, on the nearest cell that is free.

        If that jams, all are packed in rows.
        """
        canvas = self.instance.canvas
        cells = np.maximum(assignment, 0)
        places = np.stack([cells % canvas.columns + 0.5, cells // canvas.columns + 0.5], axis=1)
        return self.nearest_cells(places * [canvas.cell_width, canvas.cell_height])

    def nearest_cells(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return an assignment near some places, as ``legalize`` does: float64 [num_items, 2], micron."""
        layout, mask = self._state(None).layout, np.zeros(self.num_resources, np.int8)
        if not chip_layout.settle_down(layout, self.item_order, np.ascontiguousarray(places, np.float64), mask):
            layout.assignment[:] = -1
            chip_layout.pack(layout, self.item_order, mask)
        return layout.assignment.copy()

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw a random legal placement: item by item onto a random free cell; packed into rows if that jams."""
        layout = self._state(None).layout
        mask = np.zeros(self.num_resources, np.int8)
        for _ in range(_TRIES):
            layout.assignment[:] = -1
            if chip_layout.place_at_random(layout, self.item_order, mask, rng):
                return layout.assignment.copy()
        layout.assignment[:] = -1
        chip_layout.pack(layout, self.item_order, mask)
        return layout.assignment.copy()

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Place the largest macro first, each by the wire mask (Shi et al. 2023); equals go near a random cell."""
        return place_by_wire_mask(
            self._state(None), self.item_order, rng.integers(self.num_resources, size=self.num_items)
        )

    @property
    def item_names(self) -> list[str]:
        """The macros' names."""
        return [self.instance.names[node] for node in self.item_nodes]

    def table(self, assignment: NDArray[np.int64]) -> dict[str, Any]:
        """Return the placement as a table: also where the macros' centres are, micron, and how they are turned."""
        placement = self.placement(assignment)
        x, y = placement.centers[self.item_nodes].T.tolist()
        turned = [ORIENTATIONS[placement.orientations[node]] for node in self.item_nodes]
        return {**super().table(assignment), "x": x, "y": y, "orientation": turned}

    def _export(self, assignment: NDArray[np.int64], path: Path, suffix: str) -> None:
        placement, name = self.placement(assignment), self.instance.name
        if suffix == ".plc":
            write_plc(path, placement, self.evaluate(assignment).terms, name)
        elif suffix == ".tcl":
            write_openroad_tcl(path, placement)
        else:
            write_def(path, placement, name.split(",")[0])

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw the canvas: hard macros, soft macros, ports."""
        state = self._state(assignment)
        draw_placement(self.placement_of(state), axes, self.cost_of(state), state.proxy.placed.astype(bool))

    def panels(self, assignment: NDArray[np.int64]) -> list[Callable[[Any], None]]:
        """Return drawings of the canvas, and of density and congestion as heat maps."""
        state = self._state(assignment)
        placement, canvas = self.placement_of(state), self.instance.canvas
        shape, cells = (canvas.rows, canvas.columns), canvas.num_cells
        maps = {
            "density": state.proxy.grids[0].copy(),
            "vertical congestion": state.proxy.values[:cells].copy(),
            "horizontal congestion": state.proxy.values[cells:].copy(),
        }
        return [
            lambda axes: self.draw(assignment, axes),
            *(
                functools.partial(draw_heat_map, values.reshape(shape), placement, title=title)
                for title, values in maps.items()
            ),
        ]


def _clustered(netlist: Netlist) -> Netlist:
    """Return a netlist without standard cells, clustering those that there are."""
    num_cells = int(np.count_nonzero(netlist.types == NodeType.STDCELL))
    if num_cells == 0:
        return netlist
    clustered = cluster_flat(netlist)
    warnings.warn(
        f"{netlist.name} is flat: its {num_cells:,} standard cells are clustered into {clustered.soft_macros.size:,} "
        "soft macros (cluster_cells and group_netlist do it as you like)", InstanceWarning, stacklevel=3,
    )  # fmt: skip
    return clustered
