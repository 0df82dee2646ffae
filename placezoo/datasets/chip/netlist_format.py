"""Circuit Training's netlists: text protobuf (``.pb.txt``) with an optional placement file (``.plc``).

Source: google-research/circuit_training, docs/NETLIST_FORMAT.md; the generic protobuf text parser takes 60 times as
long.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.canvas import default_canvas
from placezoo.datasets.chip.netlist import ORIENTATION_MATRICES, ORIENTATIONS, Netlist, NodeType, placed_extents
from placezoo.datasets.chip.plc_format import PlcFile, read_plc
from placezoo.datasets.files import read_bytes, write_atomically
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name

_VALUE = rb'(?:placeholder|s|f|i)\s*:\s*(?:"[^"\n]*"|[^\s{}"]+)'
_ATTRIBUTE = rb'attr\s*\{\s*key\s*:\s*"[^"\n]*"\s*value\s*\{\s*' + _VALUE + rb"\s*\}\s*\}\s*"
_NODE = re.compile(
    rb'\s*node\s*\{\s*name\s*:\s*"([^"\n]*)"\s*((?:input\s*:\s*"[^"\n]*"\s*)*)((?:' + _ATTRIBUTE + rb")*)\}\s*"
)
_INPUTS = re.compile(rb'"([^"]*)"')
_ATTRIBUTES = re.compile(rb'key\s*:\s*"([^"]*)"\s*value\s*\{\s*\w+\s*:\s*(?:"([^"]*)"|([^\s}]+))')
_COMMENT = re.compile(rb"(?m)^[ \t]*#[^\n]*")
_TOKEN = re.compile(rb'"[^"\n]*"|[{}:]|[^\s{}:"]+|"')

_TYPES = {
    "PORT": NodeType.PORT, "port": NodeType.PORT, "STDCELL": NodeType.STDCELL, "stdcell": NodeType.STDCELL,
    "MACRO": NodeType.HARD_MACRO, "macro": NodeType.HARD_MACRO,
    "MACRO_PIN": NodeType.HARD_PIN, "macro_pin": NodeType.HARD_PIN,
}  # fmt: skip
_SOFT_PREFIX = "Grp_"  # Circuit Training: a macro is soft if its name starts so


class _Node(NamedTuple):
    name: str
    inputs: list[bytes]
    attributes: dict[bytes, bytes]
    position: int  # of its first byte


@refuses_in_one_line
def read_netlist(path: str | Path, plc: str | Path | None = None, name: str | None = None) -> Netlist:
    """Read a netlist, and the canvas and placement of a ``.plc`` file where one is given.

    Without one the canvas is a square used to 60 % with a grid of 10 x 10. Both files may be ``.gz`` or ``.xz``.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    # A comment becomes an empty line, so that line numbers stay true.
    content = _COMMENT.sub(b"", read_bytes(path))
    nodes = [node for node in _scan(content, path) if node.name != "__metadata__"]
    placement = read_plc(plc) if plc is not None else None
    return _build(nodes, content, path, placement, name or path.name.split(".")[0])


def _scan(content: bytes, path: Path) -> list[_Node]:
    """Return the nodes of a file in order."""
    nodes = []
    position = len(content) - len(content.lstrip())
    match = _NODE.match
    while position < len(content):
        found = match(content, position)
        if found is None:
            raise _syntax_error(content, position, path)
        name, inputs, attributes = found.groups()
        values = {key: text or number for key, text, number in _ATTRIBUTES.findall(attributes)}
        try:
            nodes.append(_Node(name.decode(), _INPUTS.findall(inputs) if inputs else [], values, position))
        except UnicodeDecodeError:
            raise ValueError(f"{path}:{_line(content, position)}: a name is not UTF-8") from None
        position = found.end()
    if not nodes:
        raise ValueError(f"{path}:1: no nodes")
    return nodes


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


_GRAMMAR = {  # after what comes what, for errors only
    "node": "{", "attr": "{", "value": "{", "name": ":", "input": ":", "key": ":", "placeholder": ":", "s": ":",
    "f": ":", "i": ":",
}  # fmt: skip


