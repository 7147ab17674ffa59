# Functions shared by the scripts of this folder. Sourced, not run:
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

set -euo pipefail

# The package's folder, an absolute path.
package=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The packages that building and starting the program needs (Debian and Ubuntu).
build_packages=(libopenmpi-dev openmpi-bin libopenblas-dev libzstd-dev pkg-config)

# Ends the script with a message.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Prints a command as it could be typed, then runs it.
run() {
  {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
  } >&2
  "$@"
}

# Runs a command as root.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    run "$@"
  elif command -v sudo >/dev/null; then
    run sudo "$@"
  else
    die "this needs root, and there is no sudo. As root, run: $*"
  fi
}

# Prints those of the given Debian packages that are not installed.
missing_packages() {
  local name
  for name in "$@"; do
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
      printf '%s\n' "$name"
    fi
  done
}

# Installs those of the given Debian packages that are missing.
install_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    require_libraries
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  if [[ ${#missing[@]} == 0 ]]; then return; fi
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    die "packages are missing, and there is neither root nor sudo to install them. As root, run:" \
      "apt-get update && apt-get install -y ${missing[*]}"
  fi
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# Checks for the libraries on systems without apt-get.
require_libraries() {
  command -v pkg-config >/dev/null || die "pkg-config is missing; install it and start again."
  local library
  for library in ompi-c openblas libzstd; do
    pkg-config --exists "$library" ||
      die "pkg-config does not find $library. This system has no apt-get; install the" \
        "development files of Open MPI, OpenBLAS and zstd and start again."
  done
}

# Ends the script if no Swift toolchain can build the package.
require_swift() {
  command -v swift >/dev/null ||
    die "there is no swift in the PATH. Install the toolchain, 6.1 or newer, from" \
      "https://www.swift.org/install/linux/ and start again."
  local version major minor
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
  major=${version%%.*} minor=${version#*.}
  if ((${major:-0} < 6 || (major == 6 && minor < 1))); then
    die "Swift 6.1 or newer is needed, and this is ${version:-unknown}. See" \
      "https://www.swift.org/install/linux/."
  fi
}

# Selects the portable build if the processor has no AVX2 and FMA.
select_processor() {
  if [[ -z ${DFERC_PORTABLE:-} ]] &&
    ! { grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; }; then
    printf 'This processor has no AVX2 and FMA; building with DFERC_PORTABLE=1.\n' >&2
    export DFERC_PORTABLE=1
  fi
}

# Allows mpirun as root, as in a container, and more ranks than cores.
allow_mpirun() {
  local ranks=$1
  if [[ $(id -u) == 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  if ((ranks > $(nproc))); then
    export OMPI_MCA_rmaps_base_oversubscribe=1
  fi
}

# Prints the commit of the package.
print_revision() {
  local revision
  if revision=$(git -C "$package" describe --always --dirty 2>/dev/null); then
    printf 'dferc-dist at %s\n' "$revision" >&2
  fi
}
