"""The command line: ``placezoo`` or ``python -m placezoo``."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from placezoo.agents.budget import Budget
from placezoo.agents.registry import agent_entries, make_agent
from placezoo.agents.solution import ClaimError, Solution
from placezoo.cost_models.chip.published_costs import check_header
from placezoo.datasets.dataset import DATASETS
from placezoo.datasets.instance_warning import InstanceWarning
from placezoo.datasets.public_files import (
    cache_folder,
    data_folders,
    fetch,
    find_file,
    is_here,
    public_files,
    verify_file,
)
from placezoo.datasets.registry import EMBEDDED, load, public_reader
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.look import short
from placezoo.envs.registration import (
    environments_of,
    make_problem,
    problem_class,
    problem_classes,
    problem_parameters,
)
from placezoo.envs.rendering import check_picture
from placezoo.experiments.evaluate import claimed_problem, verify
from placezoo.experiments.help import GroupedCommands
from placezoo.experiments.leaderboard_commands import best_known_app, compare, run_leaderboard
from placezoo.experiments.options import (
    Environment,
    Exports,
    Settings,
    agent_names,
    environment_ids,
    names_of_instances,
)
from placezoo.experiments.own_code import look_here, names_own_code
from placezoo.experiments.picture_commands import render as render_solution
from placezoo.experiments.progress import console, name_table, printable, solving_bar, sparkline
from placezoo.experiments.settings import parse_settings, split_settings
from placezoo.experiments.training_commands import (
    InterruptedTrainingError,
    finetune,
    pretrain_policy,
    score_checkpoint,
    train_agent,
    tune,
)

TRACEBACK_VARIABLE = "PLACEZOO_TRACEBACK"
_INTERRUPTED = 130  # the exit code
_MOST = 4000  # characters of an error, which may hold a stranger's names

# The base of what typer raises for bad arguments; where its module lies depends on typer's version.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="placezoo", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, cls=GroupedCommands,
    help="Environments and agents for problems that map the nodes of a graph onto limited resources.",
)  # fmt: skip
data_app = typer.Typer(no_args_is_help=True, help="Public instances: fetch, find, verify.", rich_markup_mode=None)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; bad input ends in one line on stderr and exit code 2, a failed check in exit code 1."""
    warnings.showwarning = _show_warning
    if names_own_code(sys.argv[1:]):
        look_here()
    try:
        code = app(standalone_mode=False)
    except ClaimError as error:
        sys.exit(_say(str(error), 1))
    except InterruptedTrainingError as stop:
        sys.exit(_say(str(stop), _INTERRUPTED))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(_say("interrupted", _INTERRUPTED))
    except _UsageError as error:
        sys.exit(_say(error.format_message(), 2))
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        sys.exit(_say(_one_line(error), 2))
    if code == _INTERRUPTED:  # so typer answers Ctrl-C
        _say("interrupted", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    """Show a warning: about an instance in one line, without the code that says so."""
    if issubclass(category, InstanceWarning):
        print(f"placezoo: {printable(str(message))}", file=sys.stderr)
    else:
        _python_shows(message, category, filename, lineno, file, line)


_python_shows = warnings.showwarning


def _say(message: str, code: int) -> int:
    message = message if len(message) <= _MOST else f"{message[:_MOST]} [...]"
    print(f"placezoo: {printable(message)}", file=sys.stderr)
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    return " ".join(str(error).split()) or type(error).__name__


@app.callback()
def import_first(
    modules: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="MODULE", help="Import a module that registers environments; repeatable."),
    ] = None,
) -> None:
    """Import what registers environments, datasets and agents of other packages."""
    for name in modules or ():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ImportError(f"--import {name}: {error.msg.lower()}") from None


@app.command("envs")
def list_environments() -> None:
    """List the environments."""
    table = name_table("environment", "default formulation", "parameters", "what it is")
    for env_id, problem in problem_classes().items():
        defaults = ", ".join(f"{name}={value}" for name, value in problem_parameters(env_id).items())
        table.add_row(env_id, problem.default_formulation, defaults, (problem.__doc__ or "").splitlines()[0])
    console.print(table)


@app.command("agents")
def list_agents() -> None:
    """List the agents."""
    table = name_table("agent", "for", "extra", "what it is")
    for name, entry in agent_entries().items():
        table.add_row(name, ", ".join(entry.problems) or "all", entry.extra, entry.description)
    console.print(table)


