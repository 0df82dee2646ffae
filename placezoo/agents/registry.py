"""The zoo: every agent by name, loaded when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from typing import Any

from placezoo.agents.agent import Agent
from placezoo.datasets.suggestion import unknown_name


@dataclass(frozen=True)
class AgentEntry:
    """Where an agent is and what it needs.

    Attributes:
        location: ``module:Class``, the module below ``package``.
        description: one line.
        extra: the optional dependencies it needs, or empty.
        problems: the environments it is for; empty for all.
        package: where the module lies; empty for agents of other packages.
    """

    location: str
    description: str
    extra: str = ""
    problems: tuple[str, ...] = ()
    package: str = "placezoo.agents."


ENTRY_POINTS = "placezoo.agents"  # the group in which installed packages name theirs: name = "module:Class"
_GRAPHS = ("GraphPartition-v0",)
_CHIPS = ("ChipPlace-v0",)
_EDGE = ("EdgePlace-v0",)
_DEVICES = ("DevicePlace-v0",)
_CHIPLETS = ("MCMPartition-v0",)

AGENTS = {
    "random": AgentEntry("search.random_search:RandomSearch", "the best of many random assignments"),
    "greedy": AgentEntry(
        "search.greedy:Greedy", "the domain's greedy construction (graphs: growing parts; chips: by wire mask)"
    ),
    "local-search": AgentEntry("search.local_search:LocalSearch", "iterated local search with exact incremental costs"),
    "simulated-annealing": AgentEntry(
        "search.simulated_annealing:SimulatedAnnealing", "Metropolis moves, geometric cooling"
    ),
    "fm": AgentEntry(
        "partition.fiduccia_mattheyses:FiducciaMattheyses", "greedy growing + k-way FM passes, restarted", "", _GRAPHS
    ),
    "spectral": AgentEntry("partition.spectral:Spectral", "recursive bisection by the Fiedler vector", "", _GRAPHS),
    "metis": AgentEntry(
        "solvers.metis:Metis", "METIS, k-way and recursive, the better", "solvers", (*_GRAPHS, *_DEVICES)
    ),
    "mt-kahypar": AgentEntry("partition.mt_kahypar:MtKaHyPar", "Mt-KaHyPar, highest quality", "solvers", _GRAPHS),
    "multilevel": AgentEntry(
        "partition.multilevel:Multilevel",
        "bisected or any agent on the coarsened graph, refined level by level, combined",
        "",
        _GRAPHS,
    ),
    "multilevel-kahypar": AgentEntry(
        "partition.combined_kahypar:MultilevelKaHyPar",
        "Mt-KaHyPar's answers combined by multilevel",
        "solvers",
        _GRAPHS,
    ),
    "gap": AgentEntry("gap.agents:GAP", "graph network trained on the expected normalised cut", "agents", _GRAPHS),
    "cnc": AgentEntry("gap.agents:CNC", "the same network trained on the very graph: clustering", "agents", _GRAPHS),
    "force-directed": AgentEntry("chip.force_directed:ForceDirected", "springs and repulsion, legalised", "", _CHIPS),
    "analytic": AgentEntry("chip.analytic:Analytic", "Adam on the smooth cost, legalised, annealed", "agents", _CHIPS),
    "macro-placer": AgentEntry(
        "chip.macro_placer:MacroPlacer",
        "hard and soft macros annealed together, off the grid, at exact costs",
        "",
        _CHIPS,
    ),
    "wire-mask": AgentEntry("chip.wire_mask:WireMask", "evolution of genotypes placed by the wire mask", "", _CHIPS),
    "heft": AgentEntry("edge.list_scheduling:HEFT", "list scheduling by upward rank, insertion", "", _EDGE),
    "cpop": AgentEntry("edge.list_scheduling:CPOP", "list scheduling, the critical path on one device", "", _EDGE),
    "peft": AgentEntry("edge.list_scheduling:PEFT", "list scheduling with an optimistic look ahead", "", _EDGE),
    "portfolio": AgentEntry(
        "edge.list_scheduling:Portfolio", "the best of HEFT, PEFT, CPOP and greedy construction", "", _EDGE
    ),
    "guided-search": AgentEntry(
        "guided_search.agent:GuidedSearch",
        "local search that evaluates the moves a small network picks by cheap features",
        "agents",
        _DEVICES,
    ),
    "random-task-eft": AgentEntry(
        "edge.random_task_eft:RandomTaskEFT", "random tasks to their earliest finish devices", "", _EDGE
    ),
    "cp-sat": AgentEntry(
        "solvers.cp_sat:CPSAT", "constraint programming with proved bounds", "solvers", (*_EDGE, *_CHIPLETS)
    ),
    "single-device": AgentEntry("device.heuristics:SingleDevice", "everything on the best one device", "", _DEVICES),
    "expert": AgentEntry("device.heuristics:Expert", "contiguous blocks of layers, balanced by time", "", _DEVICES),
    "m-topo": AgentEntry("device.heuristics:MTopo", "devices filled in topological order", "", _DEVICES),
    "m-etf": AgentEntry("device.heuristics:MEtf", "earliest task first, within memory", "", _DEVICES),
    "m-sct": AgentEntry("device.heuristics:MSct", "m-etf that keeps devices for favourite children", "", _DEVICES),
    "m-heft": AgentEntry("device.heuristics:MHeft", "HEFT, within memory", "", _DEVICES),
    "dynamic-programming": AgentEntry(
        "mcm.contiguous_blocks:DynamicProgramming", "the best contiguous blocks of a topological order", "", _CHIPLETS
    ),
    "order-search": AgentEntry(
        "mcm.order_search:OrderSearch", "the best contiguous blocks over topological orders, annealed", "", _CHIPLETS
    ),
    "giph": AgentEntry(
        "giph.agents:GiPH", "graph network over (task, device) pairs, one move at a time", "agents", _EDGE
    ),
    "placeto": AgentEntry("giph.agents:Placeto", "graph network over tasks, one task after another", "agents", _EDGE),
    "gdp": AgentEntry(
        "one_shot.agents:GDP", "graph network + segment-recurrent transformer, the whole graph at once", "agents"
    ),
    "go": AgentEntry("one_shot.agents:GO", "gdp with refinement and a head for schedule priorities", "agents"),
    "one-shot-ppo": AgentEntry(
        "one_shot.agents:OneShotPPO", "graph network + feed-forward head, whole answers refined", "agents"
    ),
    "ppo": AgentEntry("ppo.agent:PPO", "graph neural network trained by masked PPO", "agents"),
}

# The package that tells whether an extra is installed.
_EXTRA_PACKAGES = {
    "solvers": ("pymetis", "mtkahypar", "ortools"),
    "agents": ("torch", "torch_geometric", "sb3_contrib"),
    "rllib": ("ray",),
    "track": ("wandb", "tensorboard"),
}


def require_extra(extra: str, owner: str) -> None:
    """Check that the packages of an extra are installed.

    Raises:
        ImportError: one is not; says which and how to install it.
    """
    for package in _EXTRA_PACKAGES.get(extra, ()):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"{owner} needs {package}, which is not installed: pip install 'placezoo[{extra}]'")


def extra_is_here(extra: str) -> bool:
    """Return whether the packages of an extra are installed."""
    return all(importlib.util.find_spec(package) is not None for package in _EXTRA_PACKAGES.get(extra, ()))


def register_agent(name: str, location: str, description: str = "", problems: tuple[str, ...] = ()) -> None:
    """Give an agent of another package a name, besides ``module:Class``.

    An installed package names its agents in the entry points ``placezoo.agents`` instead.

    Args:
        name: kebab-case.
        location: ``module:Class``.
        description: one line.
        problems: the environments it is for; empty for all.

    Raises:
        ValueError: another agent has the name.
    """
    entry = AgentEntry(location, description, problems=problems, package="")
    if AGENTS.get(name, entry).location != location:
        raise ValueError(f"{name} is {AGENTS[name].location}, choose another name")
    AGENTS[name] = entry


def agent_entries() -> dict[str, AgentEntry]:
    """Return every agent by name, those of installed packages included."""
    for point in entry_points(group=ENTRY_POINTS):
        AGENTS.setdefault(point.name, AgentEntry(point.value, f"of {point.module}", package=""))
    return AGENTS


def is_for(name: str, env_id: str) -> bool:
    """Return whether an agent, of the zoo or ``module:Class``, is for an environment."""
    entry = agent_entries().get(name)
    if entry is None or not entry.package:
        return agent_class(name).is_for(env_id) and (entry is None or not entry.problems or env_id in entry.problems)
    return not entry.problems or env_id in entry.problems


def describe_agent(name: str) -> str:
    """Return one line on an agent, of the zoo or ``module:Class``; empty if nothing is known of it.

    It imports nothing: a name may come from a stranger's file.
    """
    if name in agent_entries():
        return AGENTS[name].description
    module, _, attribute = name.partition(":")
    cls = getattr(sys.modules.get(module), attribute, None)
    is_agent = isinstance(cls, type) and issubclass(cls, Agent)
    return ((cls.__doc__ or "").strip().splitlines() or [""])[0] if is_agent else ""


def agent_class(name: str) -> type[Agent]:
    """Return an agent's class: of the zoo, or ``module:Class`` from any installed package.

    Raises:
        ValueError: no such agent; names near ones.
        ImportError: a package that it needs is not installed.
    """
    if ":" in name:
        return _foreign_class(name)
    if name not in agent_entries():
        raise ValueError(unknown_name("agent", name, AGENTS))
    entry = AGENTS[name]
    if not entry.package:
        return _foreign_class(entry.location)
    require_extra(entry.extra, f"agent {name}")
    module, _, attribute = entry.location.partition(":")
    return getattr(importlib.import_module(entry.package + module), attribute)


def make_agent(name: str, **hyperparameters: Any) -> Agent:
    """Return an agent with some hyperparameters set.

    Raises:
        ValueError: no such agent or hyperparameter, or a value out of range.
        ImportError: a package that it needs is not installed.
    """
    cls = agent_class(name)
    known = [field.name for field in fields(cls)]
    for given in hyperparameters:
        if given not in known:
            raise ValueError(
                f"{name}: {unknown_name('hyperparameter', given, known)}" if known else f"{name} has no hyperparameters"
            )
    return cls(**hyperparameters)


def _foreign_class(location: str) -> type[Agent]:
    module, _, attribute = location.partition(":")
    if not module or not attribute.isidentifier():
        raise ValueError(f"{location}: an agent from elsewhere is named module:Class")
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ImportError(f"agent {location}: {error.msg.lower()}") from None
    except AttributeError:
        raise ValueError(f"agent {location}: the module {module} has no {attribute}") from None
    if not (isinstance(cls, type) and issubclass(cls, Agent) and is_dataclass(cls)):
        raise ValueError(f"agent {location}: must be a dataclass derived from placezoo.Agent")
    return cls
