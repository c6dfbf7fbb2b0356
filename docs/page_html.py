"""Changes of the HTML that Sphinx and its theme write: for narrow screens, keyboards and screen readers."""

import html
import re
from pathlib import Path

from docutils import nodes
from PIL import Image

BREAKS = r"""
    (?:
        [(\[{,/](?=[\w"'(\[{])
        | (?<=\w{16})=  # of a long name
        | \.(?=[^\W\d])(?!(?:py|rst|toml|txt|zip)\b)  # not of a file
    )
    (?=.{4})  # a short rest stays
"""
WHOLE, WHOLE_TITLE = 20, 22  # up to this number of characters, code and names in titles stay on one line
PARTS = r"(?<=[a-z])(?=[A-Z])|(?<=_)(?=\w)"  # of a long name in a title
WIDE = 8  # inches of a picture whose text is too small to be read on a phone
PICTURE = r'(?<!class="picture pst-scrollable-table-container">)<img [^>]*?src="([^"]*_images/[^"]+)"[^>]*>'
MENDED = [
    (' role="list" class="citation-list"', ' class="citation-list"'),  # a list without items
    (' role="doc-biblioentry"', ""),  # obsolete
    ('<aside class="footnote-list', '<aside role="none" class="footnote-list'),  # a landmark inside another
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


def keep_numbers(app, doctree):
    """Keep a number together with its percent sign or its error."""
    for text in list(doctree.findall(nodes.Text)):
        kept = re.sub(r"(?<=\d) (?=[%±])|(?<=±) ", "\N{NO-BREAK SPACE}", text)
        if kept != text and not isinstance(text.parent, nodes.FixedTextElement | nodes.literal):
            text.parent.replace(text, nodes.Text(kept))


def mark_code(match):
    """Code in a text, with marks where a line may end unless it is short."""
    code = html.unescape(match[1])
    if len(code) <= WHOLE:
        return f'<span class="pre whole">{match[1]}</span>'
    marked = html.escape(re.sub(BREAKS, "\\g<0>\0", code, flags=re.VERBOSE)).replace("\0", "<wbr>")
    return f'<span class="pre">{marked}</span>'


def mark_title(match):
    """Name as title, with marks after each dot and inside of long parts."""
    parts = match[0].split(".")
    return ".<wbr>".join(part if len(part) <= WHOLE_TITLE else re.sub(PARTS, "<wbr>", part) for part in parts)


def mark_breaks(app, page, template, context, doctree):
    """Let a line end inside of a call, `f(x,y)` after the bracket and the comma, and of a name as title."""
    body = re.sub(r'<span class="pre">([^<]+)</span>', mark_code, context.get("body", ""))
    context["body"] = re.sub(r"(?<=<h1>)[\w.]+(?=<)", mark_title, body)


def inches(path):
    """Width of a picture as it was drawn."""
    if path.suffix == ".svg":
        return float(re.search(r'<svg [^>]*width="([\d.]+)pt"', path.read_text(encoding="utf-8"))[1]) / 72
    with Image.open(path) as picture:
        return picture.width / picture.info.get("dpi", (100,))[0]


def let_wide_pictures_scroll(page, folder):
    """Put wide pictures into containers that scroll on a phone."""

    def enclose(match):
        path = folder / match[1]
        if not path.exists() or (width := inches(path)) < WIDE:  # a build cut short copies no pictures
            return match[0]
        image = match[0].replace("<img ", f'<img style="--inches: {width:.2f}" ', 1)
        return f'<div class="picture pst-scrollable-table-container">{image}</div>'

    return re.sub(PICTURE, enclose, page)


def mend_pages(app, error):
    """Mend what checks of accessibility find in the pages of the theme, and wide pictures."""
    for path in Path(app.outdir).rglob("*.html") if error is None else ():
        page = path.read_text(encoding="utf-8")
        mended = let_wide_pictures_scroll(page, path.parent)
        for found, better in MENDED:
            mended = mended.replace(found, better)
        if mended != page:
            path.write_text(mended, encoding="utf-8")
