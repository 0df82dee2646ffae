"""Check the prose of README and docs: sentence length and words that say nothing: ``python tools/prose.py [FILE ...]``.

Long sentences that were there before are counted in ``tools/prose_allowance.toml``, a number a page; it may only fall.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ALLOWANCE = ROOT / "tools" / "prose_allowance.toml"
MOST_WORDS = 25
BANNED = (
    "simply", "obviously", "basically", "very unique", "utilize", "utilise", "leverage", "in order to", "please note",
    "cutting-edge", "state-of-the-art", "seamless", "blazing", "powerful", "easy to use", "user-friendly",
    "it should be noted", "needless to say", "and/or",
)  # fmt: skip
# What is no prose: code, tables, headings, quotes of commands, HTML.
_NO_PROSE = re.compile(r"```.*?```|<table>.*?</table>|<div.*?</div>|<[^>]+>", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_END = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z`\"'(\[*])")


class Finding(NamedTuple):
    """One thing to mend.

    Attributes:
        kind: ``long`` or ``banned``.
        text: the sentence, or the word.
        words: how long the sentence is.
    """

    kind: str
    text: str
    words: int


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page of Markdown; each item of a list is one or more of its own."""
    paragraph: list[str] = []
    for line in [*_NO_PROSE.sub("", text).splitlines(), ""]:
        stripped = line.strip()
        is_item = re.match(r"([-*]|\d+\.)\s", stripped) is not None
        if not stripped or is_item or stripped.startswith(("#", "|", "![", ":::", "$", "---")):
            if paragraph:
                yield from _END.split(_LINK.sub(r"\1", " ".join(paragraph)))
            paragraph = [re.sub(r"^([-*]|\d+\.)\s+", "", stripped)] if is_item else []
        else:
            paragraph.append(stripped)


def findings(text: str) -> list[Finding]:
    """Return what is wrong with a page."""
    found = []
    for sentence in sentences(text):
        words = len(re.findall(r"`[^`]*`|[^\s`]+", sentence))
        if words > MOST_WORDS:
            found.append(Finding("long", sentence, words))
        for phrase in BANNED:
            if re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", sentence, re.IGNORECASE):
                found.append(Finding("banned", phrase, words))
    return found


def pages() -> list[Path]:
    """Return the pages that are checked."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def allowance() -> dict[str, int]:
    """Return how many long sentences each page may have; ``*`` is of pages that are not named."""
    return {name: int(number) for name, number in tomllib.loads(ALLOWANCE.read_text()).items()}


def main(arguments: list[str]) -> int:
    """Print findings and return how many pages have more than they may."""
    allowed, failed = allowance(), 0
    for path in [Path(name).resolve() for name in arguments] or pages():
        name = str(path.relative_to(ROOT))
        found = findings(path.read_text())
        long = [one for one in found if one.kind == "long"]
        banned = [one for one in found if one.kind == "banned"]
        most = allowed.get(name, allowed["*"])
        if len(long) > most or banned or arguments:
            failed += len(long) > most or bool(banned)
            print(f"{name}: {len(long)} sentences above {MOST_WORDS} words, {most} allowed")
            for one in sorted(long, key=lambda one: -one.words):
                print(f"  {one.words} words: {one.text[:160]}")
            for one in banned:
                print(f"  say it without {one.text!r}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
