"""What ``placezoo --help`` says: commands in groups, with examples."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Look around": ("envs", "agents", "datasets", "doctor", "warm-up", "data", "trace"),
    "Solve one instance": ("solve", "evaluate", "render"),
    "Train and test": ("train", "test", "finetune", "pretrain", "tune"),
    "Compare": ("leaderboard", "compare", "best-known"),
}
EXAMPLES = """\
placezoo solve GraphPartition-v0 --instance karate --set num_parts=4 --agent fm --seconds 1 --out s.json
placezoo evaluate s.json
placezoo render s.json --out s.gif
placezoo train EdgePlace-v0 --dataset giph --seconds 60 --out runs/edge
placezoo test runs/edge --dataset giph
placezoo leaderboard quick --out leaderboard"""


class GroupedCommands(TyperGroup):
    """The commands of ``placezoo``, listed by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group; a command of none is listed last."""
        rows = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows[name] = command.get_short_help_str(limit=96)
        grouped = {name for names in GROUPS.values() for name in names}
        groups = {**GROUPS, "Other": tuple(name for name in rows if name not in grouped)}
        for title, names in groups.items():
            chosen = [(name, rows[name]) for name in names if name in rows]
            if chosen:
                with formatter.section(title):
                    formatter.write_dl(chosen)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write examples, each on its line."""
        with formatter.section("Examples"):
            for line in EXAMPLES.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        formatter.write("\n`placezoo COMMAND --help` says what a command takes.\n")
