"""The page "Where do I change ..." names files that exist, and ten changes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "where.rst").read_text(encoding="utf-8")
_, _, _, *PARTS = re.split(r"\n(.+)\n=+\n", PAGE)  # the title and the introduction come first
CHANGES = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
PATH = r"``((?:sklearn_mf|tests|docs|examples)/[^`\s]+|[A-Z]+\.md)``"
FILES = {change: re.findall(PATH, text) for change, text in CHANGES.items()}


def test_ten_changes_with_files():
    assert len(FILES) == 10
    assert [change for change, files in FILES.items() if len(files) < 3] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(PATH, PAGE))))
def test_named_file_exists(path):
    assert (ROOT / path).exists()


def test_names_of_functions_and_classes_occur_in_the_files_of_their_change():
    """A name such as `Solver` or `MEASURES` stands in one of the files or folders named with it."""
    missing = []
    for change, text in CHANGES.items():
        sources = [path for name in FILES[change] for path in [ROOT / name, *(ROOT / name).rglob("*.py")]]
        code = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.is_file())
        names = re.findall(r"``(_?[A-Z]\w+|[a-z_]+_[a-z_]+)``", text)
        missing += [(change, name) for name in names if name not in code]
    assert missing == []
