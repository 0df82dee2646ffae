import gymnasium as gym
import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.networks.architectures import feature_record
from placezoo.agents.networks.checkpoint import Checkpoint, network_config
from placezoo.agents.networks.encoders import Links
from placezoo.agents.networks.graph_batch import Graphs, padded_graph, samples_of, unpad
from placezoo.agents.networks.graph_memory import item_graph_of
from placezoo.agents.networks.policy_network import PolicyNetwork
from placezoo.agents.ppo.construct_decoder import ConstructDecoder
from placezoo.datasets import Graph
from placezoo.envs.wrappers import PadGraph

ENV = "GraphPartition-v0"


def network_for(problem, seed=0, **sizes):
    torch.manual_seed(seed)
    network = PolicyNetwork(network_config(problem, "graph-sage", sizes.get("width", 16), sizes.get("layers", 2)))
    torch.nn.init.normal_(network.trunk.score[-1].weight)  # the small initial weight would hide differences
    return network.eval()


def observations(formulation, count=6, dataset="grid"):
    """Return a batch of padded observations from random steps over several instances, one occurring twice."""
    env = PadGraph(gym.make(ENV, dataset=dataset, num_parts=3, formulation=formulation))
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        observation, _ = env.reset(seed=index, options={"instance": f"{dataset}/train/{(0, 1, 2, 3, 0, 1)[index]}"})
        for _ in range(10 * index if formulation == "construct" else 0):
            observation, *_ = env.step(int(rng.choice(np.flatnonzero(observation["action_mask"]))))
        found.append(observation)
    return {name: torch.as_tensor(np.stack([o[name] for o in found])) for name in found[0]}


def scores_one_by_one(network, batch, every_item):
    results = []
    for index in range(len(batch["num_items"])):
        single = {name: values[index : index + 1] for name, values in batch.items()}
        graphs = padded_graph(single, 0)
        samples = samples_of(single, torch.zeros(1, dtype=torch.int64), every_item)
        results.append(network(graphs, network.encode(graphs), samples))
    return torch.cat([scores for scores, _ in results]), torch.cat([values for _, values in results])


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
@pytest.mark.parametrize("copies", [1, 4])
@torch.no_grad()
def test_a_batch_scores_as_its_samples_do_alone(formulation, copies):
    """Without padding, with each distinct graph encoded once; few and many samples of a graph take different paths."""
    batch = {
        name: values.repeat(copies, *[1] * (values.ndim - 1)) for name, values in observations(formulation).items()
    }
    network = network_for(placezoo.make_problem(ENV, instance="grid/train/0", num_parts=3))
    first, graph = unpad(batch)
    assert len(first) == len(set(batch["instance_key"].flatten().tolist())) < len(graph)
    graphs = Graphs.join([padded_graph(batch, sample) for sample in first])
    scores, values = network(graphs, network.encode(graphs), samples_of(batch, graph, formulation != "construct"))
    alone, values_alone = scores_one_by_one(network, batch, formulation != "construct")
    torch.testing.assert_close(scores, alone)
    torch.testing.assert_close(values, values_alone)
    assert scores.std() > 0.01


@torch.no_grad()
def test_scores_follow_the_definition_in_plain_loops():
    batch = observations("construct", count=4)
    problem = placezoo.make_problem(ENV, instance="grid/train/3", num_parts=3)
    network = network_for(problem)
    single = {name: values[3:4] for name, values in batch.items()}
    found, found_values = scores_one_by_one(network, single, False)
    graphs = item_graph_of(problem)
    encoded, trunk, inputs = network.encode(graphs), network.trunk, network.inputs
    links = Links(graphs.edge_index, inputs.edges(graphs.edge_features), graphs.start)
    embedding = trunk.encoder(torch.relu(inputs.items(graphs.features)), links)
    item, assignment = int(single["current_item"]), single["assignment"][0]
    hidden_of, resource_of = [], []
    for part in range(3):
        members = torch.nonzero(assignment == part)[:, 0]
        content = encoded.content[members].mean(0) if len(members) else torch.zeros(16)
        resource = torch.relu(inputs.resources(single["resource_features"][0, part]) + trunk.resource(content))
        row = slice(int(problem.instance.indptr[item]), int(problem.instance.indptr[item + 1]))
        neighbours = problem.instance.indices[row].tolist()
        weights = problem.instance.edge_weights[row] / problem.instance.edge_weights.max()
        sums = {place: torch.zeros(17) for place in (part, -1)}
        for neighbour, weight in zip(neighbours, weights, strict=True):
            edge = inputs.edges(torch.tensor([weight], dtype=torch.float32))
            message = torch.relu(trunk.neighbour(embedding[neighbour]) + edge)
            place = int(assignment[neighbour])
            if place in sums:
                sums[place] = sums[place] + torch.cat([message, torch.ones(1)]) / len(neighbours)
        hidden = trunk.pair(torch.cat([resource, sums[part]])) + trunk.query(embedding[item]) + trunk.waiting(sums[-1])
        torch.testing.assert_close(trunk.score(hidden)[0], found[0, part])
        hidden_of.append(torch.relu(hidden))
        resource_of.append(resource)
    seen = torch.cat([torch.stack(hidden_of).mean(0), torch.stack(resource_of).mean(0), embedding.mean(0)])
    torch.testing.assert_close(trunk.value(seen), found_values)


