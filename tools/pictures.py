"""Draw the pictures of README and docs with the package itself: ``python tools/pictures.py [NAME ...]``.

Needs the public netlist ariane133-ng45 (``placezoo data get ariane133-ng45``) for the chip. Budgets are evaluations, so
the pictures are the same on every machine.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _COLOURS = 1100, 64

# Name of the picture -> the instance and agent of `placezoo solve`, and the options of `placezoo render`.
PICTURES = {
    "wall/accel-search.png": (
        "AccelSearch-v0 --instance transformers:resnet-50 --agent local-search --evaluations 500",
        "--panel 1",
    ),
    "wall/chip-place.gif": (
        "ChipPlace-v0 --instance ariane133-ng45 --agent simulated-annealing --evaluations 400000",
        "",
    ),
    "wall/device-place.png": (
        "DevicePlace-v0 --instance transformers:resnet-50,training,batch=8 --set topology=v100x4-nvlink"
        " --set memory_share=0.4 --set grouping=layers --agent local-search --evaluations 20000",
        "",
    ),
    "wall/edge-place.png": ("EdgePlace-v0 --instance giph/test/3 --agent local-search --evaluations 2000", "--panel 1"),
    "wall/graph-partition.gif": (
        "GraphPartition-v0 --instance delaunay/test/1 --set num_parts=5 --agent simulated-annealing"
        " --evaluations 100000",
        "--search",
    ),
    "wall/mcm-partition.png": (
        "MCMPartition-v0 --instance torch:amoebanet --set package=mcm16 --agent order-search --evaluations 20000",
        "",
    ),
    "airfoil1.png": ("GraphPartition-v0 --instance airfoil1 --set num_parts=8 --agent fm --evaluations 300", ""),
    "ariane133.png": (
        "ChipPlace-v0 --instance ariane133-ng45 --agent simulated-annealing --evaluations 400000",
        "",
    ),
    "device-place.png": (
        "DevicePlace-v0 --instance transformers:resnet-50,training,batch=16 --set topology=p100x2-pcie"
        " --agent local-search --evaluations 3000",
        "",
    ),
    "edge-place.png": ("EdgePlace-v0 --instance giph/test/3 --agent local-search --evaluations 2000", ""),
    "mcm-partition.png": (
        "MCMPartition-v0 --instance transformers:bert-base,decomposed --agent dynamic-programming --evaluations 2",
        "",
    ),
}


def draw(name: str) -> None:
    """Solve and draw one of ``PICTURES``, and shrink it."""
    solve, options = PICTURES[name]
    with tempfile.TemporaryDirectory() as folder:
        solution, picture = Path(folder) / "solution.json", Path(folder) / Path(name).name
        _placezoo("solve", *solve.split(), "--out", str(solution))
        _placezoo("render", str(solution), *options.split(), "--out", str(picture))
        content = picture.read_bytes()
    if name.endswith(".png"):
        content = _small(content)
    (IMAGES / name).parent.mkdir(parents=True, exist_ok=True)
    (IMAGES / name).write_bytes(content)
    print(f"{IMAGES / name}: {len(content) / 1000:.0f} kB")


def _placezoo(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "placezoo", *arguments], check=True)


def _small(png: bytes) -> bytes:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((_WIDTH, _WIDTH))
    content = io.BytesIO()
    picture.quantize(_COLOURS).save(content, "PNG", optimize=True)
    return content.getvalue()


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PICTURES:
        draw(chosen)
