"""What the displays draw alike: axes, colours, lines, legends."""

import textwrap
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import pandas as pd

from sklearn_mf.utils._sklearn_compat import _validate_style_kwargs, check_matplotlib_support

# Okabe and Ito, "Color Universal Design" (2008); yellow, which is faint on white, is left out.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#999999"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")
# Characters of a legend's line and markers on a curve, at most.
_WIDTH, _MOST_MARKERS = 22, 25
# Shares of the axes: the gap between data and text, and what a legend or text takes at most.
_GAP, _MOST_ROOM = 0.04, 0.8


def new_axes(display: Any, ax: Any) -> Any:
    """Get the axes to draw on.

    Parameters
    ----------
    display : display
        What is drawn.
    ax : Axes or None
        None makes a figure whose layout finds room for legends.

    Returns
    -------
    ax : Axes
        To draw on.
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1] if ax is None else ax


def style_kwargs(default: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Put the caller's keyword arguments of an artist in the place of ours.

    Parameters
    ----------
    default : dict
        Ours.
    given : dict or None
        The caller's, also under matplotlib's short names.

    Returns
    -------
    kwargs : dict
        Both.
    """
    merged: dict[str, Any] = _validate_style_kwargs(default, given or {})
    return merged


def draw_curves(ax: Any, curves: pd.DataFrame, line_kwargs: dict[str, Any] | None) -> list[Any]:
    """Draw the columns of a table, told apart by colour, marker and line.

    Parameters
    ----------
    ax : Axes
        To draw on.
    curves : DataFrame of shape (n_points, n_curves)
        The index is the abscissa. A column without a number is passed over, with its colour.
    line_kwargs : dict or None
        For `Axes.plot`.

    Returns
    -------
    lines : list of Line2D
        One for each curve.
    """
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


def whole_ticks(ax: Any) -> None:
    """Put the ticks of the abscissa at whole numbers.

    Parameters
    ----------
    ax : Axes
        Of something that is counted.
    """
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def wrapped(name: Any) -> str:
    """Break a long name into lines.

    Parameters
    ----------
    name : object
        To stand in a legend.

    Returns
    -------
    text : str
        Lines of at most 22 characters.
    """
    return textwrap.fill(str(name), _WIDTH)


def add_legend(ax: Any, handles: Iterable[Any], title: str | None = None) -> None:
    """Put a legend beside the axes, which become narrower for it.

    Parameters
    ----------
    ax : Axes
        What it belongs to.
    handles : iterable of artists
        What to explain.
    title : str, default=None
        Above it.
    """
    legend = ax.legend(
        handles=list(handles),
        title=title,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        fontsize="small",
    )
    if ax.figure.get_layout_engine() is None:  # which would make room itself
        x, y, width, height = ax.get_position().bounds
        share = min(legend.get_window_extent().width / ax.bbox.width, _MOST_ROOM)
        ax.set_position((x, y, width * (1 - share), height))


def make_room_below(ax: Any, artists: Iterable[Any]) -> None:
    """Widen the limits of the ordinate so that data keep away from what stands at its lower end.

    Parameters
    ----------
    ax : Axes
        With all data.
    artists : iterable of artists
        What stands there.
    """
    tallest = max(artist.get_window_extent().height for artist in artists) / ax.bbox.height
    low, high = ax.get_ylim()
    ax.set_ylim(high - (high - low) / (1 - min(tallest + _GAP, _MOST_ROOM)), high)
