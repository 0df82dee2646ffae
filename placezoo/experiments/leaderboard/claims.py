"""Which learned agents lead: only what beats every classical agent and its own twin, with enough cases and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from placezoo.experiments.leaderboard.comparison import BoardRun, Comparison, compare_agents
from placezoo.experiments.leaderboard.tables import percent

CASES, SEEDS = 20, 5  # of fewer nothing is said


@dataclass(frozen=True)
class Claim:
    """What a board shows of a learned or hybrid agent in one environment under one budget.

    Attributes:
        env: the environment's id.
        budget: in words.
        agent: its label.
        twin: the label of its twin, empty if the suite names none.
        against_twin: how it compares with that, None if it did not run on the same cases.
        against_classical: how it compares with each classical agent that ran on half of the cases at least, and whose
            evaluations compare; the strongest first.
        missing: why it does not lead, a clause each; empty if it does.
    """

    env: str
    budget: str
    agent: str
    twin: str
    against_twin: Comparison | None
    against_classical: tuple[Comparison, ...]
    missing: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether the board shows that it is better than everything classical and than its twin."""
        return not self.missing

    @property
    def strongest(self) -> Comparison | None:
        """How it compares with the classical agent that comes off best."""
        return self.against_classical[0] if self.against_classical else None

    @property
    def verdict(self) -> str:
        """``leads``, or why it does not."""
        return "leads" if self.leads else "does not lead: " + "; ".join(self.missing)


def claims(runs: Sequence[BoardRun]) -> list[Claim]:
    """Return what a board shows of each of its learned and hybrid agents, by environment and budget."""
    runs = [run for run in runs if not run.is_submission]
    groups: dict[tuple[str, str], list[BoardRun]] = {}
    for run in sorted(runs, key=lambda run: run.order):
        groups.setdefault((run.env, run.budget), []).append(run)
    environments = list(dict.fromkeys(run.env for run in runs))
    ordered = sorted(groups.items(), key=lambda entry: environments.index(entry[0][0]))
    return [claim for group, mine in ordered for claim in _claims_of(*group, mine)]


def _claims_of(env: str, budget: str, runs: list[BoardRun]) -> Iterable[Claim]:
    by_seconds = all(run.budget_evaluations is None for run in runs)
    twins = {run.agent: run.twin for run in runs if run.is_learned}
    untrained = set(twins.values())
    compare = {run.agent for run in runs if by_seconds or run.counts_evaluations}
    labels = list(dict.fromkeys(run.agent for run in runs))
    cases = {run.case for run in runs}
    ran = {agent: {run.case for run in runs if run.agent == agent} for agent in labels}
    # A learned agent's twin is no rival of others, and one that is for few of the cases shows nothing.
    classical = [
        agent
        for agent in labels
        if agent not in twins and agent not in untrained and agent in compare and 2 * len(ran[agent]) >= len(cases)
    ]
    for agent, twin in twins.items():
        if agent not in untrained and agent in compare:
            yield _claim(env, budget, agent, twin, classical, runs)


def _claim(env: str, budget: str, agent: str, twin: str, classical: list[str], runs: list[BoardRun]) -> Claim:
    against_twin = _compared(runs, agent, twin)
    others = [found for other in classical if (found := _compared(runs, agent, other)) is not None]
    others.sort(key=lambda one: -one.difference.value)
    missing = []
    if not twin:
        missing.append("no twin is named")
    elif against_twin is None:
        missing.append(f"its twin {twin} did not run on its cases")
    elif against_twin.verdict != "better":
        missing.append(_short_of(against_twin, "its twin "))
    missing += [_short_of(one) for one in others if one.verdict != "better"][:1]
    if not others:
        missing.append("no classical agent ran on its cases")
    every = {run.case for run in runs}
    cases, seeds = len({run.case for run in runs if run.agent == agent}), min(
        (one.seeds for one in (*others, *([against_twin] if against_twin else []))), default=0
    )  # fmt: skip
    if cases < len(every):
        missing.append(f"it ran on {cases} of {len(every)} cases")
    if cases < CASES:
        missing.append(f"{cases} cases, {CASES} are needed")
    if seeds < SEEDS:
        missing.append(f"{seeds} {'seed' if seeds == 1 else 'seeds'}, {SEEDS} are needed")
    return Claim(env, budget, agent, twin, against_twin, tuple(others), tuple(missing))


def _compared(runs: list[BoardRun], one: str, other: str) -> Comparison | None:
    try:
        return compare_agents(runs, one, other)[0]
    except ValueError:  # they have no case and seed in common, or there is no such agent
        return None


def _short_of(found: Comparison, who: str = "") -> str:
    value, low, high = found.difference
    if found.verdict == "worse":
        return f"{who}{found.other} is better by {percent(value)}"
    if found.verdict == "open" and low == low:
        return f"the interval against {who}{found.other} includes 0 ({percent(low)[:-2]} to {percent(high)})"
    return f"there is no interval against {who}{found.other}"
