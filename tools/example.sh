#!/usr/bin/env bash
# Builds lacuna and reconstructs the built-in example: a simulated pattern with a detector gap and a beamstop.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh
cargo build --release
"${CARGO_TARGET_DIR:-target}/release/lacuna" run --example --preset forward --output example-out --force
echo "Open example-out/report.html in a browser. The reconstruction is in example-out/result.cxi."
