"""Real models by name: from the package, from the cache, or traced where they are asked for and kept.

Architectures of ``transformers``, without weights, and networks of the papers in plain torch (``networks``).
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, NamedTuple

from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_graph_format import read_op_graph, write_op_graph
from placezoo.datasets.op_graphs.shipped_graphs import SHIPPED, shipped_graphs
from placezoo.datasets.public_files import cache_folder
from placezoo.datasets.suggestion import unknown_name

PREFIXES = ("transformers:", "torch:")
_PIXELS = 224
_MOST_TIMES = 64  # as large as its default may an option be: what is traced must end
TRACER = 4  # counted up whenever the same model gives another graph


@dataclass(frozen=True)
class ModelEntry:
    """An architecture of ``transformers``.

    Attributes:
        family: models of one family are alike; splits of datasets keep families together.
        model: the class.
        config: the configuration's class.
        settings: of the configuration, where they are not its defaults.
        inputs: ``text``, ``image``, or ``text-to-text``.
        tokens: of a text, unless told otherwise.
    """

    family: str
    model: str
    config: str
    settings: dict[str, Any]
    inputs: str = "text"
    tokens: int = 128

    @property
    def options(self) -> dict[str, int]:
        """What names may set besides training and batch, with the defaults."""
        return {} if self.inputs == "image" else {"tokens": self.tokens}


@dataclass(frozen=True)
class NetworkEntry:
    """A network in plain torch.

    Attributes:
        family: as for ``ModelEntry``.
        location: ``module:Class`` in ``networks``.
        inputs: ``text``, ``text-to-text``, ``image``, ``audio``, ``vector``, or ``text-and-memories``.
        options: what names may set besides training and batch, with the defaults: arguments of the class, and
            ``tokens`` (steps of a text, samples of audio) or ``pixels`` (the side of an image).
        settings: arguments that names cannot set.
    """

    family: str
    location: str
    inputs: str
    options: dict[str, int]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> Any:
        """The class."""
        module, _, name = self.location.partition(":")
        return getattr(importlib.import_module(f"placezoo.datasets.op_graphs.networks.{module}"), name)


class ModelName(NamedTuple):
    """The parts of a model's name."""

    prefix: str
    model: str
    step: str  # inference, decomposed (inference, in core operators) or training
    batch: int
    options: dict[str, int]  # all of the entry's, those that were given set


def _decoder(**settings: Any) -> dict[str, Any]:
    return {"use_cache": False, **settings}


MODELS: dict[str, ModelEntry] = {
    "bert-base": ModelEntry("bert", "BertModel", "BertConfig", {}),
    "bert-large": ModelEntry(
        "bert", "BertModel", "BertConfig",
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    ),
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
    "mobilenet-v2": ModelEntry("mobile", "MobileNetV2Model", "MobileNetV2Config", {}, "image"),
    "convnext-tiny": ModelEntry("cnn", "ConvNextModel", "ConvNextConfig", {}, "image"),
}  # fmt: skip


_EXPERTS = {"layers": 6, "width": 512, "experts": 8, "chosen": 1, "vocabulary": 32_000, "tokens": 128}

