"""The neural networks that placers are trained, validated and tested on: no family is in two splits."""

from __future__ import annotations

import numpy as np

from placezoo.datasets.dataset import SPLITS, Dataset
from placezoo.datasets.op_graphs.model_zoo import traced_model
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_grouping import own_groups
from placezoo.datasets.op_graphs.subnetwork import subnetwork

STEP = ",training,batch=8"
VARIANTS = 6  # of each model in the train split: itself, then parts of it
_LEAST_SHARE = 0.5  # of a model's groups in a part
_MOST_SCALE = 2.0  # of a part's operators and tensors, and its inverse the least

# Family -> models, each a training step of a batch of 8.
NETWORK_SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "bert": tuple(
            f"transformers:{name}"
            for name in ("bert-base", "distilbert", "roberta-base", "albert-base", "electra-small")
        ),
        "gpt": tuple(f"transformers:{name}" for name in ("gpt2", "opt-125m", "llama-160m")),
        "moe": ("torch:switch", "torch:switch,chosen=2", "torch:expert-choice"),
        "wavenet": ("torch:wavenet", "torch:wavenet,layers=10"),
        "mobile": ("transformers:mobilenet-v2", "torch:fuseconv", "torch:fuseconv,half=0"),
        "paradnn": (
            "torch:paradnn-fc,layers=32,width=2048",
            "torch:paradnn-fc,layers=8,width=4096",
            "torch:paradnn-cnn,blocks=3,filters=48",
            "torch:paradnn-cnn,blocks=4,filters=64,bottleneck=0",
            "torch:paradnn-rnn,layers=4,tokens=10",
        ),
    },
    "validation": {
        "transformer-xl": ("torch:transformer-xl", "torch:transformer-xl,layers=12"),
        "gnmt": ("torch:gnmt,tokens=10",),
    },
    "test": {
        "t5": ("transformers:bart-base",),
        "vit": ("transformers:vit-base", "transformers:swin-tiny"),
        "cnn": ("transformers:resnet-50", "transformers:regnet", "transformers:convnext-tiny"),
        "inception": ("torch:inception-v3", "torch:amoebanet,cells=2"),
    },
}


# The same for partitions over chiplets: inference steps of one input in core operators, tested on BERT.
CHIPLET_SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "gpt": ("transformers:gpt2", "transformers:opt-125m"),
        "vit": ("transformers:vit-base", "transformers:swin-tiny"),
        "moe": ("torch:switch", "torch:expert-choice"),
        "mobile": ("transformers:mobilenet-v2", "torch:fuseconv"),
        "transformer-xl": ("torch:transformer-xl",),
        "paradnn": (
            "torch:paradnn-fc,layers=64,width=512",
            "torch:paradnn-cnn,blocks=4,filters=48",
            "torch:paradnn-cnn,blocks=6,filters=32,bottleneck=0",
            "torch:paradnn-rnn,layers=4,tokens=10",
        ),
    },
    "validation": {
        "cnn": ("transformers:resnet-50", "transformers:regnet", "transformers:convnext-tiny"),
        "inception": ("torch:inception-v3",),
    },
    "test": {
        "bert": tuple(
            f"transformers:{name}"
            for name in ("bert-base", "bert-large", "distilbert", "roberta-base", "albert-base", "electra-small")
        )
    },
}


def chiplet_models(split: str) -> list[str]:
    """Return the names of a split's models for partitions over chiplets."""
    return [f"{name},decomposed" for names in CHIPLET_SPLITS[split].values() for name in names]


def chiplet_case(_: np.random.Generator, name: str) -> OpGraph:
    """Return the model of ``mcm/SPLIT/NUMBER``."""
    split, number = name.split("/")[1:]
    return traced_model(chiplet_models(split)[int(number)])


def split_models(split: str) -> list[str]:
    """Return the names of a split's models."""
    return [name + STEP for names in NETWORK_SPLITS[split].values() for name in names]


def split_size(split: str) -> int:
    """Return how many instances a split has."""
    return len(split_models(split)) * (VARIANTS if split == "train" else 1)


def network_case(rng: np.random.Generator, name: str) -> OpGraph:
    """Return ``networks/SPLIT/NUMBER``: a model, or behind the models of the train split a part of one.

    Parts are as many neighbouring groups as drawn, with all operations and tensors, but not the parameters, larger or
    smaller by one factor, as other batches would have them.
    """
    split, number = name.split("/")[1:]
    models = split_models(split)
    variant, index = divmod(int(number), len(models))
    graph = traced_model(models[index])
    if variant == 0:
        return graph
    scale = float(np.exp(rng.uniform(-1.0, 1.0) * np.log(_MOST_SCALE)))
    share = rng.uniform(_LEAST_SHARE, 1.0)
    return subnetwork(graph, own_groups(graph), share, rng.uniform(0.0, 1.0 - share), scale, name)


DATASETS = (
    Dataset(
        "networks",
        "training steps of neural networks, and parts of them; split by family",
        network_case,
        {split: split_size(split) for split in SPLITS},
        max_nodes=None,
        max_edges=None,
    ),
    Dataset(
        "mcm",
        "inference steps of neural networks in core operators; tested on BERT",
        chiplet_case,
        {split: len(chiplet_models(split)) for split in SPLITS},
        max_nodes=None,
        max_edges=None,
    ),
)
