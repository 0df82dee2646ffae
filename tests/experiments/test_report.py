"""The report in a real browser: everything is there, sorts, filters and opens, and nothing complains."""

import json
import re
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest

from placezoo.experiments.leaderboard import Leaderboard, load_suite
from placezoo.experiments.leaderboard.comparison import compare_agents, read_board
from placezoo.experiments.leaderboard.runs import row_of

SUITE = """
version = 1
description = "two environments <b>& more</b>"
evaluations = 40
seeds = [0, 1]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate", "florentine"]
metrics = ["imbalance"]
[[problems]]
env = "EdgePlace-v0"
instances = ["giph/test/1"]
seconds = [0.1, 0.2]
evaluations = [40]
reference = "lower-bound"
[[agents]]
name = "random"
[[agents]]
name = "greedy"
[[agents]]
name = "simulated-annealing"
label = "annealing </script><script>alert(1)</script>"
twin = "random"
[[agents]]
name = "heft"
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "two.toml").write_text(SUITE)
    board = Leaderboard(load_suite(str(folder / "two.toml")), folder / "out")
    rows = list(board.run())
    failed = next(run for run in board.runs() if run.agent.label == "heft")
    rows = [row for row in rows if row.agent != "heft" or row.seed != failed.seed]
    rows.append(row_of(failed, None, error="RuntimeError: <i>broken</i>"))
    board.write(rows)
    return folder / "out" / "report.html"


def test_the_file_needs_nothing_else(report):
    text = report.read_text()
    for address in re.findall(r"(?:src|href)=['\"]([^'\"]+)", text):
        assert address.startswith(("data:", "#")), address
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script>alert" not in text
    assert "annealing &lt;/script&gt;" in text
    assert "does not lead: " in text
    assert re.search(
        r"1 runs failed and count as random assignments\. heft on giph/test/1, .*: RuntimeError: &lt;i&gt;", text
    )
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', text, re.DOTALL).group(1))
    assert set(charts) == {
        "GraphPartition-v0/evaluations/profile", "EdgePlace-v0/evaluations/profile",
        "GraphPartition-v0/evaluations/front", "EdgePlace-v0/evaluations/front", "EdgePlace-v0/seconds/profile",
        "EdgePlace-v0/seconds/front", "GraphPartition-v0-karate", "GraphPartition-v0-florentine",
        "EdgePlace-v0-giph-test-1--40-evaluations", "EdgePlace-v0-giph-test-1--0-2-s",
    }  # fmt: skip
    front = charts["EdgePlace-v0/seconds/front"]
    assert [len(curve["x"]) for curve in front["curves"] if curve["name"] == "random"] == [2]  # one for each budget
    annealing = next(c for c in charts["GraphPartition-v0-karate"]["axes"]["evaluations"] if "annealing" in c["name"])
    assert annealing["y"] == sorted(annealing["y"], reverse=True)
    assert len(annealing["low"]) == len(annealing["x"])
    assert all(
        low <= mean <= high for low, mean, high in zip(*(annealing[k] for k in ("low", "y", "high")), strict=True)
    )


def test_names_stay_names(tmp_path):
    """Whatever an agent is called, in every place where the page has its name it is text and nothing else."""
    label = "x' onmouseover='alert(1)' \" <img src=x onerror=alert(2)> </script> {{ 1 }} &amp;"
    (tmp_path / "one.toml").write_text(
        SUITE.replace('"annealing </script><script>alert(1)</script>"', json.dumps(label))
    )
    board = Leaderboard(load_suite(str(tmp_path / "one.toml")), tmp_path / "out")
    rows = list(board.run())
    next(row.solution for row in rows if row.agent == label).save(tmp_path / "mine.json")
    claim = json.loads((tmp_path / "mine.json").read_text())
    claim["agent"]["name"] = label
    (tmp_path / "mine.json").write_text(json.dumps(claim))
    board.write([*rows, board.submission(tmp_path / "mine.json")])

    started = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: started.append((tag, dict(attributes)))
    parser.feed((tmp_path / "out" / "report.html").read_text())
    assert [tag for tag, _ in started].count("script") == 3
    assert {tag for tag, _ in started} <= {
        "html", "head", "meta", "link", "title", "style", "body", "header", "h1", "h2", "h3", "h4", "button", "p", "ul",
        "li", "nav", "a", "label", "select", "option", "input", "code", "section", "div", "table", "thead", "tbody",
        "tr", "th", "td", "span", "small", "figure", "figcaption", "details", "summary", "img", "script",
    }  # fmt: skip
    assert not [name for _, attributes in started for name in attributes if name.startswith("on")]
    agents = {attributes["data-agent"] for _, attributes in started if "data-agent" in attributes}
    assert {label, f"{label} (submitted)"} <= agents
    assert all(attributes["src"].startswith("data:image/") for tag, attributes in started if tag == "img")


@contextmanager
def opened(report, **options):
    """Open the report in headless Chromium; fails if anything is said on the console or asked of the network."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    said, asked = [], []
    with playwright.sync_playwright() as starter:
        browser = starter.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(**options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        yield page
        browser.close()
    assert said == []
    assert {address.split("#")[0] for address in asked if not address.startswith("data:")} == {report.as_uri()}


def test_sort_filter_and_drill_down(report):
    with opened(report, viewport={"width": 1200, "height": 900}) as page:
        standings = page.locator("section[data-env=GraphPartition-v0] table.sortable").first
        names, gaps = standings.locator("tbody td:first-child"), standings.locator("tbody td:nth-child(3)")
        place = standings.get_by_role("button", name="place")
        place.click()
        upwards = names.all_inner_texts()
        assert set(upwards) == {"random", "greedy", "annealing </script><script>alert(1)</script>"}
        place.click()
        assert names.all_inner_texts() == upwards[::-1]
        standings.get_by_role("button", name="IQM gap (95 %)").click()
        shown = [float(cell.get_attribute("data-sort")) for cell in gaps.all()]
        assert shown == sorted(shown)
        assert standings.locator("th[aria-sort=ascending]").count() == 1

        page.get_by_label("agents").fill("GREE")
        assert [text for text in names.all_inner_texts() if text] == upwards  # still there, but
        assert (
            page.locator("tr[data-agent]:visible").count() == page.locator("tr[data-agent=greedy]:visible").count() > 0
        )
        page.get_by_label("agents").fill("")
        page.get_by_label("cases").fill("karate")
        assert page.locator("details.case:visible").count() == 1
        page.get_by_label("cases").fill("")
        page.get_by_label("environment").select_option("EdgePlace-v0")
        assert page.locator("section.env:visible").count() == 1
        page.get_by_label("environment").select_option("")

        case = page.locator("details#GraphPartition-v0-karate")
        assert case.locator("svg").count() == 0
        page.locator("a[href='#GraphPartition-v0-karate']").click()
        case.locator("path.line").first.wait_for(state="attached")
        assert case.get_attribute("open") is not None
        assert case.locator("path.line").count() == 3
        case.get_by_role("button", name="by evaluations").click()
        assert case.locator(".switch button[aria-pressed=true]").inner_text() == "by evaluations"
        case.locator(".legend button").first.click()
        assert case.locator("path.line").count() == 2
        picture = case.locator("img.picture")
        assert picture.evaluate("image => image.naturalWidth") > 100
        assert "imbalance" in case.locator("thead").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_by_day_and_by_night(report, scheme):
    with opened(report, viewport={"width": 390, "height": 800}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390  # tables scroll by themselves

        def brightness():
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

        before = brightness()
        assert (before > 200) == (scheme == "light")
        page.locator("#theme").click()
        assert (brightness() > 200) != (before > 200)


def test_two_agents_are_compared_as_the_command_does(report):
    board = read_board(report.parent)
    with opened(report) as page:
        page.locator("#one").select_option("greedy")
        page.locator("#other").select_option("random")
        shown = [row.split("\t") for row in page.locator("#compared tbody tr").all_inner_texts()]
    found = compare_agents(board, "greedy", "random")
    assert len(shown) == len(found) == 4
    for cells, one in zip(shown, found, strict=True):
        assert cells[:2] == [one.env, one.budget]
        assert cells[2] == f"{100 * one.difference.value:.1f} %"
        low, high = (float(part.rstrip(" %")) for part in cells[3].split(" to "))
        spread = 100 * (one.difference.high - one.difference.low)
        assert low == pytest.approx(100 * one.difference.low, abs=0.1 * spread + 0.1)  # drawn by another generator
        assert high == pytest.approx(100 * one.difference.high, abs=0.1 * spread + 0.1)
        assert cells[4:] == [one.verdict, str(one.wins), str(one.losses), str(one.cases)]


def test_links_open_their_case(report):
    with opened(report) as page:
        page.goto(report.as_uri() + "#EdgePlace-v0-giph-test-1")
        page.reload()
        page.locator("details#EdgePlace-v0-giph-test-1 path.line").first.wait_for(state="attached")
