"""What tests of experiments share."""

import sys

import pytest

from placezoo.experiments import command_line
from placezoo.experiments.command_line import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a caller of the command line in this process: arguments -> (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["placezoo", *map(str, arguments)])
        # The consoles were made before the test's capture.
        monkeypatch.setattr(command_line.console, "file", sys.stdout)
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return call
