#!/usr/bin/env bash
# Builds lacuna, shows what a gap does to a simulated crystal and what filling it does, and
# reconstructs the built-in example: a simulated pattern with a detector gap and a beamstop.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh
cargo build --release
"${CARGO_TARGET_DIR:-target}/release/lacuna" demo --output demo-out --force
"${CARGO_TARGET_DIR:-target}/release/lacuna" run --example --preset forward --output example-out --force
echo "Open demo-out/compare.html and example-out/report.html in a browser. The reconstruction is in example-out/result.cxi."
