# The loop `files` of chaos.sh. Sourced.

# The memory that one call may ask for and that the whole process may hold, in megabytes.
largest_allocation=1024
largest_process=6000

# Reads damaged files under AddressSanitizer. The program and the YAML parser are compiled with it;
# of other libraries it checks the heap and copied memory.
loop_files() {
  local count=$1 build=.build/address-sanitizer tests trace=$scratch/trace log=$scratch/files.log
  local flags=(-c release --sanitize=address -Xswiftc -enable-testing --scratch-path "$build")
  select_processor
  run swift build --build-tests "${flags[@]}" >&2
  tests=$(swift build "${flags[@]}" --show-bin-path)/dferc-distPackageTests.xctest
  # Foundation and Swift keep some memory until the process ends, so leaks are not checked.
  local checks=detect_leaks=0:max_allocation_size_mb=$largest_allocation
  checks+=:hard_rss_limit_mb=$largest_process:allocator_may_return_null=0
  if ! ASAN_OPTIONS=$checks DFERC_FUZZ_CASES=$count DFERC_FUZZ_SEED=$seed \
    DFERC_FUZZ_TRACE=$trace timeout -k 10 $((600 + count)) "$tests" \
    --testing-library swift-testing --filter HostileFileTests >"$log" 2>&1; then
    session_log=$log
    violation "reading a damaged file failed; the last one was $(cat "$trace" 2>/dev/null)." \
      "To repeat it alone: DFERC_FUZZ_SEED=$seed DFERC_FUZZ_FIRST=(its number)" \
      "DFERC_FUZZ_CASES=1 $tests --testing-library swift-testing --filter HostileFileTests"
  fi
  grep -a 'cases;' "$log" || true
  end_loop "$(grep -ac 'cases;' "$log") readers, $count files each"
}
