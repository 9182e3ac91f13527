#!/usr/bin/env bash
# Everything that only a machine with an NVIDIA card can show. Builds nothing: give it the program
# (it needs no file beside it).
#
#   tools/gpu-check.sh [LACUNA] [OUTPUT_FOLDER]
#
# Agreement with the CPU, primitive by primitive and in whole recipes, by both ways to transform;
# the same seeds give the same bits; the sanitizer where it is installed; speeds, as a table
# (speeds.md) and as JSON lines (speeds.jsonl), beside a loop in CuPy where that is.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
lacuna=${1:-$top/target/release/lacuna}
output=${2:-gpu-check}
command -v "$lacuna" >/dev/null || { echo "gpu-check: no program $lacuna: build it (cargo build --release) or name it" >&2; exit 1; }
mkdir -p "$output"

step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

step "what is here"
"$lacuna" doctor | tee "$output/doctor.txt"
"$lacuna" doctor --json | grep -q '"device":"cuda:0"' || { echo "gpu-check: no card that can be used" >&2; exit 1; }

step "agreement with the CPU"
"$lacuna" bench gpu --only checks --json >"$output/checks.jsonl" || { grep '"agrees":false' "$output/checks.jsonl" | head -20; exit 1; }
tail -n 1 "$output/checks.jsonl"

step "a run from start to end"
"$lacuna" run --example --preset forward --nb-run 2 --device cuda --output "$output/example" --force --json | tail -n 1

step "sanitizer"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 "$lacuna" bench gpu --only checks --json >"$output/$tool.txt" 2>&1 ||
      { grep -m 5 -A 8 '=========' "$output/$tool.txt"; exit 1; }
    grep 'ERROR SUMMARY\|RACECHECK SUMMARY' "$output/$tool.txt"
  done
else
  echo "skipped: compute-sanitizer is not installed"
fi

step "speeds"
"$lacuna" bench gpu --only speeds --json >"$output/speeds.jsonl"
"$lacuna" bench gpu --only speeds | tee "$output/speeds.md"

step "networks through Vulkan"
if "$lacuna" bench network --rounds 1 --device vulkan --json >"$output/networks.jsonl" 2>"$output/networks.txt"; then
  cat "$output/networks.jsonl"
else
  echo "skipped: $(cat "$output/networks.txt")"
fi

step "CuPy"
if python3 -c 'import cupy' 2>/dev/null; then
  python3 "$top/benches/cupy_cycles.py" | tee "$output/cupy.jsonl"
else
  echo "skipped: CuPy is not installed"
fi

step "all is well: $output"
