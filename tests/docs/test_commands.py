"""Each section of printed figures has the command that prints it again, with a script that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = (ROOT / "docs" / "benchmarks" / "results.rst").read_text(encoding="utf-8")
SECTIONS = re.split(r"^(.+)\n-{5,}\n", RESULTS, flags=re.MULTILINE)[1:]
COMMAND = r"python (docs/benchmarks/\w+\.py)"


def test_each_section_has_a_command():
    sections = dict(zip(SECTIONS[::2], SECTIONS[1::2], strict=True))
    assert len(sections) > 20
    assert [title for title, text in sections.items() if not re.search(COMMAND, text)] == []


def test_scripts_that_pages_name_exist():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.rst"), *ROOT.glob("docs/*/*.rst")]
    named = {
        name for page in pages for name in re.findall(r"docs/benchmarks/\w+\.py", page.read_text("utf-8"))
    }
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
