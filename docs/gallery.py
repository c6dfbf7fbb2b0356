"""The gallery of examples: order, thumbnails, and an archive of all of them."""

import re
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import matplotlib.pyplot as plt
from panels import draw_panel
from sphinx_gallery.scrapers import matplotlib_scraper
from sphinx_gallery.utils import scale_image

EXAMPLES = Path(__file__).parents[1] / "examples"
BUILT = Path(__file__).parent / "auto_examples"
PANELS, THUMBNAILS = BUILT / "images" / "panels", BUILT / "images" / "thumb"
SIZE = (480, 336)  # twice the width of a column, for displays of high resolution
ROLE = r":[a-z:]+:`(?:~(?:\w+\.)*)?([^`<]+?)(?: <[^`]+>)?`"
IN_ORDER = re.findall(r"\.\./examples/(plot_\w+\.py)", (EXAMPLES / "index.rst").read_text(encoding="utf-8"))


def reading_order(path):
    """Position of an example in the index; an example that is missing there comes last."""
    name = Path(path).name
    return IN_ORDER.index(name) if name in IN_ORDER else len(IN_ORDER)


def scrape(block, block_vars, gallery_conf):
    """Store the figures of a block; the first panel of the first figure also alone, for the thumbnail."""
    if plt.get_fignums() and not len(block_vars["image_path_iterator"]):
        PANELS.mkdir(parents=True, exist_ok=True)
        path = PANELS / f"{Path(block_vars['src_file']).stem}.png"
        draw_panel(plt.figure(plt.get_fignums()[0]), path)
    return matplotlib_scraper(block, block_vars, gallery_conf)


def finish(app):
    """Put the single panels in place of the thumbnails, and pack all examples; notebooks know no roles."""
    for path in PANELS.glob("*.png"):
        scale_image(path, THUMBNAILS / f"sphx_glr_{path.stem}_thumb.png", *SIZE)
    for path in BUILT.glob("*.ipynb"):
        path.write_text(re.sub(ROLE, r"`\1`", path.read_text(encoding="utf-8")), encoding="utf-8")
    with ZipFile(BUILT / "examples.zip", "w", ZIP_DEFLATED) as archive:
        for path in sorted([*EXAMPLES.glob("*.py"), *BUILT.glob("*.ipynb")]):
            archive.write(path, f"examples/{path.name}")
