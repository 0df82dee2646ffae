import os
import signal
import time

import networkx as nx
import numpy as np
import pytest

import placezoo
from placezoo import Budget
from placezoo.agents.partition.spectral import bisect_recursively
from placezoo.agents.search import separate_process
from placezoo.agents.search.clock import CLOCK, now
from placezoo.agents.search.repair import repair
from placezoo.agents.search.separate_process import answers_within, call_within, start_server
from placezoo.datasets import Graph
from tests.instances import two_cliques

ENV = "GraphPartition-v0"
SLEEPER = "__import__('time').sleep(600) or 7"


def test_an_answer_in_time_is_the_functions_own():
    assert call_within(60, pow, 2, 10) == 1024
    assert call_within(None, bytes, 10_000_000) == bytes(10_000_000)  # more than a pipe holds


def test_what_takes_longer_is_ended_and_the_next_call_answered():
    assert call_within(0.05, eval, SLEEPER) is None
    assert call_within(0, eval, SLEEPER) is None
    assert call_within(60, pow, 2, 10) == 1024


def test_answers_come_one_after_another_until_time_is_over():
    """The process counts with a break after each number; its alarm lets whole numbers through and none that is torn."""
    assert list(answers_within(None, None, counting, 3, 0.0)) == [0, 1, 2]
    counted = list(answers_within(60, 0.5, counting, 10_000, 0.01))
    assert 1 <= len(counted) < 51
    assert counted == list(range(len(counted)))
    assert list(answers_within(0.05, 60, counting, 3, 600.0)) == []  # the first takes too long
    with pytest.raises(ValueError, match="counting: integer division"):
        list(answers_within(60, 60, counting, 3, 1 / 4, 0))


def test_whoever_wants_no_more_answers_can_ask_again():
    for number in answers_within(None, None, counting, 1000, 0.0):
        if number == 2:
            break
    assert call_within(60, pow, 2, 10) == 1024


def counting(count, seconds, divisor=1):
    for number in range(count):
        time.sleep(seconds)
        yield number // divisor


@pytest.fixture
def processor_clock(monkeypatch):
    """Let the processor's clock run, in a fresh server too."""
    separate_process._server.end()
    monkeypatch.setenv(CLOCK, "cpu")
    yield
    separate_process._server.end()


def test_on_the_processors_clock_waiting_is_free_and_work_elsewhere_is_not(processor_clock):
    assert call_within(0.3, eval, "__import__('time').sleep(0.6) or 7") == 7
    began = now()
    assert call_within(0.2, eval, "[x for x in range(10**12) if x < 0]") is None
    assert now() - began > 0.15  # the other process has spent it


def test_a_clock_that_is_none(monkeypatch):
    monkeypatch.setenv(CLOCK, "sun")
    with pytest.raises(ValueError, match="PLACEZOO_CLOCK must be one of wall, cpu, not 'sun'"):
        now()


@pytest.mark.parametrize("agent", ["metis", "mt-kahypar"])
def test_partitioners_run_until_the_budget_is_spent(agent):
    """Of evaluations to the last one, of seconds until hardly any are left."""
    problem = placezoo.make_problem(ENV, nx.grid_2d_graph(12, 12), num_parts=4)
    one, several = (placezoo.make_agent(agent).solve(problem, Budget(evaluations=n)) for n in (1, 12))
    assert (one.evaluations, several.evaluations) == (1, 12)
    assert several.cost.total <= one.cost.total
    solution = placezoo.make_agent(agent).solve(problem, Budget(seconds=1.0))
    assert solution.seconds >= 0.9
    assert placezoo.make_agent(agent, runs=1).solve(problem, Budget(seconds=600)).seconds < 300


def test_a_server_has_imported_what_it_was_told_to():
    """A call's process inherits it; a module that is missing is passed over."""
    start_server("wave", "no_such_module")
    assert call_within(60, eval, "'wave' in __import__('sys').modules")


def test_failures_are_one_line_and_end_nothing_else():
    with pytest.raises(ValueError, match="pow: unsupported operand"):
        call_within(60, pow, "a", 2)
    with pytest.raises(ValueError, match="abort: its process was ended by signal 6"):
        call_within(60, os.abort)
    assert call_within(60, pow, 2, 10) == 1024


def test_a_server_that_was_ended_from_outside_is_started_again():
    server = call_within(60, os.getppid)
    os.kill(server, signal.SIGKILL)
    with pytest.raises((ValueError, OSError)):
        call_within(60, pow, 2, 10)
    assert call_within(60, pow, 2, 10) == 1024


@pytest.mark.parametrize("agent", ["spectral", "mt-kahypar"])
def test_a_first_answer_that_takes_too_long_is_replaced_by_a_cheaper_one(agent):
    """No path of 30,000 nodes is solved in a hundredth of a second, and no star partitioned by Mt-KaHyPar."""
    graph = nx.path_graph(30_000) if agent == "spectral" else nx.star_graph(5_000)
    problem = placezoo.make_problem(ENV, graph, num_parts=8)
    solution = placezoo.make_agent(agent).solve(problem, Budget(seconds=0.01), seed=0)
    assert solution.evaluations == 1
    assert solution.cost.feasible
    assert solution.cost == problem.evaluate(repair(problem, problem.greedy(np.random.default_rng(0))))


def test_spectral_is_the_same_with_and_without_a_limit_of_seconds():
    problem = placezoo.make_problem(ENV, two_cliques(8), num_parts=2)
    for budget in (Budget(seconds=600), Budget(evaluations=1)):
        solution = placezoo.make_agent("spectral").solve(problem, budget)
        assert solution.cost.total == problem.evaluate(bisect_recursively(problem.instance, 2)).total == 1


@pytest.mark.parametrize(
    ("node_weight", "edge_weight"), [(2**31, 1), (2**29, 1), (1, 2**31), (1, 2**30), (2**40, 2**40), (10**9, 1)]
)
def test_weights_beyond_32_bits_are_refused_in_one_line_by_mt_kahypar_alone(node_weight, edge_weight):
    graph = Graph.from_edges(
        4, [(0, 1), (1, 2), (2, 3)], edge_weights=[edge_weight] * 3, node_weights=[node_weight] * 4
    )
    problem = placezoo.make_problem(ENV, graph)
    with pytest.raises(ValueError, match="mt-kahypar: the library adds weights up in 32 bits") as caught:
        placezoo.make_agent("mt-kahypar").solve(problem, Budget(evaluations=1))
    assert "\n" not in str(caught.value)
    for agent in ("metis", "fm", "multilevel"):
        assert placezoo.make_agent(agent).solve(problem, Budget(evaluations=64)).cost.total == edge_weight


def test_weights_just_within_32_bits_are_partitioned_by_mt_kahypar():
    graph = Graph.from_edges(4, [(0, 1), (1, 2), (2, 3)], edge_weights=[2**30 - 3, 1, 1], node_weights=[2**28] * 4)
    problem = placezoo.make_problem(ENV, graph)
    assert placezoo.make_agent("mt-kahypar").solve(problem, Budget(evaluations=1)).cost.total == 1
