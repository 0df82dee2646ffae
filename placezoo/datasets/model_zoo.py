"""Real models by name, traced where they are asked for and kept: architectures of ``transformers``, without weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from placezoo.datasets.op_graph import OpGraph
from placezoo.datasets.op_graph_format import read_op_graph, write_op_graph
from placezoo.datasets.public_files import cache_folder
from placezoo.datasets.suggestion import unknown_name

PREFIX = "transformers:"
_TOKENS, _PIXELS = 128, 224
_TRACER = 1  # counted up whenever the same model gives another graph


@dataclass(frozen=True)
class ModelEntry:
    """An architecture of ``transformers``.

    Attributes:
        family: models of one family are alike; splits of datasets keep families together.
        model: the class.
        config: the configuration's class.
        settings: of the configuration, where they are not its defaults.
        inputs: ``text``, ``image``, or ``text-to-text``.
    """

    family: str
    model: str
    config: str
    settings: dict[str, Any]
    inputs: str = "text"


def _decoder(**settings: Any) -> dict[str, Any]:
    return {"use_cache": False, **settings}


MODELS: dict[str, ModelEntry] = {
    "bert-base": ModelEntry("bert", "BertModel", "BertConfig", {}),
    "distilbert": ModelEntry("bert", "DistilBertModel", "DistilBertConfig", {}),
    "roberta-base": ModelEntry("bert", "RobertaModel", "RobertaConfig", {}),
    "albert-base": ModelEntry(
        "bert", "AlbertModel", "AlbertConfig",
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    ),
    "electra-small": ModelEntry("bert", "ElectraModel", "ElectraConfig", {}),
    "gpt2": ModelEntry("gpt", "GPT2Model", "GPT2Config", _decoder()),
    "opt-125m": ModelEntry("gpt", "OPTModel", "OPTConfig", _decoder()),
    "llama-160m": ModelEntry(
        "gpt", "LlamaModel", "LlamaConfig",
        _decoder(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12),
    ),
    "mixtral-small": ModelEntry(
        "moe", "MixtralModel", "MixtralConfig",
        _decoder(
            hidden_size=512, intermediate_size=1792, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=4,
            experts_implementation="batched_mm",
        ),
    ),
    "t5-small": ModelEntry("t5", "T5Model", "T5Config", _decoder(), "text-to-text"),
    "bart-base": ModelEntry(
        "t5", "BartModel", "BartConfig",
        _decoder(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
                 encoder_attention_heads=12, decoder_attention_heads=12),
        "text-to-text",
    ),
    "vit-base": ModelEntry("vit", "ViTModel", "ViTConfig", {}, "image"),
    "swin-tiny": ModelEntry("vit", "SwinModel", "SwinConfig", {}, "image"),
    "resnet-50": ModelEntry("cnn", "ResNetForImageClassification", "ResNetConfig", {"num_labels": 1000}, "image"),
    "regnet": ModelEntry("cnn", "RegNetModel", "RegNetConfig", {}, "image"),
    "mobilenet-v2": ModelEntry("cnn", "MobileNetV2Model", "MobileNetV2Config", {}, "image"),
    "convnext-tiny": ModelEntry("cnn", "ConvNextModel", "ConvNextConfig", {}, "image"),
}  # fmt: skip


def split_name(text: str) -> tuple[str, bool, int]:
    """Return the model, whether it trains, and the batch of a name: ``transformers:bert-base,training,batch=8``.

    Raises:
        ValueError: no such model or option; names near ones.
    """
    name, *options = text.removeprefix(PREFIX).split(",")
    if name not in MODELS:
        raise ValueError(unknown_name("model", name, MODELS))
    training, batch = False, 1
    for option in options:
        key, _, value = option.partition("=")
        if option == "training":
            training = True
        elif key == "batch" and value.isdecimal() and int(value) > 0:
            batch = int(value)
        else:
            raise ValueError(f"{text}: unknown option {option!r}; known: training, batch=N")
    return name, training, batch


def traced_model(text: str, on_miss: Callable[[str], None] | None = None) -> OpGraph:
    """Return a model's operator graph, from the cache or traced now.

    Args:
        text: ``transformers:bert-base``, with ``,training`` and ``,batch=N`` as wanted.
        on_miss: called with the name before a model is traced.

    Raises:
        ValueError: no such model, or it cannot be traced.
        ImportError: the ``trace`` extra is missing.
    """
    name, training, batch = split_name(text)
    path = _cache_path(name, training, batch)
    if path.is_file():
        return read_op_graph(path, name=text)
    if on_miss is not None:
        on_miss(text)
    graph = _trace(name, training, batch, text)
    write_op_graph(graph, path)
    return graph


def _cache_path(name: str, training: bool, batch: int) -> Path:
    try:
        versions = f"tracer-{_TRACER}-torch-{metadata.version('torch')}-transformers-{metadata.version('transformers')}"
    except metadata.PackageNotFoundError as error:
        raise ImportError(f"tracing {name} needs {error.name}: pip install 'placezoo[agents,trace]'") from None
    step = "training" if training else "inference"
    return cache_folder() / "models" / versions / f"{name}-{step}-{batch}.json.gz"


def _trace(name: str, training: bool, batch: int, text: str) -> OpGraph:
    import torch

    from placezoo.datasets.model_tracing import trace_module

    entry = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers and torch warn about each other's future
        import transformers

        config = getattr(transformers, entry.config)(**entry.settings)
        with torch.device("meta"):
            model = getattr(transformers, entry.model)(config)
        tokens = torch.zeros(batch, _TOKENS, dtype=torch.long, device="meta")
        inputs = {
            "text": {"input_ids": tokens},
            "text-to-text": {"input_ids": tokens, "decoder_input_ids": tokens},
            "image": {"pixel_values": torch.zeros(batch, 3, _PIXELS, _PIXELS, device="meta")},
        }[entry.inputs]
        return trace_module(model, (), inputs, training=training, name=text)
