"""Tables and pictures from the figures of suite.py: writes suite.rst and suite-*.png, prints what it wrote.

    python docs/benchmarks/report.py [FILE.jsonl ...] [--folder docs/benchmarks]

Where a case ran more than once its median counts. The page docs/benchmarks.rst includes suite.rst.
"""

import argparse
import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import report_plots

HERE = Path(__file__).resolve().parent
Result = dict[str, object]
MEASURED = ("fit_s", "s_per_epoch", "rmse", "mae", "users_per_s", "peak_rss_mb", "fit_adds_mb", "before_mb")
SILENT = ("embedding_dim", "rank", "solver")  # settings that a table shows elsewhere


def read(files: list[Path]) -> tuple[list[Result], dict[str, str]]:
    """Medians of the cases with figures, and why others have none."""
    runs, reasons = defaultdict(list), {}
    for file in files:
        for line in filter(None, file.read_text().splitlines()):
            result = json.loads(line)
            if "error" in result or "skipped" in result:
                reasons[result["case"]] = result.get("skipped") or f"failed: {result['error']}"
            else:
                runs[result["case"]].append(result)
    results = [median_run(found) for found in runs.values()]
    return results, {case: reason for case, reason in reasons.items() if case not in runs}


def median_run(runs: list[Result]) -> Result:
    """The last run of a case with the median of what was measured."""
    merged = {**runs[-1], "runs": len(runs)}
    for name in MEASURED:
        values = [run[name] for run in runs if run.get(name) is not None]
        if values:
            merged[name] = median(values)
    settings = merged.get("settings", {})
    merged.setdefault("embedding_dim", settings.get("embedding_dim", settings.get("rank")))
    merged.setdefault("model", str(merged["case"]).split("/")[1])
    return merged


def table(header: list[str], rows: list[list[object]]) -> str:
    """A csv-table of reStructuredText."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n   ").writerows(
        [header, *([show(cell) for cell in row] for row in rows)]
    )
    return f".. csv-table::\n   :header-rows: 1\n\n   {text.getvalue().rstrip()}\n"


def show(value: object) -> str:
    """A cell: three digits of a number, words of settings."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items() if name not in SILENT)
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def section(title: str, *parts: str) -> str:
    """A heading and what stands below it."""
    return "\n".join([f"{title}\n{'-' * len(title)}\n", *parts]) if any(parts) else ""


def figure(name: str | None, alt: str) -> str:
    """A picture, where there is one."""
    return f".. figure:: benchmarks/{name}\n   :alt: {alt}\n" if name else ""


def four(value: float) -> str:
    """An error with the digits that tell models apart."""
    return f"{value:.4f}"


def of_task(results: list[Result], task: str) -> list[Result]:
    """Cases of one kind."""
    return [result for result in results if result["task"] == task]


def datasets(results: list[Result]) -> list[str]:
    """In the order in which they ran."""
    return list(dict.fromkeys(str(result["dataset"]) for result in results))


def accuracy(results: list[Result], dataset: str) -> str:
    """Errors and seconds on a data set, the least RMSE first."""
    header = [
        "peer",
        "model",
        "embedding_dim",
        "RMSE",
        "MAE",
        "fit s",
        "s per pass",
        "peak MB",
        "version",
        "settings",
    ]
    names = ("fit_s", "s_per_epoch", "peak_rss_mb", "version", "settings")
    found = [result for result in of_task(results, "explicit") if result["dataset"] == dataset]
    rows = [
        [result["peer"], result["model"], result["embedding_dim"], four(result["rmse"]), four(result["mae"])]
        + [result.get(name) for name in names]
        for result in sorted(found, key=lambda result: result["rmse"])
    ]
    return table(header, rows) if rows else ""


def ranking(results: list[Result]) -> str:
    """Recall and NDCG of the rivals on implicit feedback."""
    header = [
        "data",
        "peer",
        "model",
        "embedding_dim",
        "Recall@20",
        "NDCG@20",
        "fit s",
        "s per pass",
        "settings",
    ]
    found = sorted(of_task(results, "implicit"), key=lambda result: -result["recall@20"])
    rows = [
        [result["dataset"], result["peer"], result["model"], result["embedding_dim"]]
        + [four(result["recall@20"]), four(result["ndcg@20"])]
        + [result.get(name) for name in ("fit_s", "s_per_epoch", "settings")]
        for result in found
    ]
    return table(header, rows) if rows else ""


CURVE_HEADER = ["peer", "model", "passes", "fit s", "RMSE"]


def curve_row(result: Result) -> list[object]:
    """A point of a curve."""
    model = str(result["curve"]).split("/")[0]
    return [result["peer"], model, result["passes"], result["fit_s"], four(result["rmse"])]


def curves(results: list[Result], dataset: str) -> str:
    """Seconds and RMSE at each number of passes."""
    found = [result for result in of_task(results, "curve") if result["dataset"] == dataset]
    found.sort(key=lambda result: (result["peer"], result["curve"], result["passes"]))
    return table(CURVE_HEADER, [curve_row(result) for result in found]) if found else ""


def goal(results: list[Result]) -> float:
    """The least hundredth of RMSE that every curve reaches."""
    best = defaultdict(lambda: np.inf)
    for result in results:
        best[result["curve"]] = min(best[result["curve"]], result["rmse"])
    return float(np.ceil(max(best.values()) * 100) / 100)