def _syntax_error(content: bytes, position: int, path: Path) -> ValueError:
    """Return the error of the first token of a node that does not fit."""
    depth, before, previous = 0, "", ""
    for token in _TOKEN.finditer(content, position):
        text = token.group().decode(errors="replace")
        line = _line(content, token.start())
        if text == '"':
            return ValueError(f"{path}:{line}: a string is not closed")
        if previous in _GRAMMAR and text != _GRAMMAR[previous]:
            return ValueError(f"{path}:{line}: expected {_GRAMMAR[previous]!r} after {previous}, found {text!r}")
        if previous == ":" and before in ("name", "input", "key") and not text.startswith('"'):
            return ValueError(f"{path}:{line}: expected a string in quotes after {before}:, found {text!r}")
        if text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
            if depth < 0:
                return ValueError(f"{path}:{line}: a brace closes that was never opened")
            if depth == 0:
                break
        elif text != ":" and previous != ":" and text not in _GRAMMAR:
            return ValueError(f"{path}:{line}: unexpected {text!r}")
        elif depth == 0 and text != "node":
            return ValueError(f"{path}:{line}: expected a node, found {text!r}")
        before, previous = previous, text
    else:
        return ValueError(f"{path}:{_line(content, len(content))}: the file ends within a node")
    return ValueError(
        f"{path}:{_line(content, content.find(b'node', position))}: this node is not name, inputs, attributes in order"
    )


def _build(nodes: list[_Node], content: bytes, path: Path, plc: PlcFile | None, name: str) -> Netlist:
    """Turn parsed nodes into arrays, checking every attribute."""

    def error(node: _Node, what: str) -> ValueError:
        # The node's own line is that of its name: what lies before it is white space.
        return ValueError(f"{path}:{_line(content, content.find(b'name', node.position))}: {node.name}: {what}")

    def number(node: _Node, key: bytes, default: float | None = None) -> float:
        text = node.attributes.get(key)
        if text is None:
            if default is None:
                raise error(node, f"no attribute {key.decode()}")
            return default
        try:
            value = float(text)
        except ValueError:
            raise error(node, f"{key.decode()} is not a number: {text.decode(errors='replace')}") from None
        if not np.isfinite(value):
            raise error(node, f"{key.decode()} must be finite, not {text.decode()}")
        return value

    n = len(nodes)
    index: dict[bytes, int] = {}
    for i, node in enumerate(nodes):
        if index.setdefault(node.name.encode(), i) != i:
            raise error(node, "a second node of this name")
    types = np.empty(n, np.int8)
    for i, node in enumerate(nodes):
        text = node.attributes.get(b"type")
        if text is None:
            raise error(node, "no attribute type")
        label = text.decode(errors="replace")
        if label not in _TYPES:
            raise error(node, unknown_name("type", label, _TYPES))
        types[i] = _TYPES[label]
        if node.name.startswith(_SOFT_PREFIX):
            if types[i] == NodeType.HARD_MACRO:
                types[i] = NodeType.SOFT_MACRO
            elif types[i] == NodeType.HARD_PIN:
                types[i] = NodeType.SOFT_PIN
    owners = np.arange(n, dtype=np.int32)
    sizes, centers, offsets = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2))
    orientations = np.zeros(n, np.int8)
    sides = [""] * n
    weights: list[float] = []
    counts: list[int] = []
    members: list[int] = []
    for i, node in enumerate(nodes):
        attributes = node.attributes
        kind = types[i]
        if kind in (NodeType.HARD_PIN, NodeType.SOFT_PIN):
            macro = attributes.get(b"macro_name")
            if macro is None:
                raise error(node, "no attribute macro_name")
            owner = index.get(macro, -1)
            if owner < 0 or types[owner] in (NodeType.HARD_PIN, NodeType.SOFT_PIN):
                raise error(node, f"macro_name {macro.decode(errors='replace')} is no macro of this netlist")
            owners[i] = owner
            if types[owner] == NodeType.SOFT_MACRO:
                types[i] = NodeType.SOFT_PIN
            else:
                types[i] = NodeType.HARD_PIN
                offsets[i] = number(node, b"x_offset"), number(node, b"y_offset")
        else:
            if kind != NodeType.PORT:
                sizes[i] = number(node, b"width"), number(node, b"height")
                if sizes[i].min() <= 0:
                    raise error(node, f"width and height must be positive, not {sizes[i, 0]:g} x {sizes[i, 1]:g}")
            centers[i] = number(node, b"x", 0.0), number(node, b"y", 0.0)
            turn = attributes.get(b"orientation", b"N").decode(errors="replace")
            if turn not in ORIENTATIONS and turn not in ("", "-"):
                raise error(node, unknown_name("orientation", turn, ORIENTATIONS))
            orientations[i] = ORIENTATIONS.index(turn) if turn in ORIENTATIONS else 0
            sides[i] = attributes.get(b"side", b"").decode(errors="replace")
        if node.inputs:
            members.append(i)
            for sink in node.inputs:
                target = index.get(sink, -1)
                if target < 0:
                    raise error(node, f"input {sink.decode(errors='replace')} is no node of this netlist")
                members.append(target)
            counts.append(1 + len(node.inputs))
            weight = number(node, b"weight", 1.0)
            if weight < 0:
                raise error(node, f"weight must not be negative, it is {weight:g}")
            weights.append(weight)
    fixed = types == NodeType.PORT
    canvas = default_canvas(float(np.prod(sizes, axis=1).sum())) if plc is None else plc.canvas
    if plc is not None:
        plc.apply(types, centers, orientations, fixed)
    extents = placed_extents(sizes, orientations)
    for i in np.flatnonzero(types == NodeType.HARD_MACRO).tolist():
        width, height = extents[i]
        if width > canvas.width or height > canvas.height:
            raise error(
                nodes[i],
                f"{width:g} x {height:g} micron does not fit on the canvas of {canvas.width:g} x {canvas.height:g}",
            )
    return Netlist(
        tuple(node.name for node in nodes), types, owners, sizes, centers, offsets, orientations, fixed,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.array(members, np.int32), np.array(weights),
        canvas, name, tuple(sides),
    )  # fmt: skip


