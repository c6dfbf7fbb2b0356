"""Axes, styles, literal text and legends that all displays share."""

import textwrap
from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pandas as pd

from sklearn_mf.utils._sklearn_compat import _validate_style_kwargs, check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

# Keyword arguments of an artist.
Style = dict[str, Any]
# Text from the user's data is shown as it is: neither "$" nor "\" has a meaning.
LITERAL: Style = {"parse_math": False, "usetex": False}
# Okabe and Ito, "Color Universal Design" (2008), without yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#999999"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")
# Longest line of a legend in characters, and most markers on a curve.
_WIDTH, _MOST_MARKERS = 22, 25
# Shares of the axes: the gap between data and text, and the largest share given to a legend or text.
_GAP, _MOST_ROOM = 0.04, 0.8


def new_axes(display: object, ax: "Axes | None") -> "Axes":
    """The given axes, or those of a new figure whose layout makes room for legends."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1] if ax is None else ax


def style_kwargs(default: Style, given: Style | None) -> Style:
    """Our keyword arguments of an artist, overridden by the caller's, also under matplotlib's short names."""
    merged: Style = _validate_style_kwargs(default, given or {})
    return merged


def draw_curves(ax: "Axes", curves: pd.DataFrame, line_kwargs: Style | None) -> "list[Line2D]":
    """Draw each column against the index, distinguished by colour, marker and line; skip empty columns."""
    lines = []
    styles = zip(cycle(COLORS), cycle(MARKERS), cycle(_LINES), strict=False)
    for (name, curve), (color, marker, line) in zip(curves.items(), styles, strict=False):
        points = curve.dropna()
        if points.empty:
            continue
        default = {
            "label": wrapped(name),
            "color": color,
            "marker": marker,
            "linestyle": line,
            "markersize": 5,
            "markevery": -(-len(points) // _MOST_MARKERS),
        }
        lines += ax.plot(points.index, points, **style_kwargs(default, line_kwargs))
    return lines


def whole_ticks(ax: "Axes") -> None:
    """Put the ticks of the abscissa at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def label_axes(ax: "Axes", x: object, y: object) -> None:
    """Label the abscissa and the ordinate with literal text."""
    ax.set_xlabel(str(x), **LITERAL)
    ax.set_ylabel(str(y), **LITERAL)


def legible(name: object) -> str:
    """The name as text; "(empty)" if it has no visible character, for which matplotlib invents a label."""
    return str(name) if str(name).strip() else "(empty)"


def wrapped(name: object) -> str:
    """The name in lines of at most 22 characters."""
    return textwrap.fill(legible(name), _WIDTH)


def add_legend(ax: "Axes", handles: "Iterable[Artist]", title: str | None = None) -> None:
    """Put a legend beside the axes, which become narrower; its names are literal text."""
    handles = list(handles)
    legend = ax.legend(
        handles=handles,
        labels=["name"] * len(handles),  # matplotlib leaves out labels that begin with an underscore
        title=title,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        fontsize="small",
    )
    legend.get_title().set(**LITERAL)
    for text, handle in zip(legend.get_texts(), handles, strict=True):
        text.set(text=handle.get_label(), **LITERAL)
    if ax.figure.get_layout_engine() is None:  # a layout engine makes room itself
        x, y, width, height = ax.get_position().bounds
        share = min(legend.get_window_extent().width / ax.bbox.width, _MOST_ROOM)
        ax.set_position((x, y, width * (1 - share), height))


def make_room_below(ax: "Axes", texts: "Iterable[Text]") -> None:
    """Extend the ordinate downwards so that the data do not overlap texts at its lower end."""
    tallest = max(text.get_window_extent().height for text in texts) / ax.bbox.height
    low, high = ax.get_ylim()
    ax.set_ylim(high - (high - low) / (1 - min(tallest + _GAP, _MOST_ROOM)), high)
