#!/usr/bin/env bash
# Runs the tests. With --all also those that take minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh --test
which=()
case "${1:-}" in
  --all) which=(-- --include-ignored) ;;
  "") ;;
  *) echo "tools/test.sh: unknown option '$1': there is only --all" >&2; exit 1 ;;
esac
# With the dependencies of the release, so that they are compiled once for tests and program; our
# own code with the checks of a development build.
checked=(--release --config tools/checks.toml)
# Named, because cargo would link the examples too.
cargo test "${checked[@]}" --lib --tests "${which[@]}"
cargo test "${checked[@]}" --doc
# The program that was tested has taken the place of the one without checks: back again.
cargo build --release
