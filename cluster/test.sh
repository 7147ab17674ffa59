#!/usr/bin/env bash
# Runs every test: installs what the tests need, runs them (those that need ranks start mpirun), and
# checks the format of the sources. Ends with 0 only if everything passed.
#
#   cluster/test.sh                            on one machine; nothing but the toolchain is needed
#
# On a node of a cluster without root rights, load Open MPI, OpenBLAS and zstd first, for example:
#
#   module load openmpi openblas zstd && cluster/test.sh
#
# DFERC_PYTHON names a Python that has the packages safetensors and numpy; DFERC_DATA names the
# folder of the real datasets. Tests that need something absent are skipped with a message.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Tests are compiled with other flags than the program, so each has a build folder.
scratch=.build/tests
flags=(-c release -Xswiftc -enable-testing --scratch-path "$scratch")
log=$scratch/test.log
failures=()

# Runs a step and records its failure; the steps after it run all the same.
step() {
  local name=$1
  shift
  printf '\n== %s ==\n' "$name"
  if ! run "$@" 2>&1 | tee -a "$log"; then failures+=("$name"); fi
}

# Whether the Python of the tests has what they need.
python_is_ready() {
  "${DFERC_PYTHON:-python3}" -c 'import safetensors.numpy' 2>/dev/null
}

# Installs the Python packages that open checkpoints into the build folder.
prepare_python() {
  export PYTHONPATH=$package/$scratch/python${PYTHONPATH:+:$PYTHONPATH}
  if python_is_ready; then return; fi
  if ! "${DFERC_PYTHON:-python3}" -m pip --version >/dev/null 2>&1; then
    (install_packages python3 python3-pip) || true
  fi
  run timeout 180 "${DFERC_PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check \
    --target "$scratch/python" safetensors numpy || true
  if ! python_is_ready; then
    printf 'No Python with safetensors and numpy was found: the tests that need one are %s\n' \
      'skipped. DFERC_PYTHON can name one.' >&2
  fi
}

cd "$package"
print_revision
install_packages "${build_packages[@]}" zstd
require_swift
select_processor
mkdir -p "$scratch"
: >"$log"
prepare_python
# More ranks than cores are part of the tests.
allow_mpirun 1000

run swift build --build-tests "${flags[@]}"
# Without --skip-build, everything would be compiled once more.
step "tests" swift test --skip-build "${flags[@]}"

# Short chaos loops; long ones take counts in the hundreds.
program=$(swift build "${flags[@]}" --show-bin-path)/dferc-dist
for loop in "kills 4" "writes 12" "signals 6" "faults 6" "files 20"; do
  # shellcheck disable=SC2086 # the loop and its count
  step "chaos: $loop" cluster/tests/chaos.sh --program "$program" $loop
done

step "format" swift format lint --strict --recursive Sources Tests Package.swift

printf '\n== summary ==\n'
grep -a 'Test run with' "$log" || true
if [[ ${#failures[@]} -gt 0 ]]; then
  printf 'FAILED: %s\n' "${failures[@]}"
  exit 1
fi
printf 'everything passed\n'
