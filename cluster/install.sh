#!/usr/bin/env bash
# Builds dferc-dist with the Swift runtime linked in and installs it, with shell completions.
#
#   cluster/install.sh                         to /usr/local/bin
#   cluster/install.sh ~/.local                to ~/.local/bin
#
# On a cluster, install to a folder that all nodes share, or copy PREFIX/bin/dferc-dist to each.
# Nodes need no Swift toolchain, only these packages of Debian 12:
#
#   apt-get install openmpi-bin libopenmpi3 libopenblas0-pthread libzstd1

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

prefix=${1:-/usr/local}
runtime_packages=(openmpi-bin libopenmpi3 libopenblas0-pthread libzstd1)

# Warns of runtime packages that are not installed.
check_runtime_packages() {
  command -v dpkg-query >/dev/null || return 0
  local missing
  mapfile -t missing < <(missing_packages "${runtime_packages[@]}")
  if [[ ${#missing[@]} == 0 ]]; then
    printf 'runtime packages: %s are installed\n' "${runtime_packages[*]}" >&2
  else
    printf 'warning: not installed: %s (other releases of Debian may name them otherwise)\n' \
      "${missing[*]}" >&2
  fi
}

# Ends the script unless a program finds all its libraries and needs none of Swift's.
check_libraries() {
  local libraries
  libraries=$(ldd "$1")
  if grep -q 'not found' <<<"$libraries"; then
    die "$1 lacks libraries: $(grep 'not found' <<<"$libraries")"
  fi
  if grep -qE 'lib(swift|Foundation|_Foundation|dispatch|BlocksRuntime)' <<<"$libraries"; then
    die "$1 still needs the Swift runtime: $(grep -E 'swift|Foundation|dispatch' <<<"$libraries")"
  fi
}

# Runs a command as root if the prefix is not writable.
for_prefix() {
  if mkdir -p "$prefix" 2>/dev/null && [[ -w $prefix ]]; then run "$@"; else as_root "$@"; fi
}

# Installs the completions of one shell where it looks for them.
install_completions() {
  local shell=$1 target=$2
  "$staging/dferc-dist" --generate-completion-script "$shell" >"$staging/completions"
  for_prefix install -D -m 644 "$staging/completions" "$prefix/share/$target"
}

cd "$package"
print_revision
install_packages "${build_packages[@]}"
require_swift
select_processor
flags=(-c release --product dferc-dist --static-swift-stdlib --scratch-path .build/install)
run swift build "${flags[@]}"

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
run strip -o "$staging/dferc-dist" "$(swift build "${flags[@]}" --show-bin-path)/dferc-dist"
check_libraries "$staging/dferc-dist"
check_runtime_packages

for_prefix install -D -m 755 "$staging/dferc-dist" "$prefix/bin/dferc-dist"
install_completions bash bash-completion/completions/dferc-dist
install_completions zsh zsh/site-functions/_dferc-dist
install_completions fish fish/vendor_completions.d/dferc-dist.fish

# Run outside the package, as a user does.
cd "$staging"
allow_mpirun 2
run mpirun -np 2 "$prefix/bin/dferc-dist" doctor || true
printf '\ninstalled %s (%s)\n' "$prefix/bin/dferc-dist" \
  "$(du -h "$prefix/bin/dferc-dist" | cut -f1)"
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) printf 'Add it to the path: export PATH=%s/bin:$PATH\n' "$prefix" ;;
esac
