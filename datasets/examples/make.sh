#!/usr/bin/env bash
# Simulates the patterns of this folder and their truths, from seeds: the same counts every time.
#   datasets/examples/make.sh [LACUNA] [FOLDER]
set -euo pipefail
lacuna=$(realpath "${1:-target/release/lacuna}")
cd "${2:-$(dirname "$0")}"
simulate() { "$lacuna" simulate --quiet --photons 1e8 --seed 1 "$@"; }
simulate --shape 128,128 --object flake --gap 6 --output flake.cxi
simulate --shape 128,128 --object cell --beamstop 2 --output cell.cxi
simulate --shape 32,64,64 --beamline id01 --hkl 1,1,1 --crystal wulff --size 250 --lattice-strain 5e-4 --gap 4 \
  --output crystal.cxi