NETWORKS: dict[str, NetworkEntry] = {
    "gnmt": NetworkEntry(
        "gnmt", "gnmt:GNMT", "text-to-text", {"layers": 2, "width": 1024, "vocabulary": 32_000, "tokens": 20}
    ),
    "transformer-xl": NetworkEntry(
        "transformer-xl", "transformer_xl:TransformerXL", "text-and-memories",
        {"layers": 16, "width": 410, "heads": 10, "inner": 2100, "vocabulary": 32_000, "tokens": 150},
    ),
    "wavenet": NetworkEntry(
        "wavenet", "wavenet:WaveNet", "audio",
        {"stacks": 2, "layers": 18, "channels": 64, "skip": 256, "levels": 256, "tokens": 4096},
    ),
    "inception-v3": NetworkEntry("inception", "inception:InceptionV3", "image", {"classes": 1000, "pixels": 299}),
    "amoebanet": NetworkEntry(
        "inception", "amoebanet:AmoebaNet", "image", {"cells": 4, "channels": 64, "classes": 1000, "pixels": _PIXELS}
    ),
    "switch": NetworkEntry("moe", "mixture_of_experts:MoETransformer", "text", _EXPERTS, {"routing": "token"}),
    "expert-choice": NetworkEntry("moe", "mixture_of_experts:MoETransformer", "text", _EXPERTS, {"routing": "expert"}),
    "fuseconv": NetworkEntry(
        "mobile", "fuseconv:FuSeMobileNet", "image", {"half": 1, "percent": 100, "classes": 1000, "pixels": _PIXELS}
    ),
    "paradnn-fc": NetworkEntry(
        "paradnn", "paradnn:FullyConnected", "vector", {"layers": 16, "width": 1024, "inputs": 4000, "outputs": 1000}
    ),
    "paradnn-cnn": NetworkEntry(
        "paradnn", "paradnn:Convolutional", "image",
        {"blocks": 2, "filters": 32, "bottleneck": 1, "outputs": 1000, "pixels": _PIXELS},
    ),
    "paradnn-rnn": NetworkEntry(
        "paradnn", "paradnn:Recurrent", "text", {"layers": 3, "width": 500, "vocabulary": 1024, "tokens": 10}
    ),
}  # fmt: skip


def model_names() -> list[str]:
    """Return every model's name, with its prefix."""
    return [*(PREFIXES[0] + name for name in MODELS), *(PREFIXES[1] + name for name in NETWORKS)]


def entry_of(name: ModelName) -> ModelEntry | NetworkEntry:
    """Return what a name's model is."""
    return MODELS[name.model] if name.prefix == PREFIXES[0] else NETWORKS[name.model]


def split_name(text: str) -> ModelName:
    """Return the parts of a name: ``transformers:bert-base,training,batch=8``, ``torch:gnmt,layers=4``.

    Raises:
        ValueError: no such model or option; names near ones.
    """
    prefix = next((prefix for prefix in PREFIXES if text.startswith(prefix)), PREFIXES[0])
    model, *given = text.removeprefix(prefix).split(",")
    if prefix + model not in model_names():
        raise ValueError(unknown_name("model", prefix + model, model_names()))
    name = ModelName(prefix, model, "inference", 1, {})
    options = dict(entry_of(name).options)
    for option in given:
        key, _, value = option.partition("=")
        count = int(value) if value.isdecimal() and len(value) < 10 else -1
        if key in options and count > _MOST_TIMES * options[key]:
            raise ValueError(f"{text}: {key} is at most {_MOST_TIMES * options[key]:,}")
        if option in ("training", "decomposed") and name.step in ("inference", option):
            name = name._replace(step=option)
        elif key == "batch" and count > 0:
            name = name._replace(batch=count)
        elif key in options and count >= (0 if options[key] < 2 else 1):
            options[key] = count
        else:
            known = ", ".join(["training", "decomposed", "batch=N", *(f"{known}=N" for known in options)])
            raise ValueError(f"{text}: unknown option {option!r}; known: {known}")
    return name._replace(options=options)


def traced_model(text: str, on_miss: Callable[[str], None] | None = None, anew: bool = False) -> OpGraph:
    """Return a model's operator graph, from the package, the cache, or traced now.

    Args:
        text: ``transformers:bert-base``, with ``,training`` or ``,decomposed``, ``,batch=N`` and the model's own
            options as wanted.
        on_miss: called with the name before a model is traced.
        anew: trace it now, with the versions that are installed, whatever the package or the cache has.

    Raises:
        ValueError: no such model, or it cannot be traced.
        ImportError: it must be traced, and the ``agents`` or ``trace`` extra is missing.
    """
    name = split_name(text)
    file = graph_file(name)
    if not anew and (SHIPPED / file).is_file():
        return read_op_graph(SHIPPED / file, name=text)
    versions = "-".join(f"{package}-{version}" for package, version in tracing_versions(name).items())
    path = cache_folder() / "models" / f"tracer-{TRACER}-{versions}" / file
    if not anew and path.is_file():
        return read_op_graph(path, name=text)
    if on_miss is not None:
        on_miss(text)
    graph = _trace(name, text)
    if not anew:
        write_op_graph(graph, path)
    return graph


