#!/usr/bin/env python3
"""Licences of all that is linked into the program, as one text on standard output.

Packages are those that `cargo metadata` names for Linux with the default features; their licence
files lie beside their sources, those of the C that is built in (HDF5, zlib) below them.
"""

import hashlib
import json
import subprocess
from pathlib import Path

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def linked(metadata):
    """Packages on the way from ours over normal dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting, found = [metadata["resolve"]["root"]], set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for dependency in nodes[name]["deps"]:
            # Build dependencies count where they bring sources of C along.
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds or dependency["name"].endswith("_src"):
                waiting.append(dependency["pkg"])
    found.discard(metadata["resolve"]["root"])
    return [package for package in metadata["packages"] if package["id"] in found]


def files(package):
    folder = Path(package["manifest_path"]).parent
    inside = [folder] + [path for path in folder.glob("*/*") if path.is_dir()] + [folder / "src" / "zlib"]
    for place in inside:
        if place.is_dir():
            yield from (path for path in sorted(place.iterdir()) if path.is_file() and path.name.upper().startswith(NAMES))


command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"]
metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
packages = sorted(linked(metadata), key=lambda package: (package["name"], package["version"]))
texts = {}
print("Lacuna contains the packages below. Licences, as their authors name them:\n")
for package in packages:
    print(f"{package['name']} {package['version']}: {package['license'] or 'see its file'}")
    for path in files(package):
        text = path.read_text(errors="replace").strip()
        key = hashlib.sha256(" ".join(text.split()).encode()).digest()
        texts.setdefault(key, (text, []))[1].append(f"{package['name']} {package['version']} ({path.name})")
for text, users in texts.values():
    print("\n" + "=" * 100 + "\n" + "\n".join(users) + "\n" + "-" * 100 + "\n" + text)
