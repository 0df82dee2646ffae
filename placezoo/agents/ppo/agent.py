"""``ppo``: the policy network trained by masked PPO, as an agent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder, network_config
from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.construct_decoder import ConstructDecoder, compile_steps
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.agents.search.item_arrays import arrays_within, prepare_arrays
from placezoo.agents.search.repair import compile_repair, repair
from placezoo.agents.search.search import Search
from placezoo.envs.greedy import place_greedily
from placezoo.envs.improve import ImproveEnv
from placezoo.envs.one_shot import OneShotEnv
from placezoo.envs.problem import Kernel, PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.parameters import above, at_least, below

UNTRAINED = "untrained"  # a fresh policy: what a trained one is to be compared with
_TRAINING_SHARE = 0.7  # of the budget, where there is no checkpoint
_OBSERVING_SHARE = 0.6  # of the budget, at most, for what the network sees of the items


@dataclass(frozen=True)
class PPO(Agent):
    """A trained policy that constructs, improves or answers at once, as it was trained to; the best of its samples.

    The first answer takes the most likely action everywhere, the others draw; each whole answer is one evaluation.
    If the budget ends within the first construction, the items that are left go where they add least to the cost. Where
    the order and features of the items take longer than the budget's seconds, greedy construction takes its place.
    Without a checkpoint, most of the budget goes into training on the very instance (as AlphaChip can), and
    construction follows; with one, as much of it as ``finetune`` says. The best episode of that training counts too.

    Args:
        checkpoint: the folder that ``placezoo train`` or ``placezoo pretrain`` wrote, ``pretrained`` for the policies
            that come with the package, ``untrained`` for a fresh one, which goes by what costs least next where the
            environment's features say that, or None. Problems are presented to it as in its training (the ``order`` of
            GraphPartition-v0), however they are set.
        finetune: the share of the budget that goes into training the checkpoint on the very instance, in [0, 1).
        samples: how many answers at most, the first included.
        batch: how many are constructed side by side.
        temperature: of drawing constructions: scores are divided by it, above 1 draws are more even; None for the
            policy's own, which was chosen in its training, else 1.
    """

    name = "ppo"

    checkpoint: str | None = None
    finetune: Annotated[float, at_least(0), below(1)] = 0.0
    samples: Annotated[int, at_least(1)] = 16
    batch: Annotated[int, at_least(1)] = 16
    temperature: Annotated[float | None, above(0)] = None

    @cached_property
    def policy(self) -> Checkpoint:
        """The checkpoint's content, where it is one environment's.

        Raises:
            ValueError: there is none, or it is damaged.
        """
        if self.checkpoint is None:
            raise ValueError("ppo: no checkpoint was given")
        return Checkpoint.load(checkpoint_folder(self.checkpoint, self.name))

    def policy_for(self, problem: PlacementProblem) -> Checkpoint | None:
        """Return the policy for a problem's environment; None if the agent has none and trains on the instance."""
        if self.checkpoint is None or "policy" in self.__dict__:
            return self.__dict__.get("policy")
        env_id = problem.env_id
        known: dict[str, Checkpoint] = self.__dict__.setdefault("_policies", {})
        if env_id not in known and self.checkpoint == UNTRAINED:
            known[env_id] = untrained_policy(problem)
        elif env_id not in known:
            known[env_id] = Checkpoint.load(checkpoint_folder(self.checkpoint, self.name, env_id))
        return known[env_id]

    def presented(self, problem: PlacementProblem) -> PlacementProblem:
        """Return the problem as the checkpoint was trained to see it."""
        policy = self.policy_for(problem)
        return problem if policy is None else policy.as_trained(problem)

    def prepare(self, problem: PlacementProblem) -> None:
        """Load the checkpoint and check that it fits; compile what the search calls."""
        compile_repair(problem)
        compile_steps(problem)
        prepare_arrays(problem)
        nothing, rng = np.zeros(0, np.int64), np.random.default_rng(0)
        place_greedily(problem.kernel(), problem.step_kernel, problem.num_resources, nothing, rng)
        policy = self.policy_for(problem)
        if policy is not None:
            policy.check_fits(problem)

    def act(self, observation: dict[str, Any]) -> int | NDArray[np.int64]:
        """Return the most likely allowed action for an observation, as it is or of ``PadGraph``."""
        return self.policy.reader.act(observation)

    def account(self, problem: PlacementProblem) -> str:
        """Say which policy answered, and how often it answers at most."""
        policy = self.policy_for(problem)
        if policy is None:
            return f"ppo: no checkpoint was given, so {_TRAINING_SHARE:.0%} of the budget went into training here"
        share = f", {self.finetune:.0%} of the budget went into training it on" if self.finetune else ""
        return f"ppo: the policy is {self.checkpoint}{share}; it stops after {self.samples} answers (--set samples=N)"

    def _search(self, search: Search) -> None:
        left = search.seconds_to_answer
        if not arrays_within(None if left is None else _OBSERVING_SHARE * left, search.problem):
            search.evaluate(repair(search.problem, search.problem.greedy(search.rng)))
            return
        with single_thread():
            policy = self.policy_for(search.problem)
            if policy is None or self.finetune > 0:
                policy = self._train(search, policy)
            if policy.formulation == "construct":
                self._construct(policy, search)
            elif policy.formulation == "improve":
                self._improve(policy, search)
            else:
                self._one_shot(policy, search)

    def _train(self, search: Search, start: Checkpoint | None) -> Checkpoint:
        source = ProblemSource.of(search.problem)
        seed, formulation = int(search.rng.integers(2**31)), start.formulation if start else "construct"
        learner = PPOLearner(source, formulation, _on_one_instance(search.problem), seed, start=start)
        budget, share = search.budget, self.finetune if start else _TRAINING_SHARE
        seconds = None if budget.seconds is None else max(0.01, share * budget.seconds - search.seconds)
        episodes = None if budget.evaluations is None else max(1, int(share * budget.evaluations))
        timesteps = None if episodes is None else episodes * search.problem.num_items
        status = learner.learn(timesteps=timesteps, seconds=seconds)
        search.evaluations += status.episodes
        if learner.best is not None:
            search.record(learner.best[1])
        return learner.checkpoint()

    def _construct(self, policy: Checkpoint, search: Search) -> None:
        problem = search.problem
        temperature = self.temperature or float(policy.training.get("temperature", 1.0))
        decoder = ConstructDecoder(policy.network, problem, temperature)

        def finish(kernel: Kernel, items: NDArray[np.int64]) -> None:
            place_greedily(kernel, problem.step_kernel, problem.num_resources, items, search.rng)

        first = decoder.construct(1, None, lambda: search.is_over, finish)
        assert first is not None
        search.evaluate(repair(problem, first[0]))
        drawn = 1
        while drawn < self.samples and not search.is_over:
            count = search.evaluations_left(min(self.batch, self.samples - drawn))
            if count == 0:
                return
            answers = decoder.construct(count, search.rng, lambda: search.is_over)
            if answers is None:
                return
            for answer in answers:
                search.evaluate(repair(problem, answer))
            drawn += count

    def _improve(self, policy: Checkpoint, search: Search) -> None:
        env = ImproveEnv(ProblemSource.of(search.problem))
        for _ in range(self.samples):
            observation, _ = env.reset(seed=int(search.rng.integers(2**31)))
            search.evaluate(env.assignment)
            truncated = False
            while not truncated and not search.is_over:
                observation, _, _, truncated, _ = env.step(policy.reader.act(observation, search.rng))
                search.evaluate(env.assignment)
            if search.is_over:
                return

    def _one_shot(self, policy: Checkpoint, search: Search) -> None:
        observation, _ = OneShotEnv(ProblemSource.of(search.problem)).reset(seed=0)
        for sample in range(self.samples):
            answer = policy.reader.act(observation, None if sample == 0 else search.rng)
            search.evaluate(repair(search.problem, np.asarray(answer)))
            if search.is_over:
                return


def untrained_policy(problem: PlacementProblem) -> Checkpoint:
    """Return a fresh policy for a problem's environment, the same one every time."""
    config = PPOConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(network_config(problem, config.encoder, config.width, config.layers, config.head))
    return Checkpoint.of(network.eval(), problem, "construct", {})


def _on_one_instance(problem: PlacementProblem) -> PPOConfig:
    """Return hyperparameters for training on one instance.

    Where constructions are paid for at their end only, advantages must reach back to their first step.
    """
    if problem.kernel().complete is None:
        return PPOConfig(num_envs=16, num_steps=512)  # few, so that small budgets end episodes too
    return PPOConfig(
        num_envs=16, num_steps=max(problem.num_items, 64), batch_size=1024, num_epochs=2, learning_rate=1e-3, gamma=1.0,
        gae_lambda=1.0, entropy_coefficient=0.0, worst_reward=1.3, encoder="edge-gnn",
        head="deconvolution" if problem.feature_roles.grid else "pair",
    )  # fmt: skip
