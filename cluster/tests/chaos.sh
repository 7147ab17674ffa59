#!/usr/bin/env bash
# Kills and signals real runs, injects faults, and checks the results against the promises.
#
#   cluster/tests/chaos.sh kills 50            SIGKILL to ranks and to mpirun, 50 times in one run
#   cluster/tests/chaos.sh --seed 7 all 10     every loop in a short form
#
# On a node of a cluster, inside an allocation and with Open MPI, OpenBLAS and zstd loaded:
#
#   module load openmpi openblas zstd && cluster/tests/chaos.sh all 50

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
for part in session kills writes signals faults files; do
  source "$package/cluster/tests/chaos/$part.sh"
done

usage() {
  cat <<'TEXT'
usage: cluster/tests/chaos.sh [--seed S] [--program FILE] LOOP [N]

  kills N     one run of train.microBatches = 8, killed N times: a random rank, or mpirun, at a
              random moment; it is resumed each time on 1, 2, 4 or 8 ranks. Its parameters, metrics,
              samples and result must be those of an undisturbed run.
  writes N    SIGKILL of rank 0 at N random bytes of a checkpoint that is being written. A sound
              checkpoint must be found each time, and no temporary file left by the next start.
  signals N   N random signals to mpirun, to one rank or to a run of its own, at random moments. The
              run must save the step it was in and end with 75; what mpirun cuts short must leave a
              sound checkpoint. The results must be those of an undisturbed run.
  faults [N]  errors, early exits, stopped and killed ranks in every phase of a run, NaN and flipped
              bits, or N of them at random: every rank must end, with the documented exit code and
              one message that names rank and phase.
  files N     N damaged files for each reader of files, under AddressSanitizer.
  all N       all of these.

  --seed S        the seed of all random choices, by default the time. Each loop prints it
                  and, except `files`, each choice ("drawn: ..."): the same seed, loop and N draw
                  the same list. Moments depend on the speed of the machine, and a run that ends
                  by itself adds a round.
  --program FILE  the program, instead of one that is built first.

Ends with 1 if a promise was broken; the folder of the runs is then kept and named.
TEXT
}

seed=$(date +%s)
program=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --seed) seed=${2:?"--seed needs a number"} && shift 2 ;;
    --program) program=$(realpath "${2:?"--program needs a file"}") && shift 2 ;;
    --help) usage && exit ;;
    *) usage >&2 && exit 64 ;;
  esac
done
loop=${1:-} count=${2:-}
case $loop in
  kills | writes | signals | files | all)
    [[ $count =~ ^[1-9][0-9]*$ ]] || die "$loop needs the number of times, such as: $loop 10"
    ;;
  faults) [[ $count =~ ^([1-9][0-9]*)?$ ]] || die "faults takes a number, not '$count'." ;;
  *) usage >&2 && exit 64 ;;
esac

cd "$package"
print_revision
scratch=$(mktemp -d "${TMPDIR:-/tmp}/dferc-chaos-XXXXXX")
trap leave EXIT
if [[ $loop == all ]]; then loops=(kills writes signals faults files); else loops=("$loop"); fi
if [[ ${loops[*]} != files ]]; then prepare_runs; fi
for loop in "${loops[@]}"; do
  RANDOM=$seed
  begin_loop "$loop"
  "loop_$loop" "$count"
done
