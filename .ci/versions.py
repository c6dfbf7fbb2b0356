"""Check that package, citation and changelog state one version: `python .ci/versions.py [0.2.0]`."""

import re
import sys
from pathlib import Path

PLACES = {
    "sklearn_mf/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## \[(\d.*)\]",
}


def stated_versions() -> dict[str, str]:
    """The version that each file states; of the changelog the newest one that has a number."""
    found = {}
    for name, pattern in PLACES.items():
        match = re.search(pattern, Path(name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        found[name] = match[1] if match else "none"
    return found


if __name__ == "__main__":
    versions = stated_versions() | ({"the tag": sys.argv[1]} if len(sys.argv) > 1 else {})
    if len(set(versions.values())) > 1:
        sys.exit(f"The versions differ: {versions}")
    print(f"version {versions['CITATION.cff']}")
