"""Runs the code of pages of the documentation on all ratings, and prints what it prints.

    python docs/benchmarks/pages.py index quick_start

The printed tables and figures on the pages come from here. The tests run the same code on fewer ratings.
"""

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import pandas as pd
from data import environment

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS.parent))

from tests.docs.snippets import plain_blocks  # noqa: E402


def run(page: Path) -> None:
    """Run the code of a page from top to bottom, in a folder of its own."""
    names: dict[str, object] = {"__name__": "__main__"}
    blocks = plain_blocks(page)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for line, block in blocks:
            exec(compile("\n" * line + block, str(page), "exec"), names)


if __name__ == "__main__":
    pd.set_option("display.width", 120, "display.max_columns", 10, "display.max_colwidth", 45)
    print(environment())
    for name in sys.argv[1:]:
        print(f"\n{name}", flush=True)
        run((DOCS / name).with_suffix(".rst"))
