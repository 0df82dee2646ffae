"""The deconvolution head: scores of all cells of a grid at once, from an image of the canvas."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from placezoo.agents.networks.encoders import Encoder, Links
from placezoo.agents.networks.graph_batch import Graphs, Pairs, Samples
from placezoo.agents.networks.policy_network import Encoded, NetworkConfig, Prior

_COARSE = 4  # side of the map that deconvolution starts from
_CHANNELS = 8  # of the deconvolved map, and of the placed items' embeddings on the canvas


class DeconvolutionNetwork(nn.Module):
    """A policy over the cells of a grid of any size.

    The embeddings of the current item and of the whole graph become a coarse map, which transposed convolutions refine;
    each cell reads it at its own place. With the cells' features and the embeddings of the items that lie there it
    forms an image of the canvas, and convolutions make it the cells' scores.

    Source: Mirhoseini et al. 2021 (policy by deconvolution); Lai et al. 2022, MaskPlace (image of masks).

    Args:
        config: the sizes; ``grid`` says which features are a cell's x and y.

    Raises:
        ValueError: the resources are not the cells of a grid.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if min(config.grid) < 0:
            raise ValueError("the deconvolution head needs resources that are cells of a grid")
        d = config.width
        self.config = config
        self.project = nn.Linear(config.item_features, d)
        self.edges = nn.Linear(config.edge_features, d)
        self.encoder = Encoder(config.encoder, d, config.layers)
        self.query = nn.Linear(d, d)
        self.content = nn.Linear(d, _CHANNELS)
        self.state = nn.Sequential(nn.Linear(2 * d + config.resource_features, d), nn.ReLU())
        self.coarse = nn.Linear(d, d * _COARSE * _COARSE // 4)
        self.refine = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(d // 4, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, _CHANNELS, 4, 2, 1)
        )
        self.image = nn.Conv2d(config.resource_features + 2 * _CHANNELS + 1, d // 2, 3, padding=1)
        self.middle = nn.Conv2d(d // 2, d // 2, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(d // 2, 1, 1)
        nn.init.orthogonal_(self.last.weight, 0.01)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        self.prior = Prior(config)
        self.value = nn.Sequential(nn.Linear(d + d // 2, d), nn.ReLU(), nn.Linear(d, 1))

    def encode(self, graphs: Graphs) -> Encoded:
        """Return the embeddings of graphs."""
        links = Links(graphs.edge_index, self.edges(graphs.edge_features), graphs.start)
        hidden = self.encoder(torch.relu(self.project(graphs.features)), links)
        content = self.content(hidden)
        return Encoded(
            query=self.query(hidden),
            content=content,
            message=links.hidden[:, :0],
            mean=graphs.means(hidden),
        )

    def forward(self, graphs: Graphs, encoded: Encoded, samples: Samples) -> tuple[Tensor, Tensor]:
        """Return scores [B, K] and values [B]; arguments as for ``PolicyNetwork.forward``.

        Raises:
            ValueError: every item is to be scored: this head knows the current one only.
        """
        if samples.mask.ndim == 3:
            raise ValueError("the deconvolution head constructs, it cannot score every item at once")
        features = samples.resource_features  # [B, K, Fr]
        batch, resources = features.shape[:2]
        start = torch.tensor(graphs.start, device=features.device)
        rows = start[samples.graph] + samples.current_item.clamp(min=0)
        place = features[:, :, list(self.config.grid)]  # [B, K, 2]
        # The first cell's centre is at 1 / columns - 1; cells beyond the instance's own are all zero.
        columns = torch.round(1.0 / (place[:, 0, 0] + 1.0).clamp(min=1e-3)).long()
        lines = torch.round(1.0 / (place[:, 0, 1] + 1.0).clamp(min=1e-3)).long()
        cell = torch.arange(resources, device=features.device)
        exists = (cell < (columns * lines)[:, None]).float()
        mean = (features * exists[:, :, None]).sum(1) / (columns * lines)[:, None]
        state = self.state(torch.cat([encoded.query[rows], encoded.mean[samples.graph], mean], 1))
        coarse = self.coarse(state).view(batch, -1, _COARSE, _COARSE)
        fine = F.grid_sample(self.refine(coarse), place[:, :, None], align_corners=False, padding_mode="border")
        layers = torch.cat([features, fine[:, :, :, 0].transpose(1, 2), self._contents(encoded, samples, start)], 2)
        layers = torch.cat([layers, torch.ones_like(layers[:, :, :1])], 2) * exists[:, :, None]
        # Grids of different sizes lie in the lower left of one image, the last channel says where they end.
        width, height = int(columns.max()), int(lines.max())
        spot = (cell // columns[:, None]).clamp(max=height - 1) * width + cell % columns[:, None]
        image = layers.new_zeros(batch, height * width, layers.shape[2])
        image = image.scatter_add(1, spot[:, :, None].expand_as(layers), layers)
        image = image.transpose(1, 2).reshape(batch, -1, height, width)
        inside = image[:, -1:]
        hidden = torch.relu(self.image(image)) * inside
        hidden = hidden + torch.relu(self.middle(hidden)) * inside
        scores = torch.gather(self.last(hidden).view(batch, -1), 1, spot)
        value = self.value(torch.cat([state, hidden.sum((2, 3)) / inside.sum((2, 3))], 1))[:, 0]
        return scores + self.prior(features), value

    def score_pairs(self, graphs: Graphs, encoded: Encoded, samples: Samples, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Return the scores of the pairs [P] and the values of the samples [B]; otherwise as ``forward``."""
        scores, values = self.forward(graphs, encoded, samples)
        return scores.flatten()[pairs.action], values

    def _contents(self, encoded: Encoded, samples: Samples, start: Tensor) -> Tensor:
        """Return the embeddings of the items that lie on each cell: [B, K, channels]."""
        batch, resources = samples.resource_features.shape[:2]
        sample, item = torch.nonzero(samples.assignment >= 0, as_tuple=True)
        content = encoded.content[start[samples.graph[sample]] + item]
        canvas = content.new_zeros(batch * resources, content.shape[1])
        canvas = canvas.index_add(0, sample * resources + samples.assignment[sample, item], content)
        return canvas.view(batch, resources, -1)
