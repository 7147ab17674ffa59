# The loop `faults` of chaos.sh. Sourced.

# Injects every kind of fault in every phase, each in a run of its own on three ranks.
loop_faults() {
  local count=${1:-} faults line fault codes words
  slowest=0 slowest_fault=
  mapfile -t faults < <(list_faults)
  if [[ -n $count ]] && ((count < ${#faults[@]})); then
    choose_faults "$count"
  fi
  for line in "${faults[@]}"; do
    IFS='|' read -r fault codes words <<<"$line"
    draw_below 3
    print_choices "$fault, rank $drawn"
    try_fault "$fault" "$drawn" "$codes" "$words"
  done
  end_loop "${#faults[@]} faults, each on one rank of three;" \
    "the slowest job, $slowest_fault, took $slowest seconds with its start"
}

# Prints for each fault the exit codes that it may end with and words of its one message; `-`: the
# program cannot print one.
list_faults() {
  local place
  for place in load open plan,step=2 load,step=2 forward,step=2 losses,step=2 sums,step=2 \
    backward,step=2 allreduce,step=2 update,step=2 compare,step=2 log,step=2 evaluate,step=7 \
    save,step=3; do
    printf '%s|70|an injected error\n' "throw@$place"
    printf '%s|80|no progress\n' "stop@$place" "finalize@$place" "sleep:60@$place"
    # Open MPI ends a job with 1 if a process exits without MPI_Finalize.
    printf '%s|1 80|-\n' "exit@$place"
    printf '%s|137|-\n' "kill@$place"
    printf '%s|75|stopped on request\n' "signal:TERM@$place" "signal:USR1@$place"
  done
  printf '%s|79|NaN or infinite\n' nan@backward,step=2
  printf '%s|76|holds other bits of\n' flip@allreduce,step=2 flip@update,step=2
}

# Keeps COUNT of the faults, in random order.
#   choose_faults COUNT
choose_faults() {
  local count=$1 place other
  for ((place = 0; place < count; place++)); do
    draw_below "$((${#faults[@]} - place))"
    other=${faults[place + drawn]}
    faults[place + drawn]=${faults[place]}
    faults[place]=$other
  done
  faults=("${faults[@]:0:count}")
}

# Runs one fault and checks how the job ends.
#   try_fault FAULT RANK CODES WORDS
try_fault() {
  local fault=$1 rank=$2 codes=$3 words=$4 folder=$scratch/fault start=$SECONDS
  rm -rf "$folder"
  begin "$folder" 3 --set train.maxSteps=12 --set train.stallSeconds=4 \
    --set checkpoint.stallSeconds=5 --set train.replicaCheckSteps=2 \
    --inject-fault "$fault,rank=$rank"
  finish_fault
  if [[ " $codes " != *" $code "* ]]; then
    violation "$fault on rank $rank ended with $code, not $codes"
    return
  fi
  local seconds=$((SECONDS - start))
  if ((seconds > slowest)); then slowest=$seconds slowest_fault=$fault; fi
  # The limits, five seconds more, and as many again for the start on a busy machine.
  if ((seconds > 20)); then violation "$fault took $seconds seconds"; fi
  # The message of a stop on request is for all ranks; any other names its rank.
  if [[ $words != - ]]; then expect_message "$fault" "$rank" "$words"; fi
}

# Waits for the end of the job; no process of it may be left.
finish_fault() {
  local processes
  for _ in {1..100}; do
    mapfile -t processes < <(rank_processes 3)
    if ((${#processes[@]} >= 3)) || ! is_running; then break; fi
    sleep 0.01
  done
  finish "${processes[@]}"
}

# Checks that the session ended with one message that has the words and names the rank.
#   expect_message FAULT RANK WORDS
expect_message() {
  local fault=$1 rank=$2 words=$3 lines
  if [[ $words == "stopped on request" ]]; then
    grep -q "^stopped on request" "$session_log" || violation "$fault: no message tells of the stop"
    return
  fi
  mapfile -t lines < <(grep '^dferc-dist' "$session_log")
  if ((${#lines[@]} != 1)); then violation "$fault: ${#lines[@]} messages instead of one"; fi
  if [[ ${lines[0]:-} != *"$words"* || ${lines[0]:-} != *"rank $rank"* ]]; then
    violation "$fault on rank $rank: the message is: ${lines[0]:-}"
  fi
}
