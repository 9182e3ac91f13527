#!/usr/bin/env bash
# Tries a program in the userland of an old Debian: what it is linked to, and whether it works there.
#   tools/old-system.sh [PROGRAM] [SUITE]     default: the one of tools/release.sh, bullseye (11)
# As root; needs debootstrap, unless ROOT names a folder with such a userland.
set -euo pipefail
program=$(realpath "${1:-$(dirname "$0")/../target/portable/x86_64-unknown-linux-gnu/release/lacuna}")
examples=$(realpath "$(dirname "$0")/../datasets/examples")
suite=${2:-bullseye}
[ "$(id -u)" = 0 ] || { echo "tools/old-system.sh: chroot needs root" >&2; exit 1; }
fetched=
if [ -z "${ROOT:-}" ]; then
  command -v debootstrap >/dev/null || { echo "tools/old-system.sh: no debootstrap: install it" >&2; exit 1; }
  ROOT=$(mktemp -d) fetched=yes
  debootstrap --variant=minbase "$suite" "$ROOT" >/dev/null
fi
work=$ROOT/root/lacuna-check
rm -rf "$work"
mkdir -p "$work"
cp "$program" "$examples"/*.cxi "$work/"
mount -t proc proc "$ROOT/proc"
trap 'umount "$ROOT/proc"; [ -z "$fetched" ] || rm -rf "$ROOT"' EXIT
inside() { chroot "$ROOT" /bin/bash -euo pipefail -c "cd /root/lacuna-check; $1"; }

inside 'echo "Debian $(cat /etc/debian_version), $(ldd --version | head -n 1)"; ldd ./lacuna; ls -l lacuna'
inside './lacuna --version; ./lacuna doctor'
inside './lacuna run --example --preset forward --output example --quiet --json | tail -n 1 | cut -c 1-200'
inside './lacuna demo --output demo'
inside './lacuna run flake.cxi --preset particle --output flake --quiet --json | tail -n 1 | cut -c 1-80'
rm -rf "$work"
