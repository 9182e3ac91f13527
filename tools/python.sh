#!/usr/bin/env bash
# Builds the Python package, tests it, and executes its notebooks. Everything that Python needs goes
# into .venv-python of this checkout; what Rust compiles is shared with the program.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup.sh
venv=$PWD/.venv-python
export PIP_DISABLE_PIP_VERSION_CHECK=1

if ! "$venv/bin/python" -c "" 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv" || { echo "tools/python.sh: python3 has no venv: install the package python3-venv" >&2; exit 1; }
fi
"$venv/bin/python" -m pip install --quiet "maturin>=1.9,<2" pytest numpy h5py silx nbconvert ipykernel tqdm
echo "environment: $SECONDS s"

begun=$SECONDS
rm -rf "$venv/wheels"
"$venv/bin/maturin" build --quiet --release --locked --manifest-path python/Cargo.toml \
  --interpreter "$venv/bin/python" --compatibility linux --out "$venv/wheels"
"$venv/bin/python" -m pip install --quiet --force-reinstall --no-deps "$venv"/wheels/*.whl
echo "wheel: $((SECONDS - begun)) s, $(du -h "$venv"/wheels/*.whl | cut -f 1)"

begun=$SECONDS
# From a folder without the sources, so that the installed package is the one that is tested.
(cd "$venv" && bin/python -m pytest --quiet -p no:cacheprovider --durations 5 ../python/tests)
echo "tests: $((SECONDS - begun)) s"

begun=$SECONDS
"$venv/bin/python" -m nbconvert --to notebook --execute --log-level WARN --output-dir "$venv/notebooks" python/notebooks/*.ipynb
echo "notebooks: $((SECONDS - begun)) s"
