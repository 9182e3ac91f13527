#!/usr/bin/env bash
# Builds with the feature `vulkan` and tests networks on Vulkan devices beside the processor; then
# trains a model on one from start to end, and measures patches a second on both. Software Vulkan
# serves (Debian: mesa-vulkan-drivers; tools/setup.sh --vulkan installs it where it can).
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh --vulkan
step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

step "tests"
cargo test --locked --release --config tools/checks.toml --features vulkan --test main -- --nocapture vulkan

step "program"
cargo build --locked --release --features vulkan
lacuna=$PWD/${CARGO_TARGET_DIR:-target}/release/lacuna
wc -c <"$lacuna"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

step "from the simulation to a model that is evaluated"
"$lacuna" train unet2d-smoke --device vulkan --steps 40 --output model --quiet
"$lacuna" evaluate model/forward2d.h5 --model model --device vulkan --limit 4 --widths 6
# Without any driver: auto takes the CPU and says so, and a checkpoint can be read.
VK_DRIVER_FILES=/nowhere VK_ICD_FILENAMES=/nowhere "$lacuna" train unet2d-smoke --device auto --steps 40 --output model --resume

step "patches per second"
"$lacuna" bench network --rounds 1 --device cpu
"$lacuna" bench network --rounds 1 --device vulkan