def provenance(text: str) -> str:
    """Return which versions traced the graph that the package has of a model, and when; empty if it has none.

    Raises:
        ValueError: no such model.
    """
    row = shipped_graphs().get(graph_file(split_name(text)))
    if row is None:
        return ""
    versions = [f"{package} {row[package]}" for package in ("torch", "transformers") if row[package]]
    return f"{', '.join(versions)} on {row['date']}"


def graph_file(name: ModelName) -> str:
    """Return the name of a model's file, in the package and in the cache; options at their defaults do not count."""
    changed = {key: value for key, value in name.options.items() if value != entry_of(name).options[key]}
    options = "".join(f"-{key}-{value}" for key, value in sorted(changed.items()))
    return f"{name.prefix[:-1]}-{name.model}{options}-{name.step}-{name.batch}.json.gz"


def tracing_versions(name: ModelName) -> dict[str, str]:
    """Return the installed versions of what traces a model.

    Raises:
        ImportError: the ``agents`` or ``trace`` extra is missing.
    """
    packages = ("torch", "transformers") if name.prefix == PREFIXES[0] else ("torch",)
    try:
        return {package: metadata.version(package) for package in packages}
    except metadata.PackageNotFoundError as error:
        raise ImportError(f"tracing {name.model} needs {error.name}: pip install 'placezoo[agents,trace]'") from None


def _trace(name: ModelName, text: str) -> OpGraph:
    from placezoo.datasets.op_graphs.model_tracing import trace_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers and torch warn about each other's future
        model, arguments, keywords = _transformer(name) if name.prefix == PREFIXES[0] else _network(name)
        return trace_module(
            model,
            arguments,
            keywords,
            training=name.step == "training",
            decomposed=name.step == "decomposed",
            name=text,
        )


def _transformer(name: ModelName) -> tuple[Any, list[Any], dict[str, Any]]:
    """Return an architecture of ``transformers`` on the meta device, and its inputs."""
    import torch
    import transformers

    entry = MODELS[name.model]
    config = getattr(transformers, entry.config)(**entry.settings)
    with torch.device("meta"):
        model = getattr(transformers, entry.model)(config)
        if entry.inputs == "image":
            return model, [], {"pixel_values": torch.zeros(name.batch, 3, _PIXELS, _PIXELS)}
        tokens = torch.zeros(name.batch, name.options["tokens"], dtype=torch.long)
    both = {"input_ids": tokens, "decoder_input_ids": tokens}
    return model, [], both if entry.inputs == "text-to-text" else {"input_ids": tokens}


def _network(name: ModelName) -> tuple[Any, list[Any], dict[str, Any]]:
    """Return a network in plain torch on the meta device, and its inputs."""
    import torch

    entry = NETWORKS[name.model]
    sizes = {key: value for key, value in name.options.items() if key not in ("tokens", "pixels")}
    with torch.device("meta"):
        model = entry.network(**entry.settings, **sizes)
        batch, side, steps = name.batch, name.options.get("pixels", 1), name.options.get("tokens", 1)
        if entry.inputs == "image":
            return model, [torch.zeros(batch, 3, side, side)], {}
        if entry.inputs == "audio":
            return model, [torch.zeros(batch, name.options["levels"], steps)], {}
        if entry.inputs == "vector":
            return model, [torch.zeros(batch, name.options["inputs"])], {}
        tokens = torch.zeros(batch, steps, dtype=torch.long)
        if entry.inputs == "text-to-text":
            return model, [tokens, tokens], {}
        if entry.inputs == "text-and-memories":
            return model, [tokens, torch.zeros(name.options["layers"], batch, steps, name.options["width"])], {}
        return model, [tokens], {}
