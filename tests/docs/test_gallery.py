"""The gallery shows every example once, and pages are mended for narrow screens and screen readers."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "examples" / "index.rst"


@pytest.fixture(scope="module")
def page_html():
    return runpy.run_path(str(ROOT / "docs" / "page_html.py"))


def test_each_example_is_in_one_section_of_the_gallery():
    shown = re.findall(
        r"^   \.\./examples/(plot_\w+\.py)$", INDEX.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sorted(shown) == sorted(path.name for path in INDEX.parent.glob("plot_*.py"))


@pytest.mark.parametrize(
    ("html", "marked"),
    [
        ('<span class="pre">f(x,y=0.5)</span>', '<span class="pre">f(<wbr>x,<wbr>y=<wbr>0.5)</span>'),
        ('<span class="pre">model.item_ids_</span>', '<span class="pre">model.<wbr>item_ids_</span>'),
        ("<p>f(x)</p>", "<p>f(x)</p>"),
        ("<h1>NewDisplay.plot<a>", "<h1>New<wbr>Display.<wbr>plot<a>"),
        ("<h1>ndcg_at_k<a>", "<h1>ndcg_<wbr>at_<wbr>k<a>"),
    ],
)
def test_lines_end_only_between_the_parts_of_a_call(page_html, html, marked):
    context = {"body": html}
    page_html["mark_breaks"](None, "page", "page.html", context, None)
    assert context["body"] == marked


def test_pages_are_mended_once(page_html, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<div role="list" class="citation-list"></div><th class="stub"></th><form><span>K</span>\n</form>',
        encoding="utf-8",
    )
    app = SimpleNamespace(outdir=tmp_path)
    page_html["mend_pages"](app, None)
    once = page.read_text(encoding="utf-8")
    assert 'role="list"' not in once
    assert '<th scope="row" class="stub">' in once
    assert once.count('<button type="submit"') == 1
    page_html["mend_pages"](app, None)
    assert page.read_text(encoding="utf-8") == once
