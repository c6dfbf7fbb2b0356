"""Changes of the HTML that Sphinx and its theme write: for narrow screens, keyboards and screen readers."""

import re
from pathlib import Path

BREAKS = r"""([(\[{,=](?=[\w&"'(\[{])|\.(?=[^\W\d]))"""
PARTS = r"(?<=[a-z])(?=[A-Z])|(?<=[._])(?=\w)"  # of RankingCurveDisplay.plot and ndcg_at_k
MENDED = [
    (' role="list" class="citation-list"', ' class="citation-list"'),  # a list without items
    (' role="doc-biblioentry"', ""),  # obsolete
    ('<th class="head', '<th scope="col" class="head'),
    ('<th class="stub', '<th scope="row" class="stub'),
    (
        '<span class="search-button__kbd-shortcut">',
        '<span class="search-button__kbd-shortcut" aria-hidden="true">',
    ),
    (
        "</span>\n</form>",
        '</span>\n<button type="submit" class="visually-hidden-focusable">Search</button></form>',
    ),
]


def mark_breaks(app, page, template, context, doctree):
    """Let a line end inside of a call, `f(x,y)` after the bracket and the comma, and of a name as title."""
    body = context.get("body", "")
    body = re.sub(r'(?<=<span class="pre">)[^<]+', lambda code: re.sub(BREAKS, r"\1<wbr>", code[0]), body)
    context["body"] = re.sub(r"(?<=<h1>)[\w.]+(?=<)", lambda name: re.sub(PARTS, "<wbr>", name[0]), body)


def mend_pages(app, error):
    """Mend what checks of accessibility find in the pages of the theme."""
    for path in Path(app.outdir).rglob("*.html") if error is None else ():
        page = path.read_text(encoding="utf-8")
        mended = page
        for found, better in MENDED:
            mended = mended.replace(found, better)
        if mended != page:
            path.write_text(mended, encoding="utf-8")
