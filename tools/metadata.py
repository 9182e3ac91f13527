#!/usr/bin/env python3
"""CITATION.cff and codemeta.json, from Cargo.toml and the date of the newest entry of CHANGELOG.md.

    tools/metadata.py            write both
    tools/metadata.py --check    exit 1 where they say something else
    tools/metadata.py --owner    exit 1 where Cargo.toml lacks what only the owner can fill in
    tools/metadata.py --version  print the version

Authors are "Given Family <mail>" in Cargo.toml; the last word of the name is the family name.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OWNERS = ("authors", "repository")


def released():
    """Version and date of the newest entry of the changelog."""
    heading = re.search(r"^## (\S+), (\S.*)$", (TOP / "CHANGELOG.md").read_text(), re.M)
    return heading[1], heading[2].strip()


def people(package):
    for author in package.get("authors", []):
        name, mail = re.fullmatch(r"\s*([^<]+?)\s*(?:<(.+)>)?\s*", author).groups()
        given, _, family = name.rpartition(" ")
        yield given, family, mail


def citation(package, date):
    quote = lambda text: json.dumps(text, ensure_ascii=False)
    lines = [
        "# Written by tools/metadata.py from Cargo.toml and CHANGELOG.md.",
        "cff-version: 1.2.0",
        "message: If you use Lacuna, please cite it as below.",
        "type: software",
        "title: Lacuna",
        f"abstract: {quote(package['description'])}",
        f"version: {quote(package['version'])}",
        f"date-released: {quote(date)}",
        "license:",
        *(f"  - {name}" for name in package["license"].split(" OR ")),
        "keywords:",
        *(f"  - {word}" for word in package["keywords"]),
    ]
    if "repository" in package:
        lines.append(f"repository-code: {quote(package['repository'])}")
    lines.append("authors:")
    for given, family, mail in people(package):
        lines.append(f"  - family-names: {quote(family)}")
        if given:
            lines.append(f"    given-names: {quote(given)}")
        if mail:
            lines.append(f"    email: {quote(mail)}")
    if not package.get("authors"):
        lines.append("  - name: The authors of Lacuna")
    return "\n".join(lines) + "\n"


def codemeta(package, date):
    person = lambda given, family, mail: {
        "@type": "Person",
        **({"givenName": given} if given else {}),
        "familyName": family,
        **({"email": mail} if mail else {}),
    }
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": "Lacuna",
        "identifier": package["name"],
        "description": package["description"],
        "version": package["version"],
        "dateModified": date,
        "license": [f"https://spdx.org/licenses/{name}" for name in package["license"].split(" OR ")],
        "keywords": package["keywords"],
        "programmingLanguage": "Rust",
        "operatingSystem": "Linux",
        "developmentStatus": "active",
        "softwareHelp": "docs/SUMMARY.md",
        **({"codeRepository": package["repository"]} if "repository" in package else {}),
        **({"author": [person(*one) for one in people(package)]} if package.get("authors") else {}),
    }


def manifest():
    """The package in Cargo.toml, with what it shares with the workspace."""
    text = tomllib.loads((TOP / "Cargo.toml").read_text())
    shared = text.get("workspace", {}).get("package", {})
    inherited = lambda value: isinstance(value, dict) and value.get("workspace")
    return {name: shared[name] if inherited(value) else value for name, value in text["package"].items()}


def main():
    package = manifest()
    if "--version" in sys.argv:
        print(package["version"])
        return
    if "--owner" in sys.argv:
        missing = [name for name in OWNERS if not package.get(name)]
        if missing:
            sys.exit(f"Cargo.toml lacks {' and '.join(missing)}: fill in what is prepared at its head")
        return
    version, date = released()
    if version != package["version"]:
        sys.exit(f"CHANGELOG.md begins with {version}, Cargo.toml has {package['version']}: write an entry")
    files = {
        "CITATION.cff": citation(package, date),
        "codemeta.json": json.dumps(codemeta(package, date), indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in files.items():
        path = TOP / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{name} is not what Cargo.toml and CHANGELOG.md say: run tools/metadata.py")


main()
