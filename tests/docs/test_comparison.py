"""The table of libraries is whole, and its versions are those of the page on how it was checked."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TABLE = (DOCS / "comparison_table.txt").read_text(encoding="utf-8")
PAGE = (DOCS / "comparison.rst").read_text(encoding="utf-8")
FRONT = (DOCS / "index.rst").read_text(encoding="utf-8")
ROWS = [re.findall(r"- (.*)", row) for row in TABLE.split("\n\n")[1].split("   * ")[1:]]
LIBRARIES = ROWS[0][1:]
CELL = r"yes|\u2013|partly \[#\w+\]_"  # an en dash is no


def test_each_row_has_a_cell_for_each_library():
    assert len(LIBRARIES) == 11 and len(ROWS) > 15
    assert {row[0]: len(row) for row in ROWS if len(row) != len(ROWS[0])} == {}
    assert [cell for row in ROWS[1:] for cell in row[1:] if not re.fullmatch(CELL, cell)] == []


def test_each_footnote_is_used_and_defined():
    assert set(re.findall(r"\[#(\w+)\]_", TABLE)) == set(
        re.findall(r"^\.\. \[#(\w+)\] .", TABLE, re.MULTILINE)
    )


def test_versions_are_those_that_were_checked():
    """The first page shortens 3.5.1.post14 to 3.5.1."""
    checked = dict(re.findall(r"   \* - (.+)\n     - (\d[\d.]*\d)", PAGE))
    assert set(checked) == set(LIBRARIES) - {"sklearn_mf"}
    caption = re.search(r"Checked in .*? and keras-rs [\d.]+", FRONT, re.DOTALL)[0]
    assert [version for version in checked.values() if version not in caption] == []
