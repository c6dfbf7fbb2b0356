"""Check a built site: every link to a page, a file or an anchor of the site leads there.

    python docs/check_links.py docs/_build/html

Links to other sites are left alone, so the check needs no network.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links and anchors of one page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what the tag refers to, and by what it is referred to."""
        values = dict(attrs)
        self.links |= {values[name] for name in ("href", "src") if values.get(name)}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}


def read_pages(root):
    """Pages by path; the theme's own files in _static are none."""
    paths = [path.resolve() for path in root.rglob("*.html") if "_static" not in path.parts]
    return {path: Page(path) for path in paths}


def broken_links(pages, root):
    """Pairs of a page and a link of it that leads nowhere."""
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else {""}
            if not target.exists() or (target in pages and unquote(parts.fragment) not in anchors):
                yield path.relative_to(root.resolve()), link


def main(root):
    """Print what is broken; the exit status says whether anything is."""
    pages = read_pages(Path(root))
    broken = list(broken_links(pages, Path(root)))
    for path, link in broken:
        print(f"{path}: {link}")
    print(f"{len(pages)} pages, {len(broken)} broken links")
    return 1 if broken or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
