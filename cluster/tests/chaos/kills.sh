# The loop `kills` of chaos.sh. Sourced.

# Kills a run many times, each time at another place. Neither the number of ranks nor whether they
# share the optimizer's work may show in the end.
loop_kills() {
  local count=$1 steps=$((40 * $1)) made=0 ranks
  local arguments=(--set train.epochs=100000 --set "train.maxSteps=$steps")
  local folder=$scratch/kills
  local -A victims=([rank]=0 [mpirun]=0 [start]=0)
  reference "$scratch/kills-reference" "${arguments[@]}"
  while ((made < count)); do
    ranks=$(random_of 0 1 2 4 8)
    begin "$folder" "$ranks" "${arguments[@]}" --set "optimizer.sharded=$(random_of true false)"
    if (($(random_below 5) == 0)); then
      random_pause 1000
      kill_session start "$ranks"
    else
      await_progress "$folder" "$steps" "$((count - made))"
      kill_session "$(random_of rank rank mpirun)" "$ranks"
    fi
    if ((code == 0)); then
      begin_again "$scratch/kills-reference" "$folder"
    else
      made=$((made + 1))
      expect_sound "$folder"
    fi
  done
  complete "$folder" "${arguments[@]}"
  begin_again "$scratch/kills-reference" "$folder"
  end_loop "$made kills over $steps steps" \
    "(${victims[rank]} of a rank, ${victims[mpirun]} of mpirun, ${victims[start]} while starting)"
}

# Kills a rank or mpirun and waits for the end of all.
#   kill_session VICTIM RANKS
kill_session() {
  local victim=$1 ranks=$2 launcher processes
  launcher=$(launcher_process)
  mapfile -t processes < <(rank_processes "$ranks")
  if ((${#processes[@]} == 0)) || [[ $victim == mpirun ]]; then
    if [[ -n $launcher ]]; then kill -9 "$launcher" 2>/dev/null || true; fi
  else
    kill -9 "$(random_of "${processes[@]}")" 2>/dev/null || true
  fi
  finish $launcher "${processes[@]}"
  case $code in
    0) ;; # it was too fast
    137) victims[$victim]=$((victims[$victim] + 1)) ;;
    *) violation "a killed session ended with $code" ;;
  esac
}
