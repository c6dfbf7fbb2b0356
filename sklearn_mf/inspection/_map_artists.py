"""Points and labels of a map."""

from typing import Any

import pandas as pd

from sklearn_mf.inspection._plotting import COLORS, GREY, MARKERS, add_legend, style_kwargs, wrapped

# Characters of a label at most.
_LONGEST = 26


def draw_points(
    ax: Any, points: pd.DataFrame, color: "pd.Series[Any] | None", scatter_kwargs: dict[str, Any] | None
) -> tuple[list[Any], Any]:
    """Draw points and explain their colours.

    Parameters
    ----------
    ax : Axes
        To draw on.
    points : DataFrame of shape (n, 2)
        Coordinates.
    color : Series of shape (n,) or None
        Numbers or categories.
    scatter_kwargs : dict or None
        For `Axes.scatter`.

    Returns
    -------
    scatters : list of PathCollection
        One for each category, or one alone.
    colorbar : Colorbar or None
        Of numbers.
    """
    default = {"s": 18, "linewidths": 0, "alpha": 0.85}
    if color is None:
        return [_scatter(ax, points, {**default, "color": COLORS[0]}, scatter_kwargs)], None
    if pd.api.types.is_numeric_dtype(color) and not pd.api.types.is_bool_dtype(color):
        return _draw_numbers(ax, points, color, default, scatter_kwargs)
    groups = _groups(color)
    scatters = [
        _scatter(ax, points[(groups == name).to_numpy()], {**default, **style}, scatter_kwargs)
        for name, style in _styles(groups).items()
    ]
    add_legend(ax, scatters, title=wrapped(color.name) if color.name is not None else None)
    return scatters, None


def _scatter(ax: Any, points: pd.DataFrame, default: dict[str, Any], given: dict[str, Any] | None) -> Any:
    return ax.scatter(*points.to_numpy().T, **style_kwargs(default, given))


def _draw_numbers(
    ax: Any,
    points: pd.DataFrame,
    color: "pd.Series[Any]",
    default: dict[str, Any],
    scatter_kwargs: dict[str, Any] | None,
) -> tuple[list[Any], Any]:
    known = color.notna().to_numpy()
    missing = [_scatter(ax, points[~known], {**default, "color": GREY}, scatter_kwargs)] * (not known.all())
    style = {**default, "c": color[known].to_numpy(dtype=float), "cmap": "viridis"}
    short_repr = _scatter(ax, points[known], style, scatter_kwargs)
    colorbar = ax.figure.colorbar(short_repr, ax=ax, label=color.name)
    return [*missing, short_repr], colorbar


def _groups(color: "pd.Series[Any]") -> "pd.Series[Any]":
    """Category of each point as text, the rare ones and the missing together as "other"."""
    text = color.astype(object).where(color.notna()).map(str, na_action="ignore")
    frequent = text.value_counts().index[: len(COLORS)]
    return text.where(text.isin(frequent), "other")


def _styles(groups: "pd.Series[Any]") -> dict[str, dict[str, Any]]:
    """Label, colour and marker of each category; the grey ones are drawn first."""
    names = [name for name in groups.value_counts().index if name != "other"]
    other = {"other": {"label": "other", "color": GREY, "marker": "o"}} if (groups == "other").any() else {}
    return other | {
        name: {"label": wrapped(name), "color": color, "marker": marker}
        for name, color, marker in zip(names, COLORS, MARKERS, strict=False)
    }


def draw_labels(
    ax: Any, points: pd.DataFrame, labels: "pd.Series[Any]", n_labels: int, text_kwargs: dict[str, Any] | None
) -> list[Any]:
    """Label the first points that have room for it.

    Parameters
    ----------
    ax : Axes
        With all else that takes room.
    points : DataFrame of shape (n, 2)
        Coordinates.
    labels : Series of shape (n,)
        Text.
    n_labels : int
        Labels at most.
    text_kwargs : dict or None
        For `Axes.annotate`.

    Returns
    -------
    texts : list of Annotation
        None of them overlaps another or leaves the axes.
    """
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2, foreground="white")]
    style = style_kwargs({"fontsize": "x-small", "path_effects": halo}, text_kwargs)
    ax.figure.canvas.figure.draw_without_rendering()  # the layout settles the size of the axes
    texts: list[Any] = []
    taken: list[Any] = []
    for point, label in zip(points.to_numpy(), labels, strict=True):
        if len(texts) == n_labels:
            break
        text, box = _label_with_room(ax, point, _short(str(label)), taken, style)
        if text is not None:
            texts.append(text)
            taken.append(box)
    return texts


def _label_with_room(
    ax: Any, point: Any, text: str, taken: list[Any], style: dict[str, Any]
) -> tuple[Any, Any]:
    """A label to the right or to the left of a point, (2,), and its box; None where neither has room."""
    for side, align in ((5, "left"), (-5, "right")):
        label = ax.annotate(
            text, point, (side, 0), textcoords="offset points", ha=align, va="center", **style
        )
        box = label.get_window_extent().padded(1)
        inside = ax.bbox.containsx(box.x0) and ax.bbox.containsx(box.x1)
        if (
            inside
            and ax.bbox.containsy(box.y0)
            and ax.bbox.containsy(box.y1)
            and not box.count_overlaps(taken)
        ):
            return label, box
        label.remove()
    return None, None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip(" -,:(") + "..."
