"""Our cases of the suite. Prints a line `RESULT {json}` with the figures of one case.

    SKLEARN_MF_DATA=folder python docs/benchmarks/cases.py --case sklearn_mf/sgd-64/ml-1m
    python docs/benchmarks/cases.py --list           the names of all
    python docs/benchmarks/cases.py --make 1M        writes the synthetic ratings that scale cases read

SOLVER-64 has the best settings of the data set (best_settings.json; the defaults where a solver has none
there) with this embedding_dim, SOLVER-best their own embedding_dim, SOLVER-default the defaults; bayesian-32
is BayesianMFRecommender with its defaults.
curve-SOLVER-64/DATA/N fits with N epochs or sweeps, scale-SOLVER-64/SIZE fits synthetic ratings with the
defaults, serve-64 asks for the ten best unseen items of every user. fit_s is the whole fit with compilation;
s_per_epoch is that of a pass after the first. TensorFlow is imported and started before the clock runs.
"""

import io
import json
import os
import time
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
from data import BEST_SETTINGS, OBSERVED, PAIR, folder, ml_1m
from measuring import (
    N_TEST,
    SCALE_DIMS,
    SCALE_PASSES,
    SETS,
    SIZES,
    THREADS,
    Case,
    Watch,
    errors,
    points,
    run_case,
    scale_file,
    shape,
    synthetic,
)

SOLVERS = ("sgd", "als")
DIMS = (16, 64)
N_RECOMMENDED = 10


def best_settings(dataset: str, solver: str) -> dict[str, object]:
    """Settings chosen by cross-validation on the training part."""
    every = json.loads(BEST_SETTINGS.read_text())
    return every.get(dataset.removesuffix("-u1"), {}).get(solver, {"solver": solver})


class LineTimes(io.StringIO):
    """Standard output that notes when each line was printed."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def write(self, text: str) -> int:
        """Note the time of each end of a line."""
        self.times += [time.perf_counter()] * text.count("\n")
        return super().write(text)

    def seconds_per_line(self) -> float | None:
        """Mean time from one line to the next."""
        n_gaps = len(self.times) - 1
        return float(f"{(self.times[-1] - self.times[0]) / n_gaps:.4g}") if n_gaps > 0 else None


def start_tensorflow() -> None:
    """Import TensorFlow and start it with the number of threads that all get."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.constant(0) + 1