def write_netlist(path: str | Path, netlist: Netlist, soft_macro_area_bloating_ratio: float = 2.0) -> None:
    """Write a netlist as Circuit Training's text protobuf; numbers are float32, as in any TensorFlow GraphDef.

    Args:
        path: of the file.
        netlist: what to write; its own placement goes along, its canvas does not (``write_plc`` has it).
        soft_macro_area_bloating_ratio: for the metadata: area of soft macros over that of their cells.
    """
    sinks: dict[int, tuple[float, NDArray]] = {}
    for net, weight in enumerate(netlist.net_weights):
        first, last = netlist.net_indptr[net : net + 2]
        driver = int(netlist.net_nodes[first])
        if driver in sinks:
            raise ValueError(f"{netlist.names[driver]} drives two nets, which this format cannot say")
        sinks[driver] = weight, netlist.net_nodes[first + 1 : last]
    parts = [_node_text("__metadata__", [], {"soft_macro_area_bloating_ratio": soft_macro_area_bloating_ratio})]
    places, offsets = netlist.centers.astype(np.float32), netlist.offsets.astype(np.float32)
    for node, name in enumerate(netlist.names):
        kind = NodeType(netlist.types[node])
        x, y = places[netlist.owners[node]]
        attributes: dict[str, str | float] = {"type": _TYPE_NAMES[kind]}
        if kind in (NodeType.HARD_PIN, NodeType.SOFT_PIN):
            attributes["macro_name"] = netlist.names[netlist.owners[node]]
            attributes["x_offset"], attributes["y_offset"] = offsets[node]
            turned = ORIENTATION_MATRICES[netlist.orientations[netlist.owners[node]]].astype(np.float32)
            x, y = x + turned[:2] @ offsets[node], y + turned[2:] @ offsets[node]
            if node in sinks and sinks[node][0] != 1.0:
                attributes["weight"] = sinks[node][0]
        elif kind == NodeType.PORT:
            if netlist.sides[node]:
                attributes["side"] = netlist.sides[node].upper()
        else:
            attributes["width"], attributes["height"] = netlist.sizes[node]
        if kind == NodeType.HARD_MACRO:
            attributes["orientation"] = ORIENTATIONS[netlist.orientations[node]]
        attributes["x"], attributes["y"] = x, y
        inputs = [netlist.names[sink] for sink in sinks[node][1]] if node in sinks else []
        parts.append(_node_text(name, inputs, attributes))
    write_atomically(path, "".join(parts))


_TYPE_NAMES = {
    NodeType.PORT: "PORT", NodeType.STDCELL: "STDCELL", NodeType.HARD_MACRO: "MACRO", NodeType.SOFT_MACRO: "macro",
    NodeType.HARD_PIN: "MACRO_PIN", NodeType.SOFT_PIN: "macro_pin",
}  # fmt: skip


def _node_text(name: str, inputs: list[str], attributes: dict[str, str | float]) -> str:
    lines = ["node {", f'  name: "{name}"', *(f'  input: "{sink}"' for sink in inputs)]
    for key in sorted(attributes):
        value = attributes[key]
        text = f'placeholder: "{value}"' if isinstance(value, str) else f"f: {np.float32(value)!s}"
        lines += ["  attr {", f'    key: "{key}"', "    value {", f"      {text}", "    }", "  }"]
    return "\n".join([*lines, "}"]) + "\n"
