"""Kill -9 during writes: trainings, searches and leaderboards that write all the time are killed at random, and go on.

``python -m tests.kills 200 [boards|trainings|tunings ...]`` prints what was left behind and how the end compares with
runs that nobody killed. The program is loaded once and forked for each trial, so that kills hit the work and its
writes, not the start-up.
"""

import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.solution import Solution
from placezoo.experiments.evaluate import verify
from placezoo.experiments.leaderboard import Leaderboard, load_suite
from placezoo.experiments.train import TrainingRun, read_curve, resume, train
from placezoo.experiments.tune import RESULTS, TuneRun, tune_agent

RUN = TrainingRun(
    "GraphPartition-v0", instance="karate", parameters={"num_parts": 2}, timesteps=640, validations=10,
    hyperparameters={"num_envs": 4, "num_steps": 4, "batch_size": 16, "width": 8, "layers": 1}, checkpoint_minutes=0.0,
)  # fmt: skip
TUNE = TuneRun(
    replace(
        RUN, timesteps=None, seconds=1.0, validations=4,
        hyperparameters={**RUN.hyperparameters, "encoder": "graph-sage", "num_epochs": 2},
    ),
    samples=2,
)  # fmt: skip
SUITE = """
version = 1
description = "runs that take less time than their files"
evaluations = 20
seeds = [0, 1, 2, 3, 4, 5, 6, 7]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate", "florentine"]
parameters = { num_parts = 2 }
[[agents]]
name = "random"
[[agents]]
name = "greedy"
[[agents]]
name = "fm"
"""


def forked(work, seconds=None):
    """Run a function in a forked process, killed after some seconds; return whether it ended before.

    Raises:
        RuntimeError: it ended by itself, and not well.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    ended, status = 0, 0
    if seconds is not None:
        time.sleep(seconds)
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
    if not ended:
        status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise RuntimeError("what nobody killed has failed")
    return os.WIFEXITED(status)


def go_on(folder):
    """Go on with the training in a folder, or begin it."""
    if (folder / "state.safetensors").exists():
        resume(folder)
    else:
        train(RUN, folder)


def readable(folder):
    """Return what is wrong with the files of a killed training; empty if every file is whole."""
    try:
        if (folder / "curve.csv").exists():
            steps = [point.timesteps for point in read_curve(folder / "curve.csv")]
            if steps != sorted(steps):
                return "curve out of order"
        if (folder / "policy.json").exists():
            Checkpoint.load(folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def trainings(kills, rng, root):
    """Kill trainings, each up to five times before it may end; print what came of them."""
    train(RUN, root / "loaded")  # once here: what is compiled and loaded is there in all forks
    begun = time.perf_counter()
    assert forked(lambda: train(RUN, root / "whole"))
    whole = time.perf_counter() - begun
    scores = []
    for seed in range(10):
        assert forked(lambda seed=seed: train(replace(RUN, seed=seed), root / f"whole-{seed}"))
        scores.append(best(root / f"whole-{seed}"))
    found, resumed, killed, number = Counter(), [], 0, 0
    while killed < kills:
        folder = root / f"killed-{number}"
        number += 1
        for _ in range(5):
            if forked(partial(go_on, folder), rng.uniform(0, whole)):
                break
            killed += 1
            found[readable(folder) or "whole"] += 1
            found["left a temporary file"] += any(folder.glob(".*.tmp")) if folder.exists() else 0
        else:
            forked(partial(go_on, folder))
        curve = read_curve(folder / "curve.csv")
        found["ended at other timesteps"] += curve[-1].timesteps != RUN.timesteps
        found["state left over"] += (folder / "state.safetensors").exists()
        found["policy is not the curve's best"] += not np.isclose(
            best(folder), min(point.validation_cost for point in curve if np.isfinite(point.validation_cost)), atol=1e-4
        )
        resumed.append(best(folder))
        shutil.rmtree(folder)
        print(f"  {killed} kills so far: {dict(found)}", flush=True)
    print(f"training: {killed} kills of {number} trainings ({whole:.2f} s each): {dict(found)}")
    for what, values in (("uninterrupted", scores), ("resumed", resumed)):
        print(f"  cost over greedy, {what}: mean {np.mean(values):.4f}, {min(values):.4f} to {max(values):.4f}")


def best(folder):
    """Return the validation cost of the policy in a folder."""
    return json.loads((folder / "policy.json").read_text())["training"]["validation_cost_over_greedy"]


def tunings(kills, rng, root):
    """Kill searches for hyperparameters, each up to four times before it may end; print what came of them."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray.tune  # noqa: F401 - before the forks, so that kills do not hit its loading

    begun = time.perf_counter()
    assert forked(lambda: tune_agent(TUNE, root / "tuned"))
    whole = time.perf_counter() - begun
    expected, found, killed, number = configurations(root / "tuned"), Counter(), 0, 0
    while killed < kills:
        folder = root / f"tuning-{number}"
        number += 1
        for _ in range(4):
            if forked(lambda folder=folder: tune_agent(TUNE, folder), rng.uniform(0.25, 1.0) * whole):
                break
            killed += 1
            try:
                configurations(folder)
                if (folder / "best").exists():
                    Checkpoint.load(folder / "best")
                found["whole"] += 1
            except Exception as error:
                found[f"{type(error).__name__}: {error}"] += 1
            found["left a temporary file"] += any(folder.rglob(".*.tmp")) if folder.exists() else 0
        else:
            forked(lambda folder=folder: tune_agent(TUNE, folder))
        mine = configurations(folder)
        found["other configurations"] += [row[1:] for row in sorted(mine)] != [row[1:] for row in sorted(expected)]
        found["best is not the table's"] += not np.isclose(best(folder / "best"), mine[0][0], atol=1e-4)
        shutil.rmtree(folder)
        print(f"  {killed} kills so far: {dict(found)}", flush=True)
    print(f"tuning: {killed} kills of {number} searches ({whole:.1f} s each): {dict(found)}")


