"""Answers in the formats of other tools, read back by those tools."""

import csv
import itertools
import json
from datetime import datetime

import numpy as np
import pytest

import placezoo
from placezoo.datasets import read_task_graph
from placezoo.envs.registration import PROBLEMS
from tests.instances import small_problem


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_every_answer_is_a_table(env_id, tmp_path):
    problem = small_problem(env_id)
    solution = placezoo.make_agent("random").solve(problem, placezoo.Budget(evaluations=3))
    assignment = solution.assignment
    problem.export(assignment, tmp_path / "answer.csv")
    rows = rows_of(tmp_path / "answer.csv")
    table = problem.table(assignment)
    assert list(rows[0]) == list(table)
    for name, column in table.items():
        assert [row[name] for row in rows] == [str(value) for value in column]
    if env_id == "DevicePlace-v0":  # a row an operator
        assert [int(row["device"]) for row in rows] == problem.cost_model.expand(assignment).tolist()
        assert max(float(row["end"]) for row in rows) == pytest.approx(problem.evaluate(assignment).terms["step_time"])
    else:
        assert [int(row["resource"]) for row in rows] == assignment.tolist()
    frame = solution.to_pandas(problem)
    assert list(frame.columns) == list(table)
    assert len(frame) == len(rows)
    with pytest.raises(ValueError, match=rf"{env_id} is exported as \.csv"):
        problem.export(assignment, tmp_path / "answer.xyz")
    assert not (tmp_path / "answer.xyz").exists()


def test_a_chips_table_says_where_macros_are():
    problem = placezoo.make_problem("ChipPlace-v0")
    assignment = problem.initial_assignment(np.random.default_rng(0))
    table, placement = problem.table(assignment), problem.placement(assignment)
    nodes = {name: node for node, name in enumerate(problem.instance.names)}
    for name, x, y in zip(table["name"], table["x"], table["y"], strict=True):
        assert (x, y) == tuple(placement.centers[nodes[name]])


@pytest.fixture
def placed():
    problem = placezoo.make_problem("EdgePlace-v0", "giph/test/3")
    return problem, placezoo.make_agent("heft").solve(problem, placezoo.Budget(evaluations=1)).assignment


def test_saga_reads_a_schedule(placed, tmp_path):
    saga = pytest.importorskip("saga")
    problem, assignment = placed
    problem.export(assignment, tmp_path / "s.json")
    schedule = saga.Schedule.model_validate_json((tmp_path / "s.json").read_text())
    assert schedule.makespan == pytest.approx(problem.evaluate(assignment).terms["makespan"], rel=1e-12)
    compute = dict(zip(problem.item_names, problem.instance.task_graph.compute.tolist(), strict=True))
    assert {task.name: task.cost for task in schedule.task_graph.tasks} == pytest.approx(compute)
    assert sum(len(tasks) for tasks in schedule.mapping.values()) == problem.num_items
    for device, tasks in schedule.mapping.items():
        assert {int(assignment[problem.item_names.index(task.name)]) for task in tasks} <= {int(device)}
        for before, after in itertools.pairwise(tasks):
            assert before.end <= after.start + 1e-9


def test_a_workflow_as_it_ran_is_a_workflow_again(placed, tmp_path):
    problem, assignment = placed
    path = tmp_path / "w.wfformat.json"
    problem.export(assignment, path)
    graph, own = read_task_graph(path), problem.instance.task_graph
    sizes = dict(zip(map(tuple, own.links.tolist()), np.ceil(own.bytes).tolist(), strict=True))
    assert dict(zip(map(tuple, graph.links.tolist()), graph.bytes.tolist(), strict=True)) == sizes
    schedule = problem.cost_model.schedule(assignment)
    np.testing.assert_allclose(graph.compute, schedule.end - schedule.start)
    content = json.loads(path.read_text())
    execution = content["workflow"]["execution"]
    assert content["schemaVersion"] == "1.5"
    assert execution["makespanInSeconds"] == pytest.approx(problem.evaluate(assignment).terms["makespan"])
    begins = [datetime.fromisoformat(task["executedAt"]).timestamp() for task in execution["tasks"]]
    np.testing.assert_allclose(begins, schedule.start, atol=1e-5)


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_instances_in_memory_are_saved_and_loaded(env_id, tmp_path):
    problem = small_problem(env_id)
    if problem.instance_format is None:
        with pytest.raises(ValueError, match="has no format to write instances in"):
            problem.write_instance(tmp_path / "instance")
        return
    path = tmp_path / f"instance{problem.instance_format[0]}"
    problem.write_instance(path)
    assert placezoo.datasets.load(path).digest == problem.instance.digest
    with pytest.raises(ValueError, match="is written as"):
        problem.write_instance(tmp_path / "instance.txt")
