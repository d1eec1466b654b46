#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --array=0-15%3
#SBATCH --constraint=a100
#SBATCH --cpus-per-task=12
#SBATCH --exclude='node[07,12]'
#SBATCH --exclusive
#SBATCH --gpus-per-node=8
#SBATCH --job-name=table1-abc
#SBATCH --mail-user=me@lab
#SBATCH --mem=512512MB
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --open-mode=append
#SBATCH --output='/shared/my results/jobs/table1-abc/%A_%a_0_log.out'
#SBATCH --partition=gpu,long
#SBATCH --qos=high
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=2880
#SBATCH --wckey=submitit

# setup
trap 'echo "error: setup failed at: $BASH_COMMAND" >&2' ERR
set -e
module load cuda
source '/my env/bin/activate'
set +e
trap - ERR
unset RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT VSWIN_ASSISTS
export PYTHONPATH='/shared/my results/code/0123'${PYTHONPATH:+:$PYTHONPATH}
export VSWIN_DATA=/shared/data.yaml
export OMP_NUM_THREADS=4 MKL_NUM_THREADS=4
cd '/shared/my results/code/0123' || exit 1  # Python looks here first

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output '/shared/my results/jobs/table1-abc/%A_%a_%t_log.out' --kill-on-bad-exit=1 --cpus-per-task=12 --cpu-bind=none /my/python -u -m submitit.core._submit '/shared/my results/jobs/table1-abc'
#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --cpus-per-task=2
#SBATCH --dependency=afterany:7:8
#SBATCH --job-name=notebook-def
#SBATCH --mem=8192MB
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output='/shared/my results/jobs/table1-abc/%j_0_log.out'
#SBATCH --partition=gpu,long
#SBATCH --qos=high
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=60
#SBATCH --wckey=submitit

# setup
trap 'echo "error: setup failed at: $BASH_COMMAND" >&2' ERR
set -e
module load cuda
source '/my env/bin/activate'
set +e
trap - ERR
unset RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT VSWIN_ASSISTS
export PYTHONPATH='/shared/my results/code/0123'${PYTHONPATH:+:$PYTHONPATH}
export VSWIN_DATA=/shared/data.yaml
export OMP_NUM_THREADS=2 MKL_NUM_THREADS=2
cd '/shared/my results/code/0123' || exit 1  # Python looks here first

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output '/shared/my results/jobs/table1-abc/%j_%t_log.out' --kill-on-bad-exit=1 --cpus-per-task=2 /my/python -u -m submitit.core._submit '/shared/my results/jobs/table1-abc'
