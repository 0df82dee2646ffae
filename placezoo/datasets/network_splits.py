"""The neural networks that placers are trained, validated and tested on: no family is in two splits."""

from __future__ import annotations

import numpy as np

from placezoo.datasets.model_zoo import traced_model
from placezoo.datasets.op_graph import OpGraph

STEP = ",training,batch=8"

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
        "transformer-xl": ("torch:transformer-xl", "torch:transformer-xl,layers=8"),
        "gnmt": ("torch:gnmt,tokens=10",),
    },
    "test": {
        "t5": ("transformers:bart-base",),
        "vit": ("transformers:vit-base", "transformers:swin-tiny"),
        "cnn": ("transformers:resnet-50", "transformers:regnet", "transformers:convnext-tiny"),
        "inception": ("torch:inception-v3", "torch:amoebanet,cells=2"),
    },
}


def split_models(split: str) -> list[str]:
    """Return the names of a split's models."""
    return [name + STEP for names in NETWORK_SPLITS[split].values() for name in names]


def network_case(_: np.random.Generator, name: str) -> OpGraph:
    """Return the model of ``networks/SPLIT/NUMBER``."""
    split, index = name.split("/")[1:]
    return traced_model(split_models(split)[int(index)])
