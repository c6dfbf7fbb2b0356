"""The gallery shows every example once, and pages are mended for narrow screens and screen readers."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from docutils import nodes
from docutils.utils import new_document
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "examples" / "index.rst"


@pytest.fixture(scope="module")
def page_html():
    return runpy.run_path(str(ROOT / "docs" / "page_html.py"))


@pytest.fixture(scope="module")
def panels():
    return runpy.run_path(str(ROOT / "docs" / "panels.py"))


def test_each_example_is_in_one_section_of_the_gallery():
    shown = re.findall(
        r"^   \.\./examples/(plot_\w+\.py)$", INDEX.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sorted(shown) == sorted(path.name for path in INDEX.parent.glob("plot_*.py"))


@pytest.mark.parametrize(
    ("code", "marked"),
    [
        ("predict_interval(x,y=0.5)", "predict_interval(<wbr>x,<wbr>y=0.5)"),
        ("model.relevance_biases_", "model.<wbr>relevance_biases_"),
        ("benchmarks/vector_search.py", "benchmarks/<wbr>vector_search.py"),
        ("filter_already_liked_items=False", "filter_already_liked_items=<wbr>False"),
        ("MFRecommender(implicit_features=0)", "MFRecommender(<wbr>implicit_features=0)"),
        ("load_movielens(&quot;latest&quot;)", "load_movielens(<wbr>&quot;latest&quot;)"),
    ],
)
def test_lines_end_only_between_the_parts_of_long_code(page_html, code, marked):
    context = {"body": f'<span class="pre">{code}</span>'}
    page_html["mark_breaks"](None, "page", "page.html", context, None)
    assert context["body"] == f'<span class="pre">{marked}</span>'


@pytest.mark.parametrize(
    ("html", "marked"),
    [
        ('<span class="pre">model.skops</span>', '<span class="pre whole">model.skops</span>'),
        (
            '<span class="pre">f(&quot;a&quot;,&quot;b&quot;,c=1)</span>',
            '<span class="pre whole">f(&quot;a&quot;,&quot;b&quot;,c=1)</span>',
        ),
        ("<p>f(x)</p>", "<p>f(x)</p>"),
        ("<h1>NewDisplay.plot_it<a>", "<h1>NewDisplay.<wbr>plot_it<a>"),
        ("<h1>RankingComparisonDisplay<a>", "<h1>Ranking<wbr>Comparison<wbr>Display<a>"),
    ],
)
def test_short_code_stays_whole_and_titles_break(page_html, html, marked):
    context = {"body": html}
    page_html["mark_breaks"](None, "page", "page.html", context, None)
    assert context["body"] == marked


def test_a_number_stays_with_its_percent_sign_and_its_error(page_html):
    document = new_document("page")
    document += [
        nodes.paragraph("", "90 % of .2 ± .1"),
        nodes.paragraph("", "", nodes.literal("", "7 %")),
        nodes.literal_block("", "x = 7 % 5"),
    ]
    page_html["keep_numbers"](None, document)
    assert document.astext() == "90\xa0% of .2\xa0±\xa0.1\n\n7 %\n\nx = 7 % 5"


@pytest.mark.parametrize(("width", "scrolls"), [(7.5, False), (9, True)])
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_wide_pictures_scroll(page_html, tmp_path, width, scrolls, ending):
    path = tmp_path / "_images" / f"curve.{ending}"
    path.parent.mkdir()
    Figure((width, 1)).savefig(path, dpi=50)
    page = f'<figure><img alt="A curve" src="_images/{path.name}" /></figure>'
    once = page_html["let_wide_pictures_scroll"](page, tmp_path)
    assert ("pst-scrollable-table-container" in once) == scrolls
    assert (f"--inches: {width:.2f}" in once) == scrolls
    assert page_html["let_wide_pictures_scroll"](once, tmp_path) == once


def test_pictures_that_were_not_copied_stay_as_they_are(page_html, tmp_path):
    page = '<img alt="A curve" src="_images/curve.png" />'
    assert page_html["let_wide_pictures_scroll"](page, tmp_path) == page


def test_thumbnails_hold_the_whole_first_panel(panels, tmp_path):
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
    axes[0].barh(["a name of 22 characters", "b"], [1, 2], color="red")
    label = "a label that is longer than the sides of the panel, with its unit"
    axes[0].set(title="Title", xlabel=label, ylabel=label)
    axes[1].set_facecolor("blue")
    open_figures = plt.get_fignums()
    panels["draw_panel"](figure, tmp_path / "panel.png")
    assert plt.get_fignums() == open_figures
    assert axes[0].get_title() == "Title"
    assert figure.axes == list(axes)
    plt.close(figure)
    picture = plt.imread(tmp_path / "panel.png")[..., :3]
    edges = [picture[0], picture[-1], picture[:, 0], picture[:, -1]]
    assert all((edge == 1).all() for edge in edges)
    assert (picture == (1, 0, 0)).all(axis=2).any()
    assert not (picture == (0, 0, 1)).all(axis=2).any()


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
