"""Points and labels of a map."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.inspection._plotting import (
    COLORS,
    GREY,
    LITERAL,
    MARKERS,
    Style,
    add_legend,
    legible,
    style_kwargs,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

_POINT: Style = {"s": 18, "linewidths": 0, "alpha": 0.85}
# Longest label in characters.
_LONGEST = 26


def draw_points(
    ax: "Axes", points: pd.DataFrame, color: pd.Series | None, scatter_kwargs: Style | None
) -> "tuple[list[PathCollection], Colorbar | None]":
    """Draw points (n, 2) with a colorbar for numbers (n,) or a legend for categories (n,)."""
    if color is None:
        return [_scatter(ax, points, {"color": COLORS[0]}, scatter_kwargs)], None
    if pd.api.types.is_numeric_dtype(color) and not pd.api.types.is_bool_dtype(color):
        return _draw_numbers(ax, points, color, scatter_kwargs)
    groups = _groups(color)
    scatters = [
        _scatter(ax, points[(groups == name).to_numpy()], style, scatter_kwargs)
        for name, style in _styles(groups).items()
    ]
    add_legend(ax, scatters, title=None if _is_blank(color.name) else wrapped(color.name))
    return scatters, None


def _is_blank(name: object) -> bool:
    return name is None or not str(name).strip()


def _scatter(ax: "Axes", points: pd.DataFrame, style: Style, given: Style | None) -> "PathCollection":
    x, y = points.to_numpy().T
    return ax.scatter(x, y, **style_kwargs({**_POINT, **style}, given))


def _draw_numbers(
    ax: "Axes", points: pd.DataFrame, color: pd.Series, scatter_kwargs: Style | None
) -> "tuple[list[PathCollection], Colorbar]":
    known = color.notna().to_numpy()
    missing = [_scatter(ax, points[~known], {"color": GREY}, scatter_kwargs)] * (not known.all())
    style = {"c": color[known].to_numpy(dtype=float), "cmap": "viridis"}
    coloured = _scatter(ax, points[known], style, scatter_kwargs)
    colorbar = ax.figure.colorbar(coloured, ax=ax)
    if not _is_blank(color.name):
        colorbar.set_label(str(color.name), **LITERAL)
    return [*missing, coloured], colorbar


def _groups(color: pd.Series) -> pd.Series:
    """Category of each point as text; rare and missing ones are "other", (n,) -> (n,)."""
    text = color.astype(object).where(color.notna()).map(str, na_action="ignore")
    frequent = text.value_counts().index[: len(COLORS)]
    return text.where(text.isin(frequent), "other")


def _styles(groups: pd.Series) -> dict[str, Style]:
    """Label, colour and marker of each category; the grey points come first, so others cover them."""
    names = [name for name in groups.value_counts().index if name != "other"]
    other = {"other": {"label": "other", "color": GREY, "marker": "o"}} if (groups == "other").any() else {}
    return other | {
        name: {"label": wrapped(name), "color": color, "marker": marker}
        for name, color, marker in zip(names, COLORS, MARKERS, strict=False)
    }


def draw_labels(
    ax: "Axes", points: pd.DataFrame, labels: pd.Series, n_labels: int, text_kwargs: Style | None
) -> "list[Annotation]":
    """Label the first of points (n, 2) whose labels fit inside the axes without overlap, at most n_labels."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2, foreground="white")]
    style = style_kwargs({"fontsize": "x-small", "path_effects": halo, **LITERAL}, text_kwargs)
    ax.figure.canvas.figure.draw_without_rendering()  # the layout settles the size of the axes
    texts: list[Annotation] = []
    taken: list[BboxBase] = []
    for point, label in zip(points.to_numpy(), labels, strict=True):
        if len(texts) == n_labels:
            break
        placed = _label_with_room(ax, point, _short(legible(label)), taken, style)
        if placed is not None:
            texts.append(placed[0])
            taken.append(placed[1])
    return texts


def _label_with_room(
    ax: "Axes", point: NDArray[np.float64], text: str, taken: "list[BboxBase]", style: Style
) -> "tuple[Annotation, BboxBase] | None":
    """A label to the right or left of a point (2,) and its box; None if both sides lack room."""
    for side, align in ((5, "left"), (-5, "right")):
        label = ax.annotate(
            text, (point[0], point[1]), (side, 0), textcoords="offset points", ha=align, va="center", **style
        )
        box = label.get_window_extent().padded(1)
        inside = all(ax.bbox.contains(*corner) for corner in (box.p0, box.p1))
        if inside and not box.count_overlaps(taken):
            return label, box
        label.remove()
    return None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip(" -,:(") + "..."
