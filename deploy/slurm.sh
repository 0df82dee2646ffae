#!/bin/bash
# sbatch deploy/slurm.sh ENV [options of placezoo train]
# Starts Ray on every node of the allocation and trains over all of them; the first node holds the learner.
#SBATCH --job-name=placezoo
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --output=placezoo-%j.log
#SBATCH --signal=B:TERM@120

set -euo pipefail

if [[ $# -lt 1 ]]; then
  echo "usage: sbatch deploy/slurm.sh ENV [options of placezoo train]" >&2
  exit 2
fi

port=6379
head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | awk 'NR == 1')
head_ip=$(srun --nodes=1 --ntasks=1 -w "$head_node" hostname --ip-address | awk '{print $1}')
runners=$(( SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK - 2 ))

srun --nodes=1 --ntasks=1 -w "$head_node" \
  ray start --head --node-ip-address="$head_ip" --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" \
  --include-dashboard=false --block &
sleep 15
if [[ "$SLURM_JOB_NUM_NODES" -gt 1 ]]; then
  srun --nodes=$(( SLURM_JOB_NUM_NODES - 1 )) --ntasks=$(( SLURM_JOB_NUM_NODES - 1 )) --exclude="$head_node" \
    ray start --address="$head_ip:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
  sleep 15
fi

out="${PLACEZOO_OUT:-$SLURM_SUBMIT_DIR/runs/$SLURM_JOB_ID}"
placezoo train "$@" --backend rllib --env-runners "$runners" --address "$head_ip:$port" --checkpoint-minutes 5 --out "$out"
