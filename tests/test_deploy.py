"""The files in deploy/ pass the checks of the programs that read them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parent.parent / "deploy"
pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_cluster_file_passes_rays_validator():
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    filled = fillout_defaults(config)
    validate_config(filled)
    assert filled["head_node_type"] in filled["available_node_types"]
    with pytest.raises(Exception, match="head_node_typ"):
        validate_config({**filled, "head_node_typ": "head"})


def test_the_kuberay_manifest_is_what_rays_autoscaler_reads():
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
    from ray.autoscaler._private.util import validate_config

    cluster, claim = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
    cluster["metadata"]["namespace"] = "default"
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    validate_config(config)
    types = config["available_node_types"]
    assert types["steppers"]["resources"]["CPU"] == 16
    assert types["learners"]["resources"]["GPU"] == 1
    assert types["steppers"]["max_workers"] == 8
    names = {volume["persistentVolumeClaim"]["claimName"] for volume in
             cluster["spec"]["headGroupSpec"]["template"]["spec"]["volumes"]}  # fmt: skip
    assert names == {claim["metadata"]["name"]}
    for group in [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]:
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["limits"].items() >= container["resources"]["requests"].items()


def test_versions_are_those_that_are_tested():
    pinned = re.search(r"^ray==(.*)$", (DEPLOY.parent / "constraints.txt").read_text(), re.M)[1]
    assert f'rayVersion: "{pinned}"' in (DEPLOY / "kuberay.yaml").read_text()
    assert f"rayproject/ray:{pinned}-" in (DEPLOY / "kuberay.yaml").read_text()


def test_the_slurm_script_runs_with_slurm_and_ray_played_by_echo(tmp_path):
    """Under stand-ins for the cluster's commands, the script starts Ray on both nodes and then trains over them."""
    script = DEPLOY / "slurm.sh"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script.read_text(), re.M))
    assert set(directives) == {
        "job-name", "nodes", "ntasks-per-node", "cpus-per-task", "mem", "time", "output", "signal",
    }  # fmt: skip
    assert re.fullmatch(r"\d\d:\d\d:\d\d", directives["time"])
    log = tmp_path / "log"
    for name, body in (
        ("scontrol", "printf 'node1\\nnode2\\n'"),
        ("srun", f'echo "srun $*" >> {log}; case "$*" in *hostname*) echo 10.0.0.1;; esac'),
        ("sleep", ":"),
        ("placezoo", f'echo "placezoo $*" >> {log}'),
    ):
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "16", "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7",
    }  # fmt: skip
    assert shutil.which("bash")
    subprocess.run(["bash", script, "EdgePlace-v0", "--dataset", "giph"], env=env, check=True)
    said = log.read_text()
    assert "ray start --head --node-ip-address=10.0.0.1 --port=6379" in said
    assert "--exclude=node1 ray start --address=10.0.0.1:6379" in said
    assert (
        "placezoo train EdgePlace-v0 --dataset giph --backend rllib --env-runners 30 --address 10.0.0.1:6379 "
        f"--checkpoint-minutes 5 --out {tmp_path}/runs/7"
    ) in said.splitlines()
    usage = subprocess.run(["bash", script], env=env, check=False, capture_output=True, text=True)
    assert usage.returncode == 2
    assert usage.stderr.startswith("usage:")
