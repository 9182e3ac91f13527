#!/usr/bin/env bash
# Run by conda-build, in a copy of the sources.
set -euo pipefail
cargo install --locked --no-track --root "$PREFIX" --path .
lacuna=$PREFIX/bin/lacuna
"$lacuna" man --quiet --output "$PREFIX/share/man/man1"
mkdir -p "$PREFIX/share/"{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
"$lacuna" completions bash >"$PREFIX/share/bash-completion/completions/lacuna"
"$lacuna" completions zsh >"$PREFIX/share/zsh/site-functions/_lacuna"
"$lacuna" completions fish >"$PREFIX/share/fish/vendor_completions.d/lacuna.fish"
# Asked for by the recipe's license_file.
python3 tools/licences.py >THIRD-PARTY.txt
