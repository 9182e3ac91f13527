#!/usr/bin/env bash
# Starts a Slurm of one node (Debian: slurm-wlm, munge; as root) in a temporary folder, has it do a small
# batch, and prints what Slurm says of the jobs.
#   tools/slurm-check.sh [PROGRAM]
set -euo pipefail
program=$(realpath "${1:-$(dirname "$0")/../target/release/lacuna}")
for needed in munged slurmctld slurmd sbatch scontrol; do
  command -v "$needed" >/dev/null || { echo "tools/slurm-check.sh: no $needed: apt-get install slurm-wlm munge" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "tools/slurm-check.sh: Slurm's daemons need root" >&2; exit 1; }

here=$(mktemp -d)
daemons=()
stop() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$here"
}
trap stop EXIT
mkdir -p "$here"/{munge,state,spool,work}
chmod 755 "$here"
chmod 700 "$here/munge"
dd if=/dev/urandom of="$here/munge/key" bs=1024 count=1 status=none
chmod 400 "$here/munge/key"
name=$(hostname -s)
cat > "$here/slurm.conf" <<END
ClusterName=check
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=27817
SlurmdPort=27818
AuthType=auth/munge
AuthInfo=socket=$here/munge/socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$here/jobs.txt
MinJobAge=3600
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$name Default=YES MaxTime=10 State=UP
END
export SLURM_CONF=$here/slurm.conf
# Its folder is not that of the packages, whose owner and rights it would check.
munged --foreground --force --socket="$here/munge/socket" --key-file="$here/munge/key" \
  --pid-file="$here/munge/pid" --log-file="$here/munge/log" --seed-file="$here/munge/seed" \
  > /dev/null 2>&1 & daemons+=($!)
for _ in $(seq 50); do [ -S "$here/munge/socket" ] && break; sleep 0.1; done
slurmctld -D -f "$SLURM_CONF" > "$here/slurmctld.log" 2>&1 & daemons+=($!)
slurmd -D -f "$SLURM_CONF" -N "$name" > "$here/slurmd.log" 2>&1 & daemons+=($!)
for _ in $(seq 100); do [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && break; sleep 0.2; done
sinfo || { tail "$here"/*.log >&2; exit 1; }

cd "$here/work"
for seed in 1 2 3; do
  "$program" simulate --shape 64,64 --seed "$seed" -q --output "scan_$seed.cxi"
  rm -f "scan_$seed-truth.cxi"
done
echo "no pattern" > scan_4.cxi
"$program" batch --slurm-template | sed 's/--cpus-per-task=4/--cpus-per-task=1/; s/--time=.*/--time=5/' > mine.sbatch
"$program" batch 'scan_*.cxi' --preset particle --nb-run 2 --algorithm '(Sup*ER**10)**4' --output night --slurm=mine.sbatch
for _ in $(seq 600); do [ -z "$(squeue -h)" ] && break; sleep 0.2; done

# Fields of jobs, one job a line.
fields() { while read -r job; do tr ' ' '\n' <<< "$job" | grep -E "^($1)=" | paste -sd' '; done; }
echo "== scontrol show job"
scontrol --oneliner show job | fields 'JobId|ArrayJobId|ArrayTaskId|JobName|Dependency|JobState|ExitCode|RunTime'
echo "== accounting of ended jobs (a text file: without slurmdbd, sacct has nothing)"
fields 'JobId|Name|JobState|StartTime|EndTime|ArrayTaskId|ExitCode' < "$here/jobs.txt"
echo "== summary.csv"
cut -d, -f2-4,6 night/summary.csv
[ -s night/index.html ]
cat night/slurm/*.out
