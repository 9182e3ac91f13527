#!/usr/bin/env bash
# Makes a release: package, a program for old and new Linux, manual pages, completions, the book,
# licences, checksums. Compiles the program once for that target (20 minutes on one core).
#   tools/release.sh [--draft] [FOLDER]      default: target/dist
# --draft: also without owner's fields, with uncommitted changes, and without the book.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

draft=
if [ "${1:-}" = --draft ]; then draft=-draft; shift; fi
case "${1:-}" in -*) echo "tools/release.sh: unknown option '$1': there is only --draft" >&2; exit 1 ;; esac
dist=$(realpath -m "${1:-target/dist}")
step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }
# What stops a release, and is only said of a draft.
complain() { echo "tools/release.sh: $1" >&2; [ -n "$draft" ] || exit 1; }

step "what it says of itself"
python3 tools/metadata.py --owner || complain "it has no owner"
python3 tools/metadata.py --check
version=$(python3 tools/metadata.py --version)
grep -qE "^## $version, [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || complain "CHANGELOG.md has no date for $version"
[ -z "$(git status --porcelain)" ] || complain "there are changes that are not committed"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

step "tools"
source tools/setup.sh
if ! command -v cargo-zigbuild >/dev/null; then
  [ -x .venv/bin/pip ] || python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check cargo-zigbuild==0.24.1 ziglang==0.17.1
  export PATH="$top/.venv/bin:$PATH"
fi

step "package"
mkdir -p "$dist"
packaged=$(mktemp -d)
trap 'rm -rf "$packaged"' EXIT
cargo package --locked --no-verify --target-dir "$packaged" ${draft:+--allow-dirty}
crate=$packaged/package/lacuna-$version.crate
bytes=$(wc -c <"$crate")
[ "$bytes" -le 10000000 ] || { echo "tools/release.sh: the package has $bytes bytes, more than 10 MB" >&2; exit 1; }
cp "$crate" "$dist/lacuna-$version$draft.crate"
echo "$(tar tzf "$crate" | wc -l) files, $bytes bytes"

step "program"
# From what was packaged, so that nothing else can be in it.
tar xzf "$crate" -C "$packaged"
export CARGO_TARGET_DIR=${RELEASE_TARGET_DIR:-$top/target/portable}
(cd "$packaged/lacuna-$version" && cargo zigbuild --release --locked --target x86_64-unknown-linux-gnu.2.17 --bin lacuna)
program=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release/lacuna
unset CARGO_TARGET_DIR
newest=$(grep -aoE 'GLIBC_2\.[0-9]+' "$program" | sort -Vu | tail -n 1)
[ "$(printf '%s\nGLIBC_2.17\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.17 ] || { echo "tools/release.sh: the program wants $newest" >&2; exit 1; }
echo "$(wc -c <"$program") bytes, symbols up to $newest"

step "archive"
name=lacuna-$version$draft-x86_64-linux
root=$packaged/archive/$name
doc=$root/share/doc/lacuna
mkdir -p "$root/bin" "$root/share/"{man,bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,lacuna/examples} "$doc"
install -m 755 "$program" "$root/bin/lacuna"
"$program" man --quiet --output "$root/share/man/man1"
"$program" completions bash >"$root/share/bash-completion/completions/lacuna"
"$program" completions zsh >"$root/share/zsh/site-functions/_lacuna"
"$program" completions fish >"$root/share/fish/vendor_completions.d/lacuna.fish"
cp datasets/examples/* "$root/share/lacuna/examples/"
cp README.md CHANGELOG.md CITATION.cff LICENSE-MIT LICENSE-APACHE "$doc/"
cp src/report/fonts/LICENSE "$doc/LICENSE-fonts"
python3 tools/licences.py >"$doc/THIRD-PARTY.txt"
tools/book.sh "$doc/book" || complain "there is no book"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$packaged/archive" -cf - "$name" | gzip -9n >"$dist/$name.tar.gz"

step "checksums: $dist/SHA256SUMS"
cd "$dist"
sha256sum "lacuna-$version$draft.crate" "$name.tar.gz" | tee SHA256SUMS
