#!/usr/bin/env bash
# Builds dferc-dist, trains DF-ERC on the built-in corpus and prints the table of test scores.
# Installs missing Debian packages. Every call trains a new run in a folder of its own.
#
#   cluster/quickstart.sh                      two ranks on this machine
#   cluster/quickstart.sh 4                    four
#
# The same job on several nodes, once cluster/install.sh has put the program on each of them:
#
#   mpirun -np 16 --hostfile hosts dferc-dist train --config configs/synthetic.yaml

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ranks=${1:-2}
[[ $ranks =~ ^[1-9][0-9]*$ ]] || die "the number of ranks must be positive, not '$ranks'."

cd "$package"
print_revision
install_packages "${build_packages[@]}"
require_swift
select_processor
run swift build -c release --product dferc-dist

allow_mpirun "$ranks"
run mpirun -np "$ranks" "$(swift build -c release --show-bin-path)/dferc-dist" train \
  --config configs/synthetic.yaml --output "runs/quickstart-$(date +%Y%m%d-%H%M%S)"
