# The loop `signals` of chaos.sh. Sourced.

# Sends COUNT random signals to random processes of a run.
#   loop_signals COUNT
loop_signals() {
  local count=$1 steps=$((60 * $1)) folder=$scratch/signals made=0 round=0
  local signal ranks early target permille milliseconds
  local arguments=(--set train.epochs=100000 --set "train.maxSteps=$steps")
  arguments+=(--set checkpoint.everySteps=20)
  local -A endings=([75]=0 [1]=0)
  reference "$scratch/signals-reference" "${arguments[@]}"
  while ((made < count)); do
    # Every round draws the same number of times, whatever the run does meanwhile.
    round=$((round + 1))
    draw_of 0 1 2 4 8 && ranks=$drawn
    draw_of USR1 TERM INT && signal=$drawn
    draw_of true false false false && early=$drawn
    draw_below 2520 && target=$drawn
    draw_below 1000 && permille=$drawn
    draw_below 1000 && milliseconds=$drawn
    print_choices "round $round, ranks $ranks, signal $signal, early $early, process $target," \
      "permille $permille, milliseconds $milliseconds"
    begin "$folder" "$ranks" "${arguments[@]}"
    if [[ $early == true ]]; then
      # While the data are read or the run folder is opened.
      wait_for_handlers "$ranks"
      pause "$((milliseconds % 300))"
    else
      await_progress "$folder" "$steps" "$((count - made))" "$permille" "$((milliseconds % 40))"
    fi
    send "$signal" "$ranks" "$target"
    if ((code == 0)); then
      begin_again "$scratch/signals-reference" "$folder"
    else
      made=$((made + 1))
      endings[$code]=$((${endings[$code]:-0} + 1))
      expect_saved "$folder"
    fi
  done
  complete "$folder" "${arguments[@]}"
  begin_again "$scratch/signals-reference" "$folder"
  end_loop "$made signals over $steps steps (${endings[75]} times 75," \
    "${endings[1]} times cut short by mpirun)"
}

# Waits until all ranks have installed their signal handlers.
#   wait_for_handlers RANKS
wait_for_handlers() {
  local process mask
  while is_running; do
    mapfile -t processes < <(rank_processes "$1")
    if ((${#processes[@]} >= ($1 > 0 ? $1 : 1))); then break; fi
    sleep 0.01
  done
  for process in "${processes[@]}"; do
    while is_running; do
      mask=$(sed -n 's/^SigCgt:\t//p' "/proc/$process/status" 2>/dev/null) || break # it has ended
      if ((0x${mask:-0} & 0x200)); then break; fi
      sleep 0.01
    done
  done
}

# Sends a signal to mpirun, to one rank or to the program alone, and checks the exit code.
# The process is NUMBER modulo their count.
#   send SIGNAL RANKS NUMBER
send() {
  local signal=$1 ranks=$2 launcher processes victim candidates expected=(75)
  wait_for_handlers "$ranks"
  launcher=$(launcher_process)
  mapfile -t processes < <(rank_processes "$ranks")
  candidates=("$launcher" "${processes[@]}")
  victim=${candidates[$3 % ${#candidates[@]}]}
  # mpirun ends any job two seconds after a SIGTERM or SIGINT, with 1.
  if [[ $victim == "$launcher" && $ranks != 0 && $signal != USR1 ]]; then expected=(75 1); fi
  if [[ -n $victim ]]; then kill "-$signal" "$victim" 2>/dev/null || true; fi
  finish $launcher "${processes[@]}"
  if ((code == 0)); then return; fi
  if [[ " ${expected[*]} " != *" $code "* ]]; then
    violation "SIG$signal to process $victim of $ranks ranks ended with $code, not ${expected[*]}"
  fi
}

# Checks that a run that ended with 75 has saved its last step, or the one before.
#   expect_saved RUN
expect_saved() {
  local rows saved
  expect_sound "$1"
  rows=$(last_step "$1")
  saved=$(newest_checkpoint "$1")
  if ((code == 75 && saved < rows - 1)); then
    violation "it ended with 75 after step $rows, but the newest checkpoint is of step $saved"
  fi
}
