"""Prose that reads easily: sentences of at most 25 words, no words that say nothing, a README that is short."""

import importlib.util
import re
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


def test_commands_of_the_docs_have_the_options_that_they_are_given(prose):
    import typer

    from placezoo.experiments.command_line import app

    root = typer.main.get_command(app)
    seen = 0
    for page in prose.pages():
        for block in re.findall(r"```(?:bash)?\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                for command in line.partition("#")[0].split(";"):
                    words = command.split()
                    if words[:1] != ["placezoo"] or "--import" in words[:2]:
                        continue
                    found = root
                    while getattr(found, "commands", None) and words[1:2] and words[1] in found.commands:
                        found, words = found.commands[words[1]], words[1:]
                    options = {name for one in found.params for name in one.opts} | {"--help", "--install-completion"}
                    assert found is not root or words[1].startswith("-"), f"{page}: {command}"
                    assert {word for word in words if word.startswith("--")} <= options, f"{page}: {command}"
                    seen += 1
    assert seen > 40
