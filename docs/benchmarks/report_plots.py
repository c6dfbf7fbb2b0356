"""Pictures of report.py, which prints their names: curves, seconds per pass, memory, users per second.

python docs/benchmarks/report.py draws them; each function here draws one.
"""

from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

Result = dict[str, object]
# Okabe and Ito's colours, which colour-blind people tell apart; markers and lines differ too.
STYLES = {
    "sgd": ("#0072B2", "o", "-"),
    "als": ("#D55E00", "s", "-"),
    "LIBMF": ("#009E73", "^", "--"),
    "cornac": ("#CC79A7", "v", "--"),
    "cmfrec": ("#E69F00", "D", "--"),
    "Surprise": ("#56B4E9", "P", "--"),
}
OTHER = ("#666666", "X", ":")
OURS, THEIRS = "#0072B2", "#9A9A9A"
COMMON_DIM = 64  # of the pictures over the number of ratings


def slope(results: list[Result], name: str) -> float | None:
    """Exponent with which a figure grows with the number of ratings: the slope in log-log."""
    points = [(result["n_ratings"], result.get(name) or 0) for result in results]
    positive = np.log([point for point in points if point[1] > 0]).T
    if positive.size < 4 or len(set(positive[0])) < 2:
        return None
    return float(np.polyfit(positive[0], positive[1], 1)[0])


def label(result: Result) -> str:
    """Name of a line: solver of ours, name of a rival."""
    if result["peer"] != "sklearn_mf":
        return str(result["peer"])
    solver = str(result.get("curve", result["model"])).split("-")[0]
    return f"sklearn_mf {solver}"


def style(name: str) -> dict[str, object]:
    """Colour, marker and line of a name."""
    colour, marker, line = STYLES.get(name.removeprefix("sklearn_mf "), OTHER)
    width, order = (2.4, 3) if name.startswith("sklearn_mf") else (1.6, 2)
    look = {"color": colour, "marker": marker, "linestyle": line}
    return {**look, "linewidth": width, "markersize": 6, "zorder": order}


def grouped(results: list[Result]) -> dict[str, list[Result]]:
    """Lines by name, ours first."""
    lines = defaultdict(list)
    for result in results:
        lines[label(result)].append(result)
    return dict(
        sorted(lines.items(), key=lambda line: (not line[0].startswith("sklearn_mf"), line[0].lower()))
    )


def plain(value: float, _: object = None) -> str:
    """Number on an axis without exponents of ten."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def log_axis(axis, values, ticks: list[float] | None = None) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 (or at the ticks)."""
    low, high = min(values), max(values)
    decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 2)
    steps = (1, 2, 5) if high / low < 300 else (1,)
    marks = ticks or [step * 10.0**decade for decade in decades for step in steps]
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    axis.set_ticks([mark for mark in marks if low / 1.7 <= mark <= high * 1.7])
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())


def new_figure(width: float, height: float, columns: int = 1):
    """A figure with light grids and no boxes."""
    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    for axes_of_one in axes[0]:
        axes_of_one.spines[["top", "right"]].set_visible(False)
        axes_of_one.grid(color="#DDDDDD", linewidth=0.8)
        axes_of_one.set_axisbelow(True)
    return figure, axes[0]


def legend(figure, axes, columns: int = 4, notes: dict[str, str] | None = None) -> None:
    """Below the panels, where it covers nothing; each name once, with what there is to note on it."""
    handles = {
        name: handle for one in axes for handle, name in zip(*one.get_legend_handles_labels(), strict=True)
    }
    names = [name + (notes or {}).get(name, "") for name in handles]
    figure.legend(handles.values(), names, loc="outside lower center", ncols=columns, frameon=False)


def save(figure, folder: Path, name: str) -> str:
    """Write a picture and return its file name."""
    file = f"suite-{name}.png"
    figure.savefig(folder / file, dpi=150)
    plt.close(figure)
    return file


def draw_curves(results: list[Result], dataset: str, folder: Path) -> str:
    """Test RMSE against seconds of the whole fit, a point for each number of passes."""
    figure, (axes,) = new_figure(7.5, 4.8)
    for name, line in grouped(results).items():
        line.sort(key=lambda result: result["passes"])
        axes.plot(
            [point["fit_s"] for point in line], [point["rmse"] for point in line], label=name, **style(name)
        )
    errors = [result["rmse"] for result in results]
    log_axis(axes.xaxis, [result["fit_s"] for result in results])
    axes.set_ylim(min(errors) - 0.004, min(max(errors) + 0.004, min(errors) + 0.08))
    axes.set(xlabel="Seconds of the whole fit", ylabel="Test RMSE", title=f"Time to RMSE, {dataset}")
    legend(figure, [axes], 3)
    return save(figure, folder, f"curves-{dataset}")