@torch.no_grad()
def test_resources_have_no_identity():
    """Renaming the parts renames the scores."""
    batch = observations("construct", count=4)
    network = network_for(placezoo.make_problem(ENV, instance="grid/train/0", num_parts=3))
    scores, values = scores_one_by_one(network, batch, False)
    new_name = torch.tensor([2, 0, 1])
    renamed = dict(batch)
    renamed["assignment"] = torch.where(batch["assignment"] >= 0, new_name[batch["assignment"]], -1)
    renamed["resource_features"] = torch.empty_like(batch["resource_features"])
    renamed["resource_features"][:, new_name] = batch["resource_features"]
    scores_renamed, values_renamed = scores_one_by_one(network, renamed, False)
    torch.testing.assert_close(scores_renamed[:, new_name], scores)
    torch.testing.assert_close(values_renamed, values)


@pytest.mark.parametrize("instance", ["karate", "hub-and-loners"])
@torch.no_grad()
def test_the_decoder_equals_the_forward_pass_at_every_step(instance):
    if instance == "hub-and-loners":
        instance = Graph.from_edges(12, [(0, i) for i in range(1, 8)], edge_weights=range(1, 8))
    problem = placezoo.make_problem(ENV, instance=instance, num_parts=3)
    network = network_for(problem)
    decoder = ConstructDecoder(network, problem)
    assignment = decoder.construct(1, None)[0]
    env = PadGraph(gym.make(ENV, instance=instance, num_parts=3, formulation="construct"))
    observation, _ = env.reset(seed=0)
    terminated = False
    while not terminated:
        batch = {name: torch.as_tensor(values)[None] for name, values in observation.items()}
        scores, _ = scores_one_by_one(network, batch, False)
        mask = torch.as_tensor(observation["action_mask"]) > 0
        best = int(torch.where(mask, scores[0], -torch.inf).argmax())
        item = int(observation["current_item"][0])
        # Ties between equal parts may fall either way in the last bit: then follow the decoder.
        assert scores[0, assignment[item]] >= scores[0, best] - 1e-5
        observation, _, terminated, _, _ = env.step(int(assignment[item]))


def test_drawn_constructions_follow_the_policy():
    """The first choice of many samples has the probabilities of the softmax."""
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=2)
    network = network_for(problem)
    partial = ConstructDecoder(network, problem).construct(2000, np.random.default_rng(0))
    second = problem.item_order[1]
    same = (partial[:, problem.item_order[0]] == partial[:, second]).mean()
    env = PadGraph(gym.make(ENV, instance="karate", num_parts=2, formulation="construct"))
    env.reset(seed=0)
    observation, *_ = env.step(0)
    with torch.no_grad():
        scores, _ = scores_one_by_one(network, {n: torch.as_tensor(v)[None] for n, v in observation.items()}, False)
    assert same == pytest.approx(torch.softmax(scores[0], 0)[0].item(), abs=0.04)


def test_checkpoints_keep_the_network(tmp_path):
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=3)
    network = network_for(problem)
    Checkpoint(network, ENV, "construct", feature_record(problem), {"seed": 3}).save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "policy.safetensors"]
    assert (loaded.formulation, loaded.training) == ("construct", {"seed": 3})
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.network.state_dict()[name], tensor)


def test_bad_checkpoints(tmp_path):
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=3)
    good = Checkpoint(network_for(problem), ENV, "construct", feature_record(problem))
    good.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="not a checkpoint folder"):
        Checkpoint.load(tmp_path / "none")
    config, weights = tmp_path / "policy.json", tmp_path / "policy.safetensors"
    text, content = config.read_text(), weights.read_bytes()
    for damaged, message in (
        ("{", "not JSON"),
        ("[]", "not a checkpoint"),
        (text.replace('"construct"', "3").replace('"env"', '"environment"'), "'env' is missing"),
        (text.replace('"width": 16', '"width": 24'), "do not fit"),
        (text.replace('"graph-sage"', '"graph-sag"'), "did you mean graph-sage"),
        (text.replace('"width": 16', '"width": 16, "depth": 1'), "depth"),
    ):
        config.write_text(damaged)
        with pytest.raises(ValueError, match=message) as caught:
            Checkpoint.load(tmp_path)
        assert "\n" not in str(caught.value)
    config.write_text(text)
    weights.write_bytes(content[:100])
    with pytest.raises(ValueError, match="do not fit"):
        Checkpoint.load(tmp_path)
    with pytest.raises(ValueError, match=r"trained for ChipPlace-v0, it cannot solve GraphPartition-v0"):
        Checkpoint(good.network, "ChipPlace-v0", "construct", good.features).check_fits(problem)
    with pytest.raises(ValueError, match="reads other features"):
        Checkpoint(good.network, ENV, "construct", {}).check_fits(problem)