@app.command("datasets")
def list_datasets() -> None:
    """List the named instances and the datasets."""
    table = name_table("name", "for", "kind", "here", "what it is")
    for name, embedded in EMBEDDED.items():
        table.add_row(name, _takers(embedded.make), "embedded", "yes", embedded.description)
    for name, entry in public_files().items():
        size = f"file, {entry.size / 1e6:.1f} MB" if entry.size else "file"
        takers = _takers(public_reader(entry.format))
        table.add_row(name, takers, size, "yes" if is_here(entry) else "no", entry.description)
    for name, dataset in DATASETS.items():
        sizes = ", ".join(f"{split} {size}" for split, size in dataset.sizes.items())
        here = all(is_here(public_files()[file]) for file in dataset.files)
        kind = "published" if dataset.files else "generated"
        takers = _takers(dataset.generate)
        table.add_row(f"{name}/SPLIT/NUMBER", takers, f"{kind} ({sizes})", "yes" if here else "no", dataset.description)
    console.print(table)


def _takers(make: Any) -> str:
    """Return the environments that take what a function makes."""
    return ", ".join(problem_class(env_id).short_name for env_id in environments_of(make)) or "-"


@app.command("warm-up")
def compile_kernels(
    envs: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENV ...", help="Environments; default all.", autocompletion=environment_ids),
    ] = None,
) -> None:
    """Compile the kernels of environments and agents now, once, so that nothing waits for them later."""
    from placezoo.experiments.warm_up import warm_up

    chosen = list(envs or problem_classes())
    for env_id in chosen:
        problem_class(env_id)
    total = 0.0
    for warmed in warm_up(chosen):
        console.print(f"{warmed.what}: {warmed.seconds:.1f} s, {warmed.compiling:.1f} s of it compiling")
        total += warmed.compiling
    console.print(f"ready; {total:.0f} s went into compiling, and are not needed again")


@app.command()
def doctor() -> None:
    """Say what this installation has and lacks, and the command that adds it; fails if something is broken."""
    from placezoo.experiments.doctor import BROKEN, MISSING, diagnose

    broken = []
    for finding in diagnose():
        mark = {BROKEN: "!!", MISSING: "--"}.get(finding.state, "ok")
        remedy = f"  ({finding.remedy})" if finding.remedy else ""
        console.print(f"{mark}  {finding.what}: {finding.detail}{remedy}", soft_wrap=True)
        broken += [finding.what] if finding.state == BROKEN else []
    if broken:
        raise ClaimError(f"broken: {', '.join(broken)}")


@app.command()
def solve(
    env: Environment,
    instance: Annotated[
        str,
        typer.Option(
            help="A name (see `placezoo datasets`) or a path: METIS .graph, .pb.txt,.plc, .aux, .def,.lef.",
            autocompletion=names_of_instances,
        ),
    ],
    agent: Annotated[
        str,
        typer.Option(
            help="The agent's name (see `placezoo agents`), or module:Class of your own.", autocompletion=agent_names
        ),
    ],
    settings: Settings = None,
    checkpoint: Annotated[str | None, typer.Option(help="The training folder of a learned agent.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Wall time; 10 if no budget is given.")] = None,
    evaluations: Annotated[int | None, typer.Option(help="Evaluations.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the solution here, as JSON.")] = None,
    export: Exports = None,
    save_instance: Annotated[
        Path | None, typer.Option(help="Write the instance here, for `evaluate --instance` on another machine.")
    ] = None,
    render: Annotated[
        Path | None, typer.Option(help="Draw the solution here: .png, .svg, or a .gif of its construction.")
    ] = None,
) -> None:
    """Solve one instance with one agent."""
    if render is not None:
        check_picture(render)
    chosen = parse_settings(settings)
    if checkpoint is not None:
        chosen["checkpoint"] = checkpoint
    parameters, hyperparameters = split_settings(env, agent, chosen)
    solver = make_agent(agent, **hyperparameters)
    budget = Budget(10.0 if seconds is None and evaluations is None else seconds, evaluations)
    problem = make_problem(env, instance, **parameters)
    with solving_bar(f"{agent} on {short(problem.instance.name, 32)}") as watch:
        solution = solver.solve(problem, budget, seed, watch)
    if out is not None:
        solution.save(out)
    for path in export or ():
        problem.refined(solution.refinement).export(solution.assignment, path)
    if save_instance is not None:
        problem.write_instance(save_instance)
    if render is not None:
        solution.render(render, problem)
    _print_solution(solution)
    if account := solver.account(problem):
        console.print(account)


app.command("render")(render_solution)
app.command("train")(train_agent)
app.command("test")(score_checkpoint)
app.command("finetune")(finetune)
app.command("pretrain")(pretrain_policy)
app.command("tune")(tune)
app.command("leaderboard")(run_leaderboard)
app.command("compare")(compare)
app.add_typer(best_known_app, name="best-known")


