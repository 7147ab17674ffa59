# Functions shared by the loops of chaos.sh: a small run, its sessions, the checks. Sourced.

violations=0
session_count=0
# The seconds after which a session counts as hung.
patience=120

# Builds the program and makes a small dataset and a small run on it.
prepare_runs() {
  allow_mpirun 1000
  if [[ -z $program ]]; then
    select_processor
    run swift build -c release --product dferc-dist >&2
    program=$(swift build -c release --show-bin-path)/dferc-dist
  fi
  export PYTHONDONTWRITEBYTECODE=1
  command -v python3 >/dev/null || die "python3 is missing; the loops compare runs with it."
  config=$scratch/small.yaml
  data=$scratch/data
  "$program" data synthesize --output "$data" --scale 0.05 >/dev/null
  cat >"$config" <<'YAML'
model: {width: 24, alignmentWidth: 20, contextHidden: 16}
optimizer: {warmupSteps: 5}
train: {dialoguesPerBatch: 8, microBatches: 8}
checkpoint: {everySteps: 3, keepLast: 3}
YAML
}

# Starts a session of training in the background: alone for 0 ranks, else under mpirun.
#   begin FOLDER RANKS ARGUMENT...
begin() {
  local folder=$1 ranks=$2 launcher=()
  shift 2
  if ((ranks > 0)); then launcher=(mpirun -np "$ranks"); fi
  session_count=$((session_count + 1))
  session_log=$scratch/session-$session_count.log
  printf '%s\n' "${launcher[*]} train --output $folder $*" >"$session_log"
  # The shell lets its background jobs ignore SIGINT.
  env --default-signal=INT,QUIT timeout -k 10 "$patience" "${launcher[@]}" "$program" train \
    --config "$config" --data "$data" --output "$folder" --resume auto --log-samples --threads 1 \
    "$@" >>"$session_log" 2>&1 &
  session=$!
}

# Waits for the end of the session and sets `code`; a process that is left is a violation.
#   finish PROCESS...
finish() {
  local pid
  code=0
  # The shell prints a line for every process that a signal has ended.
  { wait "$session" || code=$?; } 2>/dev/null
  if ((code == 124)); then violation "a session hung for $patience seconds"; fi
  for pid in "$@"; do
    for _ in {1..100}; do
      kill -0 "$pid" 2>/dev/null || continue 2
      sleep 0.1
    done
    violation "process $pid outlived its session by ten seconds"
    kill -9 "$pid" 2>/dev/null || true
  done
}

# Whether the session is running.
is_running() { kill -0 "$session" 2>/dev/null; }

# The program or mpirun: the process that the session's timeout has started.
launcher_process() { pgrep -P "$session" || true; }

# The processes of the ranks: those below mpirun, or the program itself.
#   rank_processes RANKS
rank_processes() {
  local launcher
  launcher=$(launcher_process)
  if [[ $1 == 0 || -z $launcher ]]; then
    printf '%s' "$launcher"
  else
    pgrep -P "$launcher" || true
  fi
}

# The step of the last row of a run's metrics; 0 where there is none.
last_step() {
  local step
  step=$(tail -n 1 "$1/metrics.jsonl" 2>/dev/null | sed -n 's/.*"step":\([0-9]*\).*/\1/p')
  printf '%s' "${step:-0}"
}

# The step of the newest checkpoint, sound or not; 0 where there is none.
newest_checkpoint() {
  local file
  file=$(find "$1/checkpoints" -name 'step-*.safetensors.zst' 2>/dev/null | sort | tail -n 1)
  file=${file##*step-}
  file=${file%%.*}
  printf '%s' "$((10#${file:-0}))"
}

# Draws a number from 0 up to but not including a limit into `drawn`. Bash seeds RANDOM anew in each
# subshell, so nothing may be drawn in a command substitution or a pipeline.
draw_below() {
  ((BASH_SUBSHELL == 0)) || die "a random choice in a subshell does not follow the seed."
  drawn=$(((RANDOM << 15 | RANDOM) % $1))
}

# Draws one of the arguments into `drawn`.
draw_of() {
  draw_below $#
  local index=$((drawn + 1))
  drawn=${!index}
}

# Prints the choices of a round.
print_choices() { printf 'drawn: %s\n' "$*"; }

# Waits some milliseconds, fewer than 1000.
#   pause MILLISECONDS
pause() { sleep "$(printf '0.%03d' "$1")"; }

# Trains an undisturbed run to the end.
#   reference FOLDER ARGUMENT...
reference() {
  begin "$1" 0 "${@:2}"
  finish
  ((code == 0)) || die "an undisturbed run ended with $code; see $session_log"
}

# Resumes the run and trains it to the end.
#   complete FOLDER ARGUMENT...
complete() {
  draw_of 0 1 2 4 8
  print_choices "last session, ranks $drawn"
  begin "$1" "$drawn" "${@:2}"
  finish
  if ((code != 0)); then violation "the last session ended with $code"; fi
}

# Compares a disturbed run with an undisturbed one.
#   expect_same REFERENCE RUN
expect_same() {
  local difference compare=$package/cluster/tests/chaos/compare.py
  if ! difference=$(python3 "$compare" "$program" "$1" "$2" 2>&1); then
    violation "the run differs from an undisturbed one: $difference"
  fi
}

# Waits until a run has made a part of the steps that are left, and some milliseconds more.
#   await_progress FOLDER STEPS PARTS PERMILLE MILLISECONDS
await_progress() {
  local folder=$1 now target
  now=$(last_step "$folder")
  target=$((now + 1 + $4 * (3 * ($2 - now) / (2 * ($3 + 1)) + 1) / 1000))
  while is_running && (($(last_step "$folder") < target)); do sleep 0.01; done
  pause "$5"
}

# Compares a run that has ended and removes it, so that the next session starts a new one.
#   begin_again REFERENCE RUN
begin_again() {
  expect_clean "$2"
  expect_same "$1" "$2"
  rm -rf "$2"
}

# Checks that every checkpoint is sound. A run that ended before its first save has none.
#   expect_sound RUN
expect_sound() {
  local found
  if (($(newest_checkpoint "$1") == 0)); then return; fi
  if ! found=$("$program" checkpoint verify "$1" 2>&1); then violation "$found"; fi
}

# Checks that no half-written file and no lock is left.
#   expect_clean RUN
expect_clean() {
  local files
  files=$(find "$1" -name '*.tmp' -o -name 'run.lock' 2>&1) || true
  if [[ -n $files ]]; then violation "files were left behind: $files"; fi
}

begin_loop() {
  loop_violations=$violations
  loop_start=$SECONDS
  printf '\n== %s, seed %s ==\n' "$1" "$seed"
}

# Prints the outcome of a loop in one line.
end_loop() {
  local found=$((violations - loop_violations))
  printf '%s: %s; %s violations in %s s\n' "$loop" "$*" "$found" "$((SECONDS - loop_start))"
}

violation() {
  violations=$((violations + 1))
  printf 'VIOLATION: %s\n' "$*"
  if [[ -n ${session_log:-} ]]; then
    printf '  session %s:\n' "$session_log"
    tail -n 5 "$session_log" | sed 's/^/    /'
  fi
}

# Removes the scratch folder, or keeps and names it.
leave() {
  local status=$?
  if [[ -n ${session:-} ]] && is_running; then kill "$session" 2>/dev/null || true; fi
  if ((status == 0 && violations == 0)); then
    rm -rf "$scratch"
    exit 0
  fi
  printf '\nseed %s; everything is kept in %s\n' "$seed" "$scratch"
  exit 1
}
