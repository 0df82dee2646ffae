"""Training the policy network by RLlib's PPO, on one machine or a cluster."""

from __future__ import annotations

import logging
import math
import time
import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.learning.learner import Batch, UpdateLearner
from placezoo.agents.learning.training_state import moment_tensors, moments_of
from placezoo.agents.networks.checkpoint import Checkpoint, sizes_to_train
from placezoo.agents.networks.heads import make_network
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.ray_cluster import Scale, ray_session
from placezoo.envs.registration import portable_id

_MODULE = "default_policy"


class RLlibPPOLearner(UpdateLearner):
    """One training run by RLlib's PPO (new API stack), the same algorithm and network as the other learners train.

    Environment runners that fail are started again, wherever there is room for them.

    Beside the arguments of every learner it takes a ``scale``, how many processes on which machines, over whose
    environment runners the configuration's ``num_envs`` are spread; and the keyword arguments of the formulation.

    Attributes:
        best: None; environment runners keep no assignments.
        metrics: of the last update: ``best_cost``, ``feasible`` (share of episodes), ``gap`` (of the mean cost to the
            lowest seen, for a single instance), ``env_steps_per_second``.
    """

    agent = "ppo"
    config_class = PPOConfig

    def _make(self, start: Checkpoint | None, scale: Scale | None = None, **settings: Any) -> None:
        self.config.refuse_groups("rllib")
        self.scale = scale or Scale()
        self._best_cost = math.inf
        self._closing = ExitStack()
        self._sizes = sizes = sizes_to_train(self.source.first(), self.config, start)
        processes = 1 + self.scale.env_runners + self.scale.learners
        self._closing.enter_context(ray_session(self.scale.address, cpus=processes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RLlib's own
            self._algorithm = self._build(settings)
        first = make_network(sizes) if start is None else start.network
        self.load_state({f"network.{name}": value for name, value in first.state_dict().items()})

    def _build(self, settings: dict[str, Any]) -> Any:
        from ray.rllib.algorithms.ppo import PPOConfig as RLlibConfig
        from ray.rllib.core.rl_module.rl_module import RLModuleSpec
        from ray.tune.registry import register_env

        from placezoo.agents.ppo.rllib_environment import ENV_NAME, make_training_env
        from placezoo.agents.ppo.rllib_module import PlacementModule
        from placezoo.agents.ragged.rllib import episode_graphs, latest_graphs

        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
        register_env(ENV_NAME, make_training_env)
        config, scale = self.config, self.scale
        env_config = {
            "env_id": portable_id(self.source.problem_class),
            "worst_reward": config.worst_reward,
            "settings": {**self.source.settings(), "formulation": self.formulation, **settings},
        }
        runners = max(1, scale.env_runners)
        share = max(1, config.num_envs * config.num_steps // max(1, scale.learners))  # of the transitions, a learner's
        spec = RLModuleSpec(
            module_class=PlacementModule,
            model_config={"network": self._sizes.to_json(), "formulation": self.formulation},
        )
        algorithm = (
            RLlibConfig()
            .api_stack(enable_rl_module_and_learner=True, enable_env_runner_and_connector_v2=True)
            .environment(ENV_NAME, env_config=env_config)
            .env_runners(
                num_env_runners=scale.env_runners,
                num_envs_per_env_runner=max(1, config.num_envs // runners),
                rollout_fragment_length="auto",
                env_to_module_connector=latest_graphs,
            )
            .learners(
                num_learners=scale.learners,
                num_gpus_per_learner=scale.gpus or (1 if self.device.startswith("cuda") else 0),
                learner_connector=episode_graphs,
            )
            .training(
                train_batch_size_per_learner=share,
                minibatch_size=min(config.batch_size, share),
                num_epochs=config.num_epochs,
                lr=config.learning_rate,
                gamma=config.gamma,
                lambda_=config.gae_lambda,
                clip_param=config.clip_range,
                vf_clip_param=float("inf"),
                vf_loss_coeff=config.value_coefficient,
                entropy_coeff=config.entropy_coefficient,
                grad_clip=config.max_grad_norm,
                use_kl_loss=False,
            )
            .rl_module(rl_module_spec=spec)
            .callbacks(on_episode_end=_note_episode)
            .fault_tolerance(
                restart_failed_env_runners=True,
                ignore_env_runner_failures=False,
                num_consecutive_env_runner_failures_tolerance=10,
            )
            .reporting(min_sample_timesteps_per_iteration=0, min_train_timesteps_per_iteration=0)
            .debugging(seed=self.seed, log_level="ERROR")
        )
        return algorithm.build_algo()

    def update(self, done: float, room: int | None = None) -> Batch:
        """Let RLlib train for one iteration, which may make more timesteps than there is room for."""
        started = time.perf_counter()
        runners = self._algorithm.train()["env_runners"]
        steps, spent = int(runners["num_env_steps_sampled"]), time.perf_counter() - started
        self._best_cost = min(self._best_cost, float(runners.get("best_cost", math.inf)))
        self.metrics = {
            "best_cost": self._best_cost,
            "feasible": float(runners.get("feasible", math.nan)),
            "env_steps_per_second": steps / max(spent, 1e-9),
        }
        if self.source.dataset is None:
            self.metrics["gap"] = float(runners.get("cost", math.nan)) / self._best_cost - 1.0
        cost = float(runners.get("relative_cost", math.nan))
        return Batch(steps, int(runners.get("num_episodes", 0)), cost)

    def set_learning_rate(self, done: float) -> None:
        """Set the learning rate of every learner."""
        rate = self.config.learning_rate * (1.0 - 0.9 * done)

        def change(learner: Any) -> None:
            for optimizer in learner._optimizer_parameters:
                for group in optimizer.param_groups:
                    group["lr"] = rate

        self._algorithm.learner_group.foreach_learner(change)

    @property
    def network(self) -> Any:
        """A copy of the policy network as it is now, on the CPU."""
        network = make_network(self._sizes)
        weights = self._module_state()
        network.load_state_dict({name: torch.as_tensor(np.array(value)) for name, value in weights.items()})
        return network

    def _learner_state(self) -> dict[str, Any]:
        return self._algorithm.learner_group.get_state()["learner"]

    def _module_state(self) -> dict[str, NDArray[Any]]:
        state = self._learner_state()["rl_module"][_MODULE]
        return {name.removeprefix("network."): value for name, value in state.items()}

    def state(self) -> dict[str, Tensor]:
        """Return weights and the optimiser's moments, to go on from later."""
        state = self._learner_state()
        found = {f"network.{name}": torch.as_tensor(np.array(value)) for name, value in self._module_state().items()}
        for optimizer in state["optimizer"].values():
            moments = optimizer["state"]["state"]
            found |= moment_tensors({k: {n: np.array(v) for n, v in each.items()} for k, each in moments.items()})
        return found

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what ``state`` returned, or from a network's weights alone."""
        state = self._algorithm.learner_group.get_state()
        learner = state["learner"]
        weights = {name: value.cpu().numpy() for name, value in tensors.items() if name.startswith("network.")}
        learner["rl_module"][_MODULE] = weights
        learner["weights_seq_no"] = 0  # or older weights than the learner's own would not be taken
        moments = moments_of(tensors)
        for optimizer in learner["optimizer"].values() if moments else ():
            optimizer["state"]["state"] = moments
        self._algorithm.learner_group.set_state(state)
        self._algorithm.env_runner_group.sync_weights(
            from_worker_or_learner_group=self._algorithm.learner_group, inference_only=True
        )

    def close(self) -> None:
        """Stop RLlib, and Ray if it was started here."""
        self._algorithm.stop()
        self._closing.close()


def _note_episode(*, episode: Any, metrics_logger: Any, **kwargs: Any) -> None:
    """Log what an episode came to."""
    summary = episode.get_infos(-1).get("placezoo")
    if summary is None:
        return
    metrics_logger.log_value("relative_cost", summary["relative_cost"], reduce="mean", window=200)
    metrics_logger.log_value("cost", summary["cost"], reduce="mean", window=200)
    metrics_logger.log_value("feasible", float(summary["feasible"]), reduce="mean", window=200)
    if summary["feasible"]:
        metrics_logger.log_value("best_cost", summary["cost"], reduce="min")
