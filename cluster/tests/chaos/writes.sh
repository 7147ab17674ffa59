# The loop `writes` of chaos.sh. Sourced.

# Kills rank 0 at COUNT random bytes of the checkpoints that it writes.
#   loop_writes COUNT
loop_writes() {
  local count=$1 steps=60 folder=$scratch/writes made byte size cut=0
  local arguments=(--set train.epochs=100000 --set "train.maxSteps=$steps")
  local newest=$scratch/writes-reference/checkpoints/step-00000060.safetensors.zst
  reference "$scratch/writes-reference" "${arguments[@]}"
  size=$(stat -c %s "$newest")
  for ((made = 1; made <= count; made++)); do
    # Every fifth time the run is advanced, so that other checkpoints are cut.
    if ((made % 5 == 1)) || (($(newest_checkpoint "$folder") == 0)); then
      advance "$folder" "${arguments[@]}"
    fi
    draw_below "$size" && byte=$drawn
    print_choices "round $made, byte $byte of $size"
    begin "$folder" "$((made % 10 == 0 ? 2 : 0))" "${arguments[@]}" \
      --inject-fault "kill@write,byte=$byte,rank=0"
    finish
    case $code in
      0) begin_again "$scratch/writes-reference" "$folder" ;; # every file was shorter
      137) cut=$((cut + 1)) && expect_survivor "$folder" ;;
      *) violation "a session killed at byte $byte ended with $code" ;;
    esac
  done
  complete "$folder" "${arguments[@]}"
  begin_again "$scratch/writes-reference" "$folder"
  end_loop "$cut of $count writes cut at a random byte of $size," \
    "and a sound checkpoint looked for after each"
}

# Checks that there is a sound checkpoint, and no temporary file but that of the interrupted write.
#   expect_survivor RUN
expect_survivor() {
  local files
  if (($(newest_checkpoint "$1") == 0)); then violation "no checkpoint is left"; fi
  expect_sound "$1"
  mapfile -t files < <(find "$1" -name '*.tmp')
  if ((${#files[@]} > 1)); then violation "several temporary files are left: ${files[*]}"; fi
}

# Trains a few steps and stops the run on request; at its end, a new run is started.
#   advance RUN ARGUMENT...
advance() {
  local folder=$1 before
  shift
  before=$(newest_checkpoint "$folder")
  begin "$folder" 0 "$@" --inject-fault "signal:TERM@plan,step=$((before + 4))"
  finish
  case $code in
    0) begin_again "$scratch/writes-reference" "$folder" && advance "$folder" "$@" ;;
    75) ;;
    *) violation "a session that was asked to stop ended with $code" ;;
  esac
}
