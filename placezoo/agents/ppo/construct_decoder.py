"""Constructing whole assignments with a trained policy, in a time that does not grow with the instance at each step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.deconvolution import DeconvolutionNetwork
from placezoo.agents.networks.graph_batch import Graphs, Samples
from placezoo.agents.networks.graph_memory import item_graph_of
from placezoo.agents.networks.observation_reader import choose
from placezoo.agents.networks.policy_network import Encoded, PolicyNetwork
from placezoo.envs.problem import Kernel, PlacementProblem

_STEPS_BETWEEN_LOOKS = 64  # at the clock


def compile_steps(problem: PlacementProblem) -> None:
    """Compile what each step of a construction calls, and what scores it, before a clock starts."""
    names, (allowed, _, observe, look) = problem.feature_names, problem.step_kernel
    own, state, item = len(names.resources), problem.kernel().state, 0
    features = np.zeros((1, problem.num_resources, len(names.resource_columns)), np.float32)
    masks = np.zeros((1, problem.num_resources), np.int8)
    problem.cost_of(state)
    allowed(state, item, masks[0])
    observe(state, features[0, :, :own], np.zeros(2 + len(problem.term_names)))
    if look is not None:
        look(state, item, masks[0], features[0, :, own:])


class ConstructDecoder:
    """Runs several constructions of one problem side by side, equal to the policy's forward pass at every step.

    The forward pass sums over all placed items and gathers the current item's neighbours; here the sums are kept and
    one item is added to them at each step, so that a step costs the same on 100 items as on 100,000. (A network with
    another head than pairs makes its own forward pass.)

    Args:
        network: a trained policy.
        problem: what to construct.
        temperature: of drawing, above 1 more even than the policy.
    """

    def __init__(
        self, network: PolicyNetwork | DeconvolutionNetwork, problem: PlacementProblem, temperature: float = 1.0
    ) -> None:
        self._temperature = temperature
        self.network = network
        self.problem = problem
        self._is_pair = isinstance(network, PolicyNetwork)
        with torch.no_grad():
            graphs = self._graphs = item_graph_of(problem)
            encoded = self._encoded = network.encode(graphs)
        if isinstance(network, PolicyNetwork):
            self._prepare_pairs(graphs, encoded)
        self._places = np.arange(problem.num_resources + 1)[:, None] - 1  # unplaced first, then the resources

    def _prepare_pairs(self, graphs: Graphs, encoded: Encoded) -> None:
        self._messages = torch.cat([encoded.message, torch.ones(len(encoded.message), 1)], 1)
        self._query = encoded.query
        self._content = encoded.content.numpy()
        self._edge_start = graphs.edge_start.tolist()
        self._tails = graphs.edge_index[0].numpy()

    @torch.inference_mode()
    def construct(
        self,
        num_samples: int,
        rng: np.random.Generator | None,
        is_over: Callable[[], bool] = lambda: False,
        finish: Callable[[Kernel, NDArray[np.int64]], None] | None = None,
    ) -> NDArray[np.int64] | None:
        """Construct some assignments.

        Args:
            num_samples: how many at once.
            rng: draws the actions; None takes the most likely one.
            is_over: asked now and then; True breaks off.
            finish: places the items that are left when it breaks off, in the kernel's state.

        Returns:
            int64 [num_samples, num_items], or None if broken off and not finished.
        """
        problem, network = self.problem, self.network
        resources, width = problem.num_resources, network.config.width
        kernels = [problem.kernel() for _ in range(num_samples)]
        assignments = np.full((num_samples, problem.num_items), -1, np.int64)
        sums = np.zeros((num_samples, resources, width), np.float32)
        counts = np.zeros((num_samples, resources, 1), np.float32)
        names = problem.feature_names
        features, own = (
            np.zeros((num_samples, resources, len(names.resource_columns)), np.float32),
            len(names.resources),
        )
        values = np.zeros(2 + len(problem.term_names))
        masks = np.zeros((num_samples, resources), np.int8)
        everyone = np.arange(num_samples)
        allowed, _, observe, look = problem.step_kernel
        for step, item in enumerate(problem.item_order.tolist()):
            if step % _STEPS_BETWEEN_LOOKS == 0 and is_over():
                if finish is None:
                    return None
                for kernel in kernels:
                    finish(kernel, problem.item_order[step:])
                return np.stack([kernel.state.assignment for kernel in kernels])
            for sample, kernel in enumerate(kernels):
                allowed(kernel.state, item, masks[sample])
                observe(kernel.state, features[sample, :, :own], values)
                if look is not None:
                    look(kernel.state, item, masks[sample], features[sample, :, own:])
            if self._is_pair:
                contents = torch.from_numpy(sums / np.maximum(counts, 1.0))
                scores = self._scores(item, assignments, torch.from_numpy(features), contents)
            else:
                scores = self._whole_scores(item, assignments, features)
            stuck = ~masks.any(axis=1)
            masks[stuck] = 1  # nowhere is allowed: the answer will violate a constraint, and be repaired
            chosen = choose(scores, masks, rng, self._temperature)
            assignments[everyone, item] = chosen
            if self._is_pair:
                sums[everyone, chosen] += self._content[item]
                counts[everyone, chosen] += 1.0
            for kernel, resource in zip(kernels, chosen.tolist(), strict=True):
                kernel.apply(kernel.state, (item, -1, resource, -1))
        return assignments

    def _whole_scores(self, item: int, assignments: NDArray[np.int64], features: NDArray[np.float32]) -> Tensor:
        """Return the scores of one item by the network's own forward pass: [S, K]."""
        count = len(assignments)
        everywhere = np.ones(features.shape[:2], np.bool_)
        samples = Samples.of(np.zeros(count, np.int64), assignments, np.full(count, item), features, everywhere, False)
        return self.network(self._graphs, self._encoded, samples)[0]

    def _scores(self, item: int, assignments: NDArray[np.int64], features: Tensor, contents: Tensor) -> Tensor:
        """Return the scores of one item's pairs: [S, K].

        Args:
            item: the current one.
            assignments: int64 [S, N].
            features: [S, K, Fr], of the resources.
            contents: [S, K, d], the mean contents of the resources.
        """
        network = self.network
        assert isinstance(network, PolicyNetwork)
        begin, end = self._edge_start[item], self._edge_start[item + 1]
        is_there = assignments[:, None, self._tails[begin:end]] == self._places  # [S, K + 1, neighbours]
        shares = torch.from_numpy(is_there.astype(np.float32) / np.float32(max(end - begin, 1)))
        neighbours = shares @ self._messages[begin:end]
        query = network.queries(self._query[item], neighbours[:, 0])[:, None]
        hidden = network.hidden_pairs(query, network.resources(features, contents), neighbours[:, 1:])
        return network.pair_scores(hidden, features)