def configurations(folder):
    """Return the validation cost and the hyperparameters of each configuration of a search, the best first."""
    if not (folder / RESULTS).exists():
        return []
    rows = list(csv.reader((folder / RESULTS).read_text().splitlines()))[1:]
    return [(float(cost), *varied) for _, cost, _, *varied in rows]


def answers(rows):
    """Return what a board's results are, without times."""
    return [(row.case, row.agent, row.seed, row.total, row.evaluations, row.error) for row in rows]


def board_of(suite, folder):
    """Run a board to its end and write it; return the rows."""
    board = Leaderboard(suite, folder)
    rows = list(board.run())
    board.write(rows)
    return rows


def boards(kills, rng, root):
    """Kill leaderboards, each up to five times before it may end; print what came of them."""
    (root / "suite.toml").write_text(SUITE)
    suite = load_suite(str(root / "suite.toml"))
    expected = sorted(answers(board_of(suite, root / "board")))
    begun = time.perf_counter()
    assert forked(lambda: board_of(suite, root / "board-again"))
    whole = time.perf_counter() - begun
    found, killed, number = Counter(), 0, 0
    while killed < kills:
        folder = root / f"board-{number}"
        number += 1
        for _ in range(5):
            if forked(partial(board_of, suite, folder), rng.uniform(0, whole)):
                break
            killed += 1
            try:
                for path in folder.glob("runs/*.json"):
                    verify(Solution.load(path))
                if (folder / "results.json").exists():
                    json.loads((folder / "results.json").read_text())
                found["whole"] += 1
            except Exception as error:
                found[f"{type(error).__name__}: {error}"] += 1
            found["left a temporary file"] += any(folder.rglob(".*.tmp")) if folder.exists() else 0
        found["other results"] += sorted(answers(board_of(suite, folder))) != expected
        shutil.rmtree(folder)
    print(f"leaderboard: {killed} kills of {number} boards ({whole:.2f} s each): {dict(found)}")


def main(kills, chosen, seed=0):
    """Kill so many of each kind."""
    for kind in chosen or ("boards", "trainings", "tunings"):
        with tempfile.TemporaryDirectory() as root:
            {"boards": boards, "trainings": trainings, "tunings": tunings}[kind](kills, random.Random(seed), Path(root))
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2:])
