"""Prose that reads easily: sentences of at most 25 words, no words that say nothing, a README that is short."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def prose():
    spec = importlib.util.spec_from_file_location("prose", ROOT / "tools" / "prose.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_have_no_more_long_sentences_than_they_had(prose, capsys):
    failed = prose.main([])
    assert failed == 0, capsys.readouterr().out


def test_the_allowance_names_pages_that_there_are(prose):
    allowed = prose.allowance()
    assert allowed.keys() - {"*"} <= {str(path.relative_to(ROOT)) for path in prose.pages()}
    for name in ("README.md", "docs/index.md", "docs/tour.md", "docs/how-to/sb3.md", "docs/how-to/rllib.md"):
        assert allowed[name] == 0


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < 700


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("word " * 25 + "word.", [("long", 26)]),
        ("word " * 24 + "word. " + "Word " * 24 + "word.", []),
        ("- " + "word " * 20 + "\n- " + "word " * 20, []),
        ("```\n" + "word " * 40 + "\n```", []),
        ("| " + "word " * 40 + "|", []),
        ("`a b c d` " * 20, []),
        ("See [" + "a " * 5 + "](" + "b " * 30 + ").", []),
        ("One\nline\n" + "and word " * 13 + ".", [("long", 29)]),
        ("This is simply done.", [("banned", 4)]),
        ("A simplyfied name is none.", []),
    ],
)
def test_sentences_are_counted(prose, text, found):
    assert [(one.kind, one.words) for one in prose.findings(text)] == found
