# The loop `kills` of chaos.sh. Sourced.

# Kills a run COUNT times at random moments and resumes it, on random numbers of ranks, with the
# optimizer sharded or not. The results must be those of an undisturbed run.
#   loop_kills COUNT
loop_kills() {
  local count=$1 steps=$((40 * $1)) made=0 round=0
  local ranks sharded victim target permille milliseconds
  local arguments=(--set train.epochs=100000 --set "train.maxSteps=$steps")
  local folder=$scratch/kills
  local -A victims=([rank]=0 [mpirun]=0 [start]=0)
  reference "$scratch/kills-reference" "${arguments[@]}"
  while ((made < count)); do
    # Every round draws the same number of times, whatever the run does meanwhile.
    round=$((round + 1))
    draw_of 0 1 2 4 8 && ranks=$drawn
    draw_of true false && sharded=$drawn
    draw_of start start start rank rank rank rank rank rank rank rank mpirun mpirun mpirun mpirun
    victim=$drawn
    draw_below 840 && target=$drawn
    draw_below 1000 && permille=$drawn
    draw_below 1000 && milliseconds=$drawn
    print_choices "round $round, ranks $ranks, sharded $sharded, victim $victim, process $target," \
      "permille $permille, milliseconds $milliseconds"
    begin "$folder" "$ranks" "${arguments[@]}" --set "optimizer.sharded=$sharded"
    if [[ $victim == start ]]; then
      pause "$milliseconds"
    else
      await_progress "$folder" "$steps" "$((count - made))" "$permille" "$((milliseconds % 40))"
    fi
    kill_session "$victim" "$ranks" "$target"
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

# Kills a rank or mpirun and waits until all processes have ended.
# The rank is NUMBER modulo their count.
#   kill_session VICTIM RANKS NUMBER
kill_session() {
  local victim=$1 ranks=$2 launcher processes
  launcher=$(launcher_process)
  mapfile -t processes < <(rank_processes "$ranks")
  if ((${#processes[@]} == 0)) || [[ $victim == mpirun ]]; then
    if [[ -n $launcher ]]; then kill -9 "$launcher" 2>/dev/null || true; fi
  else
    kill -9 "${processes[$3 % ${#processes[@]}]}" 2>/dev/null || true
  fi
  finish $launcher "${processes[@]}"
  case $code in
    0) ;; # it ended before the kill
    137) victims[$victim]=$((victims[$victim] + 1)) ;;
    *) violation "a killed session ended with $code" ;;
  esac
}
