"""Features of (operator, chiplet) pairs: against definitions, and as a heuristic of their own."""

import gymnasium as gym
import numpy as np
from hypothesis import given

import placezoo
from placezoo.cost_models.mcm import outlook
from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from tests.examples import examples
from tests.instances import built, pipelines

REFUSALS = ("nothing to partition", "a chiplet of mcm has")


@examples(60)
@given(pipelines())
def test_what_is_known_beforehand(drawn):
    graph, package, _ = drawn
    model = built(lambda: PipelineInterval(graph, package), *REFUSALS)
    program, order = model.program, model.order
    position = {item: place for place, item in enumerate(order.tolist())}
    links = list(zip(program.source.tolist(), program.target.tolist(), strict=True))

    def cut(place):
        """Return the seconds that a cut just before a position sends: each tensor once."""
        sent = sum(
            program.output_bytes[item]
            for item in order[:place].tolist()
            if any(source == item and position[target] >= place for source, target in links)
        )
        return sent / package.link_bandwidth + (package.link_latency if sent > 0 else 0.0)

    ends = [0.0, *np.cumsum(program.seconds[order]).tolist()]
    for place, item in enumerate(order.tolist()):
        limit = ends[place + 1] + program.seconds.sum() / package.count / 3
        ahead = [cut(place + 1)] + [cut(j) for j in range(place + 2, len(order) + 1) if ends[j] <= limit]
        expected = [ends[place], cut(place), min(ahead), program.seconds.sum()]
        np.testing.assert_allclose(model.outlook[item], expected, rtol=1e-9, atol=1e-12)


def test_going_by_pace_fills_the_chiplets_evenly():
    """On a chain of equal operators each chiplet gets its share; all that is seen lies in [0, 1]."""
    chain = placezoo.datasets.OpGraph(
        flops=[1e9] * 24, bytes_moved=[1e3] * 24, output_bytes=[1.0] * 24, parameter_bytes=[1e3] * 24,
        edges=[[i, i + 1] for i in range(23)],
    )  # fmt: skip
    env = gym.make("MCMPartition-v0", instance=chain, package="mcm4", formulation="construct")
    observation, _ = env.reset(seed=0)
    own, terminated = len(env.unwrapped.feature_names.resources), False
    while not terminated:
        seen = observation["resources"].nodes
        assert env.observation_space["resources"].contains(observation["resources"])
        assert seen[:, own:].min() >= 0
        assert (seen[observation["action_mask"] == 0, own:] == 0).all()
        pace = np.where(observation["action_mask"] > 0, seen[:, own + outlook.PACE], np.inf)
        observation, _, terminated, _, info = env.step(int(pace.argmin()))
    assert info["feasible"]
    assert np.bincount(info["assignment"]).tolist() == [6, 6, 6, 6]
    assert (observation["resources"].nodes[:, own:] == 0).all()  # nothing is left to place
