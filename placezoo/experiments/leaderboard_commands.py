"""The commands of leaderboards: run one, hand in solutions, the best known ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from placezoo.agents.solution import ClaimError, Solution
from placezoo.experiments.own_code import look_here
from placezoo.experiments.progress import console, name_table, progress_bar, training_bar
from placezoo.experiments.settings import parse_settings

best_known_app = typer.Typer(
    no_args_is_help=True, help="The table of best known solutions: list, update, verify.", rich_markup_mode=None
)
Table = Annotated[Path | None, typer.Option("--table", help="The table's folder; default the one of the package.")]


def run_leaderboard(
    suite: Annotated[
        str, typer.Argument(help="A suite (quick, standard, full), its part (quick/chip), or a TOML file.")
    ] = "quick",
    out: Annotated[Path, typer.Option(help="The folder for results; a second call continues there.")] = Path(
        "leaderboard"
    ),
    jobs: Annotated[int | None, typer.Option(help="Runs side by side, one thread each; default one per core.")] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="One more agent: NAME or module:Class, with ,field=value as wanted; repeatable."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Only so many of the suite's seeds.")] = None,
    seconds: Annotated[str, typer.Option(help="Only these of its budgets of seconds, as in 0.1,1.")] = "",
    evaluations: Annotated[str, typer.Option(help="Only these of its budgets of evaluations, as in 50,200.")] = "",
    clock: Annotated[
        str, typer.Option(help="What seconds are of: wall time; or cpu, where other work shares the machine.")
    ] = "wall",
    finished: Annotated[
        bool, typer.Option("--finished", help="Do no runs: report on those that earlier calls have done.")
    ] = False,
    only: Annotated[bool, typer.Option("--only", help="Run only the agents given by --agent.")] = False,
    submission: Annotated[
        list[Path] | None, typer.Option(help="Show this solution file beside the runs, once verified; repeatable.")
    ] = None,
) -> None:
    """Run agents x instances x seeds under equal budgets; writes results.json, results.csv and report.html."""
    from placezoo.agents.search.clock import CLOCK
    from placezoo.agents.search.clock import clock as checked_clock
    from placezoo.experiments.leaderboard import Leaderboard, load_suite

    os.environ[CLOCK] = clock
    checked_clock()
    given = tuple(_agent(text) for text in agent or [])
    if only and not given:
        raise ValueError("--only needs at least one --agent")
    processes = len(os.sched_getaffinity(0)) if jobs is None and hasattr(os, "sched_getaffinity") else jobs
    if processes is not None and processes < 0:
        raise ValueError(f"--jobs must be at least 0, not {processes}")
    processes = processes if processes is not None else os.cpu_count() or 1
    chosen = load_suite(suite).with_agents(given, alone=only)
    chosen = chosen.cut(seeds, _numbers("--seconds", seconds), _numbers("--evaluations", evaluations))
    if any(":" in agent.name for agent in chosen.agents):  # the suite's own agents too
        look_here()
    board = Leaderboard(chosen, out)
    for name in board.missing:
        console.print(f"left out: {name} is not on this machine and cannot be fetched (set PLACEZOO_DATA)")
    for line in board.missing_agents:
        console.print(f"left out: {line}")
    handed_in = [board.submission(path) for path in submission or []]
    if board.needs_training and not finished:
        with training_bar() as show:
            board.train(show)
    rows = []
    total = len(board.runs())
    with progress_bar("runs", total) as (bar, task):
        for row in board.run(processes, finished_only=finished):
            rows.append(row)
            bar.update(task, advance=1, description=f"{row.agent} on {row.case}")
    contents = board.write([*rows, *handed_in], max(processes, 1))
    _report(rows, len(rows) if finished else total, contents)
    for row in handed_in:
        console.print(f"{row.file}: confirmed, {row.total:g}, {_standing(row.total, row.best_known)}")
    console.print(f"report: {out / 'report.html'}")


def _numbers(option: str, text: str) -> list[Any]:
    try:
        return [float(part) if "." in part else int(part) for part in text.split(",") if part]
    except ValueError:
        raise ValueError(f"{option} must be numbers with commas between them, not {text!r}") from None


def _agent(text: str) -> Any:
    """Return an agent written as ``NAME`` or ``module:Class``, with ``,field=value`` as wanted."""
    from placezoo.experiments.leaderboard.suite import SuiteAgent

    name, *settings = text.split(",")
    return SuiteAgent(name, parse_settings(settings), label=text)


def _report(rows: list[Any], total: int, contents: Any) -> None:
    from placezoo.experiments.leaderboard.tables import interval_text, percent

    new, failed = sum(row.is_new for row in rows), [row for row in rows if row.error]
    console.print(f"{new} runs done, {total - new} taken from an earlier call; all {total - len(failed)} verified")
    for row in failed:
        console.print(f"failed: {row.agent} on {row.case}, seed {row.seed}: {row.error}")
    for env, standings in contents.standings.items():
        for limits, mine in _by_limits(standings).items():
            table = name_table(f"{env}, by {limits}", "IQM gap", "95 %", "integral", "mean rank", "feasible")
            for standing in mine:
                table.add_row(
                    standing.agent, percent(standing.gap.value), interval_text(standing.gap),
                    percent(standing.integral), f"{standing.rank:.1f}", f"{standing.feasible}/{standing.runs}",
                )  # fmt: skip
            console.print(table)
    for limits, mine in _by_limits(contents.overall).items():
        table = name_table(f"everywhere, by {limits}", "IQM score", "95 %", "mean rank")
        for standing in mine:
            table.add_row(
                standing.agent, percent(standing.score.value), interval_text(standing.score), f"{standing.rank:.1f}"
            )
        console.print(table)
    for claim in [claim for claim in contents.claims if claim.twin]:
        console.print(f"{claim.env}, {claim.budget}: {claim.agent} {claim.verdict}")
    if contents.better:
        console.print(f"{contents.better} problems have a better solution than is known: `placezoo best-known update`")


def _by_limits(standings: list[Any]) -> dict[str, list[Any]]:
    """Return standings grouped by what budgets limit: seconds and evaluations rank apart."""
    groups: dict[str, list[Any]] = {}
    for standing in standings:
        groups.setdefault(standing.limits, []).append(standing)
    return groups


def _standing(total: float, best: float) -> str:
    if best != best:
        return "the first known"
    if total < best:
        return f"better than the best known ({best:g}): `placezoo best-known update` takes it"
    return f"{100 * (total / best - 1) if best else total:.2f} % above the best known ({best:g})"


def compare(
    boards: Annotated[
        list[Path], typer.Argument(metavar="BOARD ...", help="A board's folder or results.json; or two of them.")
    ],
    agent: Annotated[str | None, typer.Option(help="The agent's label; with two boards default all of both.")] = None,
    against: Annotated[str | None, typer.Option(help="The agent that it is compared with, on one board.")] = None,
) -> None:
    """Compare two agents of a board, or two boards, by paired runs: the same cases and seeds.

    Below 0 the first costs less. It is better or worse where the whole 95 % interval says so.
    """
    from placezoo.experiments.leaderboard.comparison import compare_agents, compare_boards, read_board
    from placezoo.experiments.leaderboard.tables import percent

    if len(boards) > 2 or (len(boards) == 1) != (against is not None) or (against is not None and agent is None):
        raise ValueError("give one board with --agent and --against, or two boards")
    runs = [read_board(board) for board in boards]
    if against is not None:
        found = compare_agents(runs[0], str(agent), against)
    else:
        chosen = [[run for run in board if agent in (None, run.agent)] for board in runs]
        found = compare_boards(chosen[0], chosen[1], (str(boards[0]), str(boards[1])))
    table = name_table(
        "environment", "budget", "agent", "against", "difference", "95 %", "", "better", "worse", "pairs", "cases"
    )
    for one in found:
        low, high = percent(one.difference.low), percent(one.difference.high)
        table.add_row(
            one.env, one.budget, one.one, one.other, percent(one.difference.value), f"{low} to {high}", one.verdict,
            str(one.wins), str(one.losses), str(one.pairs), str(one.cases),
        )  # fmt: skip
    console.print(table)


@best_known_app.command("list")
def list_best_known(table: Table = None) -> None:
    """List the best known solutions and where they come from."""
    from placezoo.experiments.leaderboard.best_known import TABLE, BestKnown

    lines = name_table("environment", "instance", "parameters", "cost", "proved bound", "agent", "date", "machine")
    for record in BestKnown(table or TABLE):
        settings = ", ".join(f"{name}={value}" for name, value in record.parameters.items())
        bound = "" if record.bound is None else f"{record.bound:.9g}"
        lines.add_row(
            record.env, record.instance, settings, f"{record.total:.9g}", bound, record.agent, record.date,
            record.machine,
        )  # fmt: skip
    console.print(lines)


@best_known_app.command("update")
def update_best_known(
    solutions: Annotated[list[Path], typer.Argument(metavar="SOLUTION.json ...")], table: Table = None
) -> None:
    """Score solutions again from their instances, and keep those that are better than what is known.

    A folder stands for the best solution of each problem in it, or among the runs of the leaderboard that it is.
    """
    from placezoo.experiments.leaderboard.best_known import TABLE, BestKnown

    known = BestKnown(table or TABLE)
    better = 0
    claims = [claim for path in solutions for claim in _claims(path)]
    for path, solution in claims:
        try:
            is_better = known.update(solution)
        except ClaimError as error:
            raise ClaimError(f"{path}: {error}") from None
        better += is_better
        if is_better:
            console.print(f"{path}: {solution.cost.total:g} for {solution.instance} is the best known now")
    console.print(f"{better} of {len(claims)} are better than what was known; {known.folder} has {len(known)} entries")


def _claims(path: Path) -> list[tuple[Path, Solution]]:
    """Return the solutions that a path stands for; of a folder those that claim the least for their problems."""
    if not path.is_dir():
        return [(path, Solution.load(path))]
    runs = path / "runs" if (path / "runs").is_dir() else path
    least: dict[tuple[str, str, str], tuple[Path, Solution]] = {}
    for file in sorted(runs.glob("*.json")):
        solution = Solution.load(file)
        key = solution.env_id, solution.digest, json.dumps(solution.parameters, sort_keys=True)
        if solution.cost.feasible and (key not in least or solution.cost.total < least[key][1].cost.total):
            least[key] = file, solution
    return list(least.values())


@best_known_app.command("verify")
def verify_best_known(table: Table = None) -> None:
    """Score each best known solution again whose instance is here; fails if one is not what the table says."""
    from placezoo.experiments.leaderboard.best_known import TABLE, BestKnown

    known = BestKnown(table or TABLE)
    confirmed = 0
    for record in known:
        try:
            known.verify(record)
        except (OSError, ImportError) as error:
            console.print(f"{record.instance}: not checked: {error}")
        else:
            confirmed += 1
    console.print(f"{confirmed} of {len(known)} confirmed")
