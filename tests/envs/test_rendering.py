"""Pictures: every environment as PNG, SVG and GIF, in colours that can be told apart, with titles that fit."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

import placezoo
from placezoo.envs import rendering
from placezoo.envs.look import give_title, resource_colours, short
from placezoo.envs.registration import PROBLEMS
from placezoo.envs.rendering import figure_to_rgb, film
from tests.instances import small_problem

BUDGET = placezoo.Budget(evaluations=3)


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_every_environment_is_drawn_as_png_svg_and_gif(env_id, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "MOST_FRAMES", 3)
    problem = small_problem(env_id)
    solution = placezoo.make_agent("random").solve(problem, BUDGET, seed=0)
    for name in ("s.png", "s.svg", "s.gif"):
        solution.render(tmp_path / name, problem)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size[1] >= 600
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 20
    text = (tmp_path / "s.svg").read_text()
    assert text.lstrip().startswith("<?xml")
    assert short(problem.instance.name) in text
    solution.render(tmp_path / "again.svg", problem)
    assert (tmp_path / "again.svg").read_text() == text
    with Image.open(tmp_path / "s.gif") as film_:
        assert film_.n_frames == 3
    panels = problem.panels(solution.assignment)
    solution.render(tmp_path / "one.png", problem, panel=len(panels))
    with pytest.raises(ValueError, match=rf"has the panels 1 to {len(panels)}"):
        solution.render(tmp_path / "none.png", problem, panel=len(panels) + 1)


def test_what_is_no_picture_is_one_line(tmp_path):
    solution = placezoo.make_agent("greedy").solve(placezoo.make_problem("GraphPartition-v0", "karate"), BUDGET)
    solution.render(tmp_path / "s.png")  # the problem is found by its instance's name
    with pytest.raises(ValueError, match=r"s.pdf: a picture ends in .png, .svg, .gif"):
        solution.render(tmp_path / "s.pdf")
    assert {path.name for path in tmp_path.iterdir()} == {"s.png"}


def test_a_film_shows_its_first_and_its_last_assignment(monkeypatch):
    monkeypatch.setattr(rendering, "MOST_FRAMES", 4)
    problem = small_problem("GraphPartition-v0")
    stages = [np.full(problem.num_items, number // 25 % 3, np.int64) for number in range(100)]
    with Image.open(io.BytesIO(film(problem, stages))) as moving:
        assert moving.n_frames == 4
        first = np.asarray(moving.convert("RGB")).astype(int)
        moving.seek(3)
        last = np.asarray(moving.convert("RGB")).astype(int)
    for shown, stage in ((first, stages[0]), (last, stages[-1])):
        drawn = figure_to_rgb(lambda axes, stage=stage: problem.draw(stage, axes), size=(5.0, 5.0), dpi=80)
        assert np.abs(shown - drawn).mean() < 2.0  # 64 colours
    assert np.abs(first - last).mean() == 0.0  # both are part 0 alone


def _as_seen(colours, matrix):
    """Return colours as somebody without one kind of cone sees them (Machado et al. 2009, severity 1)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return np.clip(linear @ np.array(matrix).T, 0.0, 1.0)


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ],
    ids=["protanopia", "deuteranopia"],
)
def test_colour_blind_readers_tell_resources_apart(matrix):
    seen = _as_seen(resource_colours(7)[:, :3], matrix)
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 0.1


def test_colours_differ_until_they_repeat():
    assert len(np.unique(resource_colours(21), axis=0)) == 21
    np.testing.assert_array_equal(resource_colours(22)[21], resource_colours(1)[0])


def test_titles_fit_whatever_the_name():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.4), dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    give_title(axes, "W" * 300, "wirelength 0.123, density 0.456, " * 5, feasible=False)
    axes.set_title(axes.get_title(), fontsize=10)
    width = axes.title.get_window_extent(canvas.get_renderer()).width
    assert width <= 640
    assert "infeasible" in axes.get_title()