def by_size(axes, results: list[Result], name: str) -> dict[str, str]:
    """Draw a figure against the number of ratings at one embedding_dim; the exponents, for the legend."""
    chosen = [result for result in results if result["embedding_dim"] == COMMON_DIM and result.get(name)]
    notes = {}
    for line, points in grouped(chosen).items():
        points.sort(key=lambda result: result["n_ratings"])
        x, y = ([point[key] for point in points] for key in ("n_ratings", name))
        axes.plot(x, y, label=line, **style(line))
        power = slope(points, name)
        notes[line] = f", exponent {power:.2f}" if power is not None else ""
    sizes = sorted({result["n_ratings"] for result in chosen})
    log_axis(axes.xaxis, sizes, sizes)
    log_axis(axes.yaxis, [result[name] for result in chosen])
    axes.set(xlabel="Ratings")
    return notes


def draw_pass(results: list[Result], folder: Path) -> str:
    """Seconds per pass against embedding_dim and against the number of ratings."""
    figure, (left, right) = new_figure(10, 4.8, 2)
    size = largest_common_size(results)
    chosen = [result for result in results if result["n_ratings"] == size]
    for name, line in grouped(chosen).items():
        line.sort(key=lambda result: result["embedding_dim"])
        x, y = ([point[key] for point in line] for key in ("embedding_dim", "s_per_epoch"))
        left.plot(x, y, label=name, **style(name))
    dims = sorted({result["embedding_dim"] for result in chosen})
    log_axis(left.xaxis, dims, dims)
    log_axis(left.yaxis, [result["s_per_epoch"] for result in chosen])
    left.set(xlabel="embedding_dim", ylabel="Seconds per pass", title=f"{plain(size)} ratings")
    notes = by_size(right, results, "s_per_epoch")
    right.set(title=f"embedding_dim {COMMON_DIM}")
    legend(figure, [left, right], notes=notes)
    return save(figure, folder, "pass")


def largest_common_size(results: list[Result]) -> int:
    """Most ratings that every line has."""
    sizes = [{result["n_ratings"] for result in line} for line in grouped(results).values()]
    return max(set.intersection(*sizes) or set.union(*sizes))


def draw_memory(results: list[Result], folder: Path) -> str:
    """Memory that fit adds against the number of ratings."""
    figure, (axes,) = new_figure(7.5, 4.8)
    notes = by_size(axes, results, "fit_adds_mb")
    title = f"Memory above the raw columns, embedding_dim {COMMON_DIM}"
    axes.set(ylabel="MB that fit adds at its peak", title=title)
    legend(figure, [axes], 2, notes)
    return save(figure, folder, "memory")


def draw_serving(results: list[Result], folder: Path) -> str:
    """Bars of users a second, a panel for each data set."""
    names = sorted({str(result["dataset"]) for result in results})
    most = max(sum(result["dataset"] == name for result in results) for name in names)
    figure, panels = new_figure(5 * len(names), 1.2 + 0.42 * most, len(names))
    for axes, name in zip(panels, names, strict=True):
        best: dict[str, float] = {}
        for result in (result for result in results if result["dataset"] == name):
            best[str(result["peer"])] = max(best.get(str(result["peer"]), 0), float(result["users_per_s"]))
        bars(axes, dict(sorted(best.items(), key=lambda pair: pair[1])))
        axes.set(title=f"Top 10 for every user, {name}", xlabel="Users per second")
    return save(figure, folder, "serving")


def bars(axes, values: dict[str, float]) -> None:
    """Horizontal bars, each with its number."""
    colours = [OURS if name == "sklearn_mf" else THEIRS for name in values]
    drawn = axes.barh(list(values), list(values.values()), color=colours, height=0.7)
    axes.bar_label(
        drawn, [f"{value:,.3g}" if value < 10 else f"{value:,.0f}" for value in values.values()], padding=4
    )
    axes.set_xlim(0, max(values.values()) * 1.2)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def draw_all(results: list[Result], folder: Path) -> dict[str, str]:
    """Every picture that there are figures for: its name and its file."""
    pictures = {}
    for dataset in sorted({result["dataset"] for result in results if result["task"] == "curve"}):
        found = [result for result in results if result["task"] == "curve" and result["dataset"] == dataset]
        pictures[f"curves-{dataset}"] = draw_curves(found, dataset, folder)
    scale = [result for result in results if result["task"] == "scale"]
    if scale:
        pictures |= {"pass": draw_pass(scale, folder), "memory": draw_memory(scale, folder)}
    served = [result for result in results if result.get("users_per_s")]
    if served:
        pictures["serving"] = draw_serving(served, folder)
    return pictures