@app.command()
def evaluate(
    solutions: Annotated[list[Path], typer.Argument(metavar="SOLUTION.json ...")],
    instance: Annotated[
        str | None,
        typer.Option(help="The instance, where the solutions name one that was in memory or lies elsewhere."),
    ] = None,
    export: Exports = None,
) -> None:
    """Score solutions again from their instances; a wrong claim fails."""
    if export and len(solutions) > 1:
        raise ValueError("--export writes one solution; several are given")
    for path in solutions:
        solution = Solution.load(path)
        try:
            problem = claimed_problem(solution, path, instance)
            cost = verify(solution, problem)
        except ClaimError as error:
            raise ClaimError(f"{path}: {error}") from None
        state = "feasible" if cost.feasible else "infeasible"
        console.print(f"{path}: confirmed, total {cost.total:g}, {state} ({solution.agent} on {solution.instance})")
        for file in export or ():
            problem.refined(solution.refinement).export(solution.assignment, file)


@app.command()
def trace(
    model: Annotated[
        str, typer.Argument(help="transformers:NAME or torch:NAME, with ,training and ,batch=N as wanted; or an .onnx.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the operator graph here, .json or .json.gz.")] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Trace it now with the installed versions, whatever the package has.")
    ] = False,
) -> None:
    """Trace a real model into an operator graph, unless the package or the cache has it: see DevicePlace-v0."""
    from placezoo.datasets.op_graphs.model_zoo import PREFIXES, model_names, provenance, traced_model
    from placezoo.datasets.op_graphs.op_graph import OpGraph
    from placezoo.datasets.op_graphs.op_graph_format import write_op_graph

    if model.startswith(PREFIXES):
        graph = traced_model(model, lambda name: console.print(f"tracing {name} ..."), anew)
        if not anew and (source := provenance(model)):
            console.print(f"from the package: traced by {source}")
    elif ".onnx" in model:
        graph = load(model)
    else:
        raise ValueError(f"{model}: a model or an .onnx file expected; models: {', '.join(model_names())}")
    assert isinstance(graph, OpGraph)
    parameters = float(graph.parameter_bytes.sum()) / 4e6
    console.print(f"{graph.name}: {graph.num_ops} operators, {graph.num_edges} edges")
    console.print(f"{float(graph.flops.sum()) / 1e9:.2f} GFLOP a step, {parameters:.2f} M parameters (float32)")
    if out is not None:
        write_op_graph(graph, out)
        console.print(f"written: {out}")


@data_app.command("get")
def data_get(name: Annotated[str, typer.Argument(help="A public instance.")]) -> None:
    """Fetch a public instance, unless it is here, and say where it is."""
    console.print(str(fetch(name)))


@data_app.command("path")
def data_path() -> None:
    """Say in which folders files are looked for."""
    for folder in data_folders():
        console.print(f"{folder} (PLACEZOO_DATA){'' if folder.is_dir() else ': no such folder'}")
    console.print(f"{cache_folder()} (cache)")


@data_app.command("verify")
def data_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Public instances; default all.")] = None,
) -> None:
    """Check the files of public instances against the registry; fails if one is damaged or a named one is missing."""
    for name in names or public_files():
        if name not in public_files():
            raise ValueError(unknown_name("public instance", name, public_files()))
        entry = public_files()[name]
        path = find_file(entry)
        if path is None or not is_here(entry):
            if names:
                raise ClaimError(f"{name}: not on this machine; `placezoo data get {name}` fetches it")
            console.print(f"{name}: not on this machine")
            continue
        try:
            for file in entry.files:
                verify_file(file, find_file(file) or path)
            console.print(f"{name}: {path} is the published file ({entry.licence})")
            if entry.placement is not None and (header := find_file(entry.placement)) is not None:
                console.print(f"{name}: {check_header(load(name), header)}")
        except ValueError as error:
            raise ClaimError(str(error)) from None


def _print_solution(solution: Solution) -> None:
    cost, state = solution.cost, "feasible" if solution.cost.feasible else "infeasible"
    terms = ", ".join(f"{name} {value:g}" for name, value in cost.terms.items())
    allowed = f" ({solution.budget['evaluations']:,} were allowed)" if solution.is_over_budget else ""
    spent = f"{solution.evaluations:,} evaluations{allowed} in {solution.seconds:.2f} s"
    proof = ""
    if solution.bound is not None:
        gap = 100 * (cost.total - solution.bound) / max(abs(solution.bound), 1e-12)
        proof = f"no assignment costs less than {solution.bound:g}; this one is at most {gap:.2f} % above"
    if console.is_terminal:
        table = name_table("", "")
        table.add_row("total", f"{cost.total:g}, {state}")
        for name, value in cost.terms.items():
            table.add_row(name, f"{value:g}")
        if proof:
            table.add_row("proved", proof)
        table.add_row("search", f"{spent}  {sparkline([point.total for point in solution.trace])}")
        console.print(table)
    else:
        console.print(f"total {cost.total:g} ({terms}), {state}")
        if proof:
            console.print(f"proved: {proof}")
        console.print(spent)
    for violation in cost.violations:
        console.print(f"  {violation}")
