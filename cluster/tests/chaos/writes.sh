# The loop `writes` of chaos.sh. Sourced.

# Kills rank 0 at random bytes of a checkpoint that it writes.
loop_writes() {
  local count=$1 steps=60 folder=$scratch/writes made byte size cut=0
  local arguments=(--set train.epochs=100000 --set "train.maxSteps=$steps")
  local newest=$scratch/writes-reference/checkpoints/step-00000060.safetensors.zst
  reference "$scratch/writes-reference" "${arguments[@]}"
  size=$(stat -c %s "$newest")
  for ((made = 1; made <= count; made++)); do
    # Now and then the run goes a little further, so that other checkpoints are cut.
    if ((made % 5 == 1)) || (($(newest_checkpoint "$folder") == 0)); then
      advance "$folder" "${arguments[@]}"
    fi
    draw_below "$size" && byte=$drawn
    tell_choices "round $made, byte $byte of $size"
    begin "$folder" "$((made % 10 == 0 ? 2 : 0))" "${arguments[@]}" \
      --inject-fault "kill@write,byte=$byte,rank=0"
    finish
    case $code in
      0) begin_again "$scratch/writes-reference" "$folder" ;; # every file was shorter than that
      137) cut=$((cut + 1)) && expect_survivor "$folder" ;;
      *) violation "a session killed at byte $byte ended with $code" ;;
    esac
  done
  complete "$folder" "${arguments[@]}"
  begin_again "$scratch/writes-reference" "$folder"
  end_loop "$cut of $count writes cut at a random byte of $size," \
    "and a sound checkpoint looked for after each"
}

# There must be a sound checkpoint, and no temporary file but that of the write that was cut.
expect_survivor() {
  local files
  if (($(newest_checkpoint "$1") == 0)); then violation "no checkpoint is left"; fi
  expect_sound "$1"
  mapfile -t files < <(find "$1" -name '*.tmp')
  if ((${#files[@]} > 1)); then violation "temporary files pile up: ${files[*]}"; fi
}

# Lets the run make a few steps and stop in good order; where it comes to its end, a new one does.
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
