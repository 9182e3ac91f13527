#!/usr/bin/env bash
# Runs the tests. With --all also those that take minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh --test
case "${1:-}" in
  --all) cargo test -- --include-ignored ;;
  "") cargo test ;;
  *) echo "tools/test.sh: unknown option '$1': there is only --all" >&2; exit 1 ;;
esac
