"""Sphinx configuration. Needs no network: no inventory of another project, no script from elsewhere."""

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from docutils import nodes
from latex2mathml.converter import convert

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # modules beside this file; a clone that is not installed

import gallery
import page_html
import room_map

import sklearn_mf

project = "sklearn_mf"
author = "The sklearn_mf developers"
copyright = author
release = sklearn_mf.__version__
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "benchmarks"]
default_role = "literal"
nitpicky = True
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

NOTEBOOK_START = """# Needs movielens.py and quiet_tensorflow.py of examples.zip in the same folder.
import sys

sys.argv[1:] = []  # Jupyter has options of its own there"""

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"__init__\.py|movielens\.py|quiet_tensorflow\.py|service\.py",
    "copyfile_regex": r"index\.rst",  # the sections of the gallery
    "image_scrapers": ("gallery.scrape",),
    "minigallery_sort_order": "gallery.reading_order",
    "doc_module": ("sklearn_mf",),
    "backreferences_dir": "generated/backreferences",
    "download_all_examples": False,
    "first_notebook_cell": NOTEBOOK_START,
    "show_signature": False,
    "write_computation_times": False,  # its pages would load styles from elsewhere
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_mf"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_use_index = html_domain_indices = False
html_math_renderer = "mathml"
html_sidebars = {"**": []}  # the room is for long lines, except in the guide
for path in HERE.glob("user_guide/*.rst"):
    html_sidebars[f"user_guide/{path.stem}"] = ["sidebar-nav-bs"]
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
}

OTHER_PAGES = {
    r"sklearn\.(\w+\.)+\w+": "https://scikit-learn.org/stable/modules/generated/{}.html",
    r"pandas\.\w+": "https://pandas.pydata.org/docs/reference/api/{}.html",
    r"scipy\.(\w+\.)+\w+": "https://docs.scipy.org/doc/scipy/reference/generated/{}.html",
}


def link_elsewhere(app, env, node, contnode):
    """Link names of scikit-learn, pandas and SciPy to their pages; names of sklearn_mf need no prefix."""
    target, objects = node.get("reftarget", ""), env.domains["py"]
    for pattern, address in OTHER_PAGES.items():
        if re.fullmatch(pattern, target):
            return nodes.reference("", "", contnode, refuri=address.format(target), internal=False)
    full = f"{project}.{target}"
    if full in objects.objects:
        return objects.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], full, node, contnode)
    return None


def write_changelog(app):
    """Convert CHANGELOG.md to reStructuredText, for changelog.rst to include."""
    text = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8").split("\n", 1)[1]
    text = re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)
    for marks, line in (("###", "~"), ("##", "-")):
        text = re.sub(
            rf"^{marks} \[?([^\]\n]+?)\]?( - .*)?$",
            lambda match, line=line: (title := match[1] + (match[2] or "")) + "\n" + line * len(title),
            text,
            flags=re.MULTILINE,
        )
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    (folder / "changelog.inc").write_text(text, encoding="utf-8")


def draw_rooms(app):
    """The picture of the rooms in design.rst, from the imports as they are."""
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    room_map.draw(folder / "rooms.svg")


def show_math(display):
    """Visitor that writes a formula as MathML, which browsers draw by themselves."""

    def visit(self, node):
        tag, kind = ("div", "block") if display else ("span", "inline")
        scrolls = " pst-scrollable-table-container" if display else ""  # the theme's class: Tab reaches it
        formula = convert(node.astext(), display=kind).replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
        self.body.append(f'<{tag} class="math{scrolls}">{formula}</{tag}>')
        raise nodes.SkipNode

    return visit


def setup(app):
    """Connect the functions above."""
    app.connect("missing-reference", link_elsewhere)
    app.connect("doctree-read", page_html.keep_numbers)
    app.connect("html-page-context", page_html.mark_breaks)
    app.connect("build-finished", page_html.mend_pages)
    app.connect("builder-inited", write_changelog)
    app.connect("builder-inited", draw_rooms)
    app.connect("builder-inited", gallery.finish, priority=900)  # after the gallery itself
    app.add_html_math_renderer("mathml", (show_math(False), None), (show_math(True), None))