def time_to_goal(results: list[Result], dataset: str) -> str:
    """The quickest fit of each curve that is good enough."""
    found = [result for result in of_task(results, "curve") if result["dataset"] == dataset]
    if not found:
        return ""
    enough = goal(found)
    quickest: dict[object, Result] = {}
    for result in sorted(found, key=lambda result: result["fit_s"]):
        if result["rmse"] <= enough:
            quickest.setdefault(result["curve"], result)
    rows = [curve_row(result) for result in quickest.values()]
    title = f"Quickest measured fit on {dataset} with a test RMSE of at most {enough:.2f}, which all reach:\n"
    return title + "\n" + table(CURVE_HEADER, rows)


def serving(results: list[Result]) -> str:
    """Users a second."""
    found = [result for result in results if result.get("users_per_s")]
    found.sort(key=lambda result: (result["dataset"], -result["users_per_s"]))
    rows = [
        [result[name] for name in ("dataset", "peer", "users_per_s", "how", "version")] for result in found
    ]
    return table(["data", "peer", "users/s", "how", "version"], rows) if rows else ""


def scale(results: list[Result]) -> str:
    """Seconds and memory by size and embedding_dim."""
    names = ("n_ratings", "embedding_dim", "s_per_epoch", "passes", "fit_s", "fit_adds_mb")
    rows = [
        [report_plots.label(result), *(result[name] for name in names), four(result["rmse"])]
        for result in of_task(results, "scale")
    ]
    header = ["model", "ratings", "embedding_dim", "s per pass", "passes", "fit s", "fit adds MB", "RMSE"]
    return table(header, sorted(rows, key=lambda row: (row[1], row[2], row[0]))) if rows else ""


def exponents(results: list[Result]) -> str:
    """How seconds per pass and memory grow with the number of ratings: slopes in log-log."""
    series = defaultdict(list)
    for result in of_task(results, "scale"):
        series[report_plots.label(result), result["embedding_dim"]].append(result)
    rows = [
        [model, dim, " ".join(f"{result['n_ratings']:,}" for result in found)]
        + [report_plots.slope(found, name) for name in ("s_per_epoch", "fit_s", "fit_adds_mb")]
        for (model, dim), found in sorted(series.items())
        if len(found) > 1
    ]
    header = ["model", "embedding_dim", "sizes", "s per pass", "fit s", "fit adds MB"]
    return table(header, rows) if rows else ""


SCALE_TEXT = """Synthetic ratings of ``make_ratings``: n / 150 users, n / 750 items, about as many ratings a
user and an item as in MovieLens 20M; noise 0.5, so that no RMSE can be below 0.5. So few passes are for time
and memory: the RMSE shows only that all learnt. "Fit adds" is the peak of resident memory in fit above the
process with the raw columns (two of int32, one of float32) and the library loaded.
"""
EXPONENT_TEXT = "Exponents: seconds and memory grow with the number of ratings to this power.\n"


def scale_section(results: list[Result], pictures: dict[str, str]) -> str:
    """Pictures and tables of the synthetic ratings."""
    if not of_task(results, "scale"):
        return ""
    grown = exponents(results)
    return section(
        "Scale",
        SCALE_TEXT,
        figure(pictures.get("pass"), "Seconds per pass by embedding_dim and by number of ratings"),
        figure(pictures.get("memory"), "Memory that fit adds by number of ratings"),
        scale(results),
        f"{EXPONENT_TEXT}\n{grown}" if grown else "",
    )


def curve_section(results: list[Result], pictures: dict[str, str], dataset: str) -> str:
    """Picture and tables of the curves on a data set."""
    return section(
        f"Time to RMSE on {dataset}",
        figure(pictures.get(f"curves-{dataset}"), f"Test RMSE against seconds of fit on {dataset}"),
        time_to_goal(results, dataset),
        curves(results, dataset),
    )


def page(results: list[Result], reasons: dict[str, str], folder: Path) -> str:
    """All of suite.rst; draws its pictures into the folder."""
    explicit, curve_sets = (datasets(of_task(results, task)) for task in ("explicit", "curve"))
    pictures = report_plots.draw_all(results, folder)
    bars = figure(pictures.get("serving"), "Users per second of top-10 recommendation")
    missing = [[case, reason] for case, reason in sorted(reasons.items())]
    parts = [
        heading(results),
        *(section(f"Accuracy and time on {name}", accuracy(results, name)) for name in explicit),
        *(curve_section(results, pictures, name) for name in curve_sets),
        scale_section(results, pictures),
        section("Ten best unseen items for every user", bars, serving(results)),
        section("Implicit feedback, rivals alone", ranking(results)),
        section("Not measured", table(["case", "why"], missing) if missing else ""),
    ]
    return "\n".join(filter(None, parts))


def heading(results: list[Result]) -> str:
    """Where and with what it was measured."""
    ours = next((result for result in results if result["peer"] == "sklearn_mf"), results[0])
    packages = ", ".join(f"{name} {number}" for name, number in ours.get("versions", {}).items())
    runs = sorted({result["runs"] for result in results})
    times = "one run each" if runs == [1] else f"median of {runs[0]} to {runs[-1]} runs"
    where = f"{ours.get('machine', 'one machine')}, {ours['threads']} threads each"
    return (
        f"Written by ``report.py`` from the figures of ``suite.py``, measured on {where},\n"
        f"one case at a time, each in a process of its own; {times}. {packages}.\n"
    )


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, default=[HERE / "suite.jsonl"], metavar="FILE")
    parser.add_argument("--folder", type=Path, default=HERE, help="where suite.rst and the pictures go")
    arguments = parser.parse_args()
    results, reasons = read(arguments.files)
    if not results:
        parser.error(f"no figures in {', '.join(map(str, arguments.files))}: run suite.py first")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / "suite.rst"
    path.write_text(page(results, reasons, arguments.folder))
    print("\n".join(str(written) for written in [path, *sorted(arguments.folder.glob("suite-*.png"))]))


if __name__ == "__main__":
    main()
