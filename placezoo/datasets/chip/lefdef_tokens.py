"""The tokens of LEF and DEF: words, quotes, parentheses and semicolons, wherever line breaks are.

Source: Cadence LEF/DEF 5.8 Language Reference. Comments and extensions (BEGINEXT ... ENDEXT) are passed over, aliases
(&ALIAS ... &ENDALIAS) replaced. Large files are split into tokens chunk by chunk, and a token's line is
counted only when a message needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from placezoo.datasets.files import read_bytes

# A parenthesis is a token of its own unless it stands in the middle of a name and is closed there, as in a(3).
TOKEN = re.compile(
    r"""
      [^\s;()\\"\#&BbH][^\s;()\\]*+(?![(\\])                                     # most words, and fast
    | "(?:[^"\\]++|\\.)*+(?:"|\Z)                                              # a quote, perhaps of several lines
    | \#[^\n]*                                                                 # a comment
    | (?i:BEGINEXT)(?=\s).*?(?:(?<=\s)(?i:ENDEXT)(?![^\s;])|\Z)                # somebody's own statements
    | (?i:&ALIAS)(?=\s).*?(?:(?i:&ENDALIAS)|\Z)
    | (?<![^\n])HISTORY(?=\s)[^;]*                                             # free text
    | [;()]
    | (?:[^\s;()\\]++|\\[^\s;]?|\([^\s;()]*\))++
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CLOSED = re.compile(r'"(?:[^"\\]|\\.)*+"|(?i:BEGINEXT\s.*ENDEXT)|(?i:&ALIAS\s.*&ENDALIAS)', re.DOTALL)
_OPENING = re.compile(r'"|(?:BEGINEXT|&ALIAS)\s', re.IGNORECASE)
_DEFINITION = re.compile(r"&ALIAS\s+(\S+)\s+=(.*)&ENDALIAS", re.IGNORECASE | re.DOTALL)
_CHUNK = 250_000  # characters that are split at once
_MOST_ALIAS_WORDS = 200  # an alias that repeats others could grow beyond memory
_LARGEST = 1e12  # of any number: beyond it lengths lose their fractions


class Place(NamedTuple):
    """Where a token is: the chunk's first character, and the token's number in it."""

    chunk: int
    number: int


class Tokens:
    """The tokens of a file, taken from the first to the last.

    Args:
        path: a LEF or DEF file, perhaps compressed.

    Raises:
        ValueError: ``path:line: what`` for a quote or an extension without an end.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        text = read_bytes(path).decode("utf-8-sig", errors="replace")
        self._text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        capitals = self._text.upper()
        self._has_aliases, self._has_extensions = "&ALIAS" in capitals, "BEGINEXT" in capitals
        self._aliases: dict[str, list[str]] = {}
        self._begin = self._end = 0
        self._ends: dict[int, int] = {}  # of chunks, where they are not the usual
        self._tokens: list[str] = []
        self._next = 0
        self._advance()

    def _advance(self) -> None:
        """Go on to the next chunk, which ends behind a semicolon."""
        while self._next == len(self._tokens) and self._end < len(self._text):
            self._begin, self._next = self._end, 0
            self._end = self._after_semicolon(self._begin + _CHUNK)
            if not (self._has_aliases or self._has_extensions):
                words = _plain_words(self._text[self._begin : self._end])
                if words is not None:
                    self._tokens = words
                    continue
            while (cut := _unclosed(found := TOKEN.findall(self._text, self._begin, self._end))) is not None:
                if self._end == len(self._text):
                    line = self._text.count("\n", 0, self._text.rindex(cut)) + 1
                    raise ValueError(f"{self.path}:{line}: {cut.split()[0][:20]} does not end")
                self._end = self._after_semicolon(self._end + (self._end - self._begin))  # it ends in a later chunk
            self._ends[self._begin] = self._end
            if self._has_aliases:
                found = [token for token, _ in self._located(self._begin, self._end)]
            else:
                found = [token for token in found if not is_passed_over(token)]
            self._tokens = found

    def _after_semicolon(self, character: int) -> int:
        """Return the first end of a statement at the end of a line from some character on, else the file's end."""
        stop = self._text.find(";\n", character)
        return len(self._text) if stop < 0 else stop + 2

    def _located(self, begin: int, end: int) -> Iterator[tuple[str, int]]:
        """Yield the tokens of a chunk and the character at which each begins."""
        for match in TOKEN.finditer(self._text, begin, end):
            token = match[0]
            if token[:6].upper() == "&ALIAS" and (defined := _DEFINITION.fullmatch(token)):
                words: list[str] = []
                for word in TOKEN.findall(defined[2]):
                    words += self._aliases.get(word, [word])
                if len(words) > _MOST_ALIAS_WORDS:
                    line = self._text.count("\n", 0, match.start()) + 1
                    raise ValueError(f"{self.path}:{line}: an alias has at most {_MOST_ALIAS_WORDS} words")
                self._aliases[defined[1]] = words
            elif not is_passed_over(token):
                for word in self._aliases.get(token, (token,)):
                    yield word, match.start()

    def peek(self) -> str:
        """Return the next token, empty at the end."""
        if self._next == len(self._tokens):
            self._advance()
            if self._next == len(self._tokens):
                return ""
        return self._tokens[self._next]

    def take(self) -> str:
        """Return the next token, empty at the end, and pass it."""
        token = self.peek()
        self._next += bool(token)
        return token

    def statement(self) -> list[str]:
        """Return the words up to the next semicolon, and pass that too.

        Raises:
            ValueError: no semicolon comes, or END comes before it.
        """
        self.peek()
        start = self._next
        try:
            end = self._tokens.index(";", start)
        except ValueError:
            self.refuse(self.place, "this statement does not end")
        words = self._tokens[start:end]
        if "END" in words:
            self.refuse(self.place, f"no ; at the end of `{' '.join(words[: words.index('END')])[:60]}`")
        self._next = end + 1
        return words

    @property
    def place(self) -> Place:
        """Where the next token is."""
        return Place(self._begin, self._next)

    def line(self, place: Place) -> int:
        """Return the line of a place, from 1."""
        end = self._ends.get(place.chunk) or self._after_semicolon(place.chunk + _CHUNK)
        at = place.chunk
        for number, (_, character) in enumerate(self._located(place.chunk, end)):
            at = character
            if number == place.number:
                break
        return self._text.count("\n", 0, at) + 1

    def refuse(self, place: Place, what: str) -> NoReturn:
        """Raise ValueError ``path:line: what``."""
        raise ValueError(f"{self.path}:{self.line(place)}: {what}")

    def number(self, place: Place, word: str) -> float:
        """Return a word as a number; what is none is refused."""
        try:
            value = float(word)
        except ValueError:
            self.refuse(place, f"not a number: {word[:60]}")
        if not -_LARGEST < value < _LARGEST:
            self.refuse(place, f"a number is out of range: {word[:60]}")
        return value

    def numbers(self, place: Place, words: Sequence[str]) -> list[float]:
        """Return words as numbers; what is none is refused."""
        return [self.number(place, word) for word in words]


def _plain_words(text: str) -> list[str] | None:
    """Return the tokens of a text by the quickest way, or None where that would not be right."""
    if '"' in text or "#" in text or not text.isascii() or text.startswith("HISTORY") or "\nHISTORY" in text:
        return None
    words = text.split()
    return words if all(words.count(mark) == text.count(mark) for mark in ";()") else None


def _unclosed(tokens: list[str]) -> str | None:
    """Return the last token if it is a quote, an extension or an alias whose end has not come."""
    last = tokens[-1] if tokens else ""
    return last if _OPENING.match(last) is not None and _CLOSED.fullmatch(last) is None else None


def is_passed_over(token: str) -> bool:
    """Return whether a token is a comment or an extension."""
    return token[0] == "#" or (token[0] in "bB" and token[:8].upper() == "BEGINEXT" and len(token) > 8)
