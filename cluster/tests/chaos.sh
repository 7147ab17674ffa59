#!/usr/bin/env bash
# Disturbs real runs again and again, and holds what they leave behind against what they promise.
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
              random moment; it goes on each time on 1, 2, 4 or 8 ranks. Its parameters, metrics,
              samples and result must be those of a run that was never disturbed.
  writes N    SIGKILL of rank 0 at N random bytes of a checkpoint that is being written. A sound
              checkpoint must be found each time, and no temporary file left by the next start.
  signals N   N random signals to mpirun, to one rank or to a run of its own, at random moments. The
              run must save the step it was in and end with 75; what mpirun cuts short must leave a
              sound checkpoint. In the end the run must be as one that was never disturbed.
  faults [N]  errors, early ends, stopped and killed ranks, NaN and flipped bits in every phase of a
              run, or N of them at random: every rank must end, with the documented exit code and
              one message that names rank and phase.
  files N     N spoilt files for each reader of files, under the address sanitizer.
  all N       all of these.

  --seed S        the seed of all random choices, by default the time. Each loop prints it
                  and, but for `files`, each choice ("drawn: ..."): the same seed, loop and N draw the
                  same list. Moments follow the speed of the machine, and a run that ends by itself
                  adds a round.
  --program FILE  the program, instead of one that is built first.

Ends with 1 if anything was not as promised; the folder with the remains is then kept and named.
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