def versions() -> dict[str, str]:
    """Of the packages that matter."""
    found = {}
    for package in ("sklearn-mf", "tensorflow", "tensorflow-cpu", "scikit-learn", "numpy", "pandas"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def measured_fit(
    settings: dict[str, object], X: pd.DataFrame, y: np.ndarray, estimator: str = "MFRecommender"
):
    """A fitted model, and the figures of its fit."""
    import sklearn_mf

    model = getattr(sklearn_mf, estimator)(random_state=0, verbose=1).set_params(**settings)
    start_tensorflow()
    lines = LineTimes()
    with redirect_stdout(lines), Watch() as watch:
        model.fit(X, y)
    figures = {"settings": settings, "embedding_dim": model.embedding_dim, "passes": model.n_iter_}
    figures["s_per_epoch"] = lines.seconds_per_line()
    return model, {**figures, **watch.figures(), "versions": versions()}


def explicit(
    dataset: str, settings: dict[str, object], estimator: str = "MFRecommender"
) -> dict[str, object]:
    """Fit and test error on MovieLens."""
    train, test = SETS[dataset]()
    model, figures = measured_fit(settings, train[PAIR], train["rating"].to_numpy(), estimator)
    start = time.perf_counter()
    predicted = model.predict(test[PAIR])
    seconds = time.perf_counter() - start
    found = errors(predicted, train["rating"].to_numpy(), test["rating"].to_numpy())
    return {**figures, "s_predict": round(seconds, 4), **found}


def scale(dataset: str, settings: dict[str, object]) -> dict[str, object]:
    """Fit of a few passes on synthetic ratings."""
    train, test = synthetic(dataset)
    X, X_test = (pd.DataFrame({"user": part.user, "item": part.item}, copy=False) for part in (train, test))
    model, figures = measured_fit(settings, X, train.rating)
    return {
        **figures,
        "n_ratings": len(train.rating),
        **errors(model.predict(X_test), train.rating, test.rating),
    }


def gowalla() -> pd.DataFrame:
    """Check-ins to train on, each with a random rating: for the time of serving alone."""
    text = pd.read_csv(folder() / "gowalla/train.txt.gz", header=None, names=["line"], sep="\0")["line"]
    words = text.str.split()
    pairs = pd.DataFrame({"user": words.str[0], "item": words.str[1:]}).explode("item").dropna().astype(int)
    return pairs.assign(rating=np.random.default_rng(0).integers(1, 6, len(pairs)))


def liked() -> pd.DataFrame:
    """Ratings of at least 4 in the training part of ML-1M, as the rivals get them."""
    return ml_1m()[0].query("rating >= 4")


def serve(dataset: str, embedding_dim: int) -> dict[str, object]:
    """Users a second of `recommend` for everybody, after a brief fit."""
    from sklearn_mf import MFRecommender

    ratings = {"ml-1m": liked, "gowalla": gowalla}[dataset]()
    start_tensorflow()
    model = MFRecommender(embedding_dim, max_iter=3, random_state=0, **OBSERVED).fit(ratings)
    model.recommend(ratings["user"].unique()[:100], n=N_RECOMMENDED)
    with Watch() as watch:
        table = model.recommend(n=N_RECOMMENDED)
    per_second = table["user"].nunique() / watch.seconds
    how = f"model.recommend(n={N_RECOMMENDED}), a table of all users"
    figures = {"serve_s": round(watch.seconds, 4), "users_per_s": float(f"{per_second:.4g}"), "how": how}
    return {"settings": {"embedding_dim": embedding_dim}, **figures, "versions": versions()}


def make(size: str) -> None:
    """Write synthetic ratings of a size and N_TEST more to test on."""
    from sklearn_mf.datasets import make_ratings

    ratings = make_ratings(*shape(SIZES[size]), SIZES[size] + N_TEST, random_state=0)
    types = {"user": np.int32, "item": np.int32, "rating": np.float32}
    scale_file(size).parent.mkdir(parents=True, exist_ok=True)
    partial = scale_file(size).with_name(f"{size}.{os.getpid()}.npz")
    np.savez(partial, **{name: ratings[name].to_numpy(dtype) for name, dtype in types.items()})
    partial.replace(scale_file(size))


def case(name: str, task: str, dataset: str, run, arguments: dict[str, object], **extra: object) -> Case:
    """One of ours."""
    return Case(f"sklearn_mf/{name}", task, "sklearn_mf", "sklearn-mf", dataset, run, arguments, extra)


def explicit_cases(dataset: str, solver: str) -> list[Case]:
    """Best settings at the embedding_dim of the rivals and at their own, and the defaults."""
    best = best_settings(dataset, solver)
    settings = {f"{solver}-{dim}": {**best, "embedding_dim": dim} for dim in DIMS}
    if best.get("embedding_dim", 0) not in DIMS:
        settings[f"{solver}-best"] = best
    settings[f"{solver}-default"] = {"solver": solver}
    return [
        case(f"{model}/{dataset}", "explicit", dataset, explicit, {"settings": chosen})
        for model, chosen in settings.items()
    ]


def bayesian_case(dataset: str) -> Case:
    """BayesianMFRecommender with its defaults."""
    arguments = {"settings": {}, "estimator": "BayesianMFRecommender"}
    return case(f"bayesian-32/{dataset}", "explicit", dataset, explicit, arguments)


def curve_cases(dataset: str, solver: str, dim: int = 64) -> list[Case]:
    """A curve's points: best settings with more and fewer passes."""
    best = {**best_settings(dataset, solver), "embedding_dim": dim}
    curve = f"{solver}-{dim}/{dataset}"
    return [
        case(
            f"curve-{curve}/{n}",
            "curve",
            dataset,
            explicit,
            {"settings": {**best, "max_iter": n}},
            curve=curve,
        )
        for n in points(int(best.get("max_iter", 20)))
    ]


def scale_cases(solver: str) -> list[Case]:
    """Every size and embedding_dim."""
    return [
        case(
            f"scale-{solver}-{dim}/{size}",
            "scale",
            size,
            scale,
            {"settings": {"solver": solver, "embedding_dim": dim, "max_iter": SCALE_PASSES}},
            model=solver,
            embedding_dim=dim,
        )
        for size in SIZES
        for dim in SCALE_DIMS
    ]


def all_cases() -> list[Case]:
    """In the order in which they run."""
    cases = [one for solver in SOLVERS for dataset in SETS for one in explicit_cases(dataset, solver)]
    cases += [bayesian_case(dataset) for dataset in SETS]
    cases += [one for solver in SOLVERS for dataset in SETS for one in curve_cases(dataset, solver)]
    cases += [
        case(f"serve-64/{name}", "serving", name, serve, {"embedding_dim": 64})
        for name in ("ml-1m", "gowalla")
    ]
    return cases + [one for solver in SOLVERS for one in scale_cases(solver)]


if __name__ == "__main__":
    run_case(all_cases(), __doc__, make)
