"""Curves and scale cases of the rivals. Prints a line `RESULT {json}` with the figures of one case.

    SKLEARN_MF_DATA=folder PYTHON docs/benchmarks/rivals.py --case libmf/curve-64/ml-1m/20
    python docs/benchmarks/rivals.py --list          the names of all

PYTHON is the interpreter of an environment with the rival, NumPy and pandas. RIVALS has the best settings
known of each. curve-64/DATA/N is a whole fit with N passes: making the rival's own form of the data counts,
as it does with us. scale-64/SIZE fits synthetic ratings (cases.py --make SIZE); s_per_epoch is
(fit of n - fit of 1) / (n - 1).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from measuring import (
    SCALE_DIMS,
    SCALE_PASSES,
    SIZES,
    THREADS,
    Case,
    Columns,
    Watch,
    errors,
    movielens,
    points,
    run_case,
    synthetic,
)

Predict = Callable[[Columns], np.ndarray]


def pairs(columns: Columns) -> Iterator[tuple[int, int]]:
    """User and item of each rating as Python numbers."""
    return zip(columns.user.tolist(), columns.item.tolist(), strict=True)


def fit_libmf(train: Columns, dim: int, passes: int, lam: float, eta: float) -> Predict:
    """LIBMF. The binding reads rows in C order to fit and in Fortran order to predict; any other order gives
    wrong numbers without a word."""
    from libmf import mf

    penalty = dict.fromkeys(("lambda_p1", "lambda_q1"), 0.0) | dict.fromkeys(("lambda_p2", "lambda_q2"), lam)
    model = mf.MF(
        fun=0, k=dim, nr_threads=THREADS, nr_iters=passes, eta=eta, quiet=True, copy_data=True, **penalty
    )
    rows = np.empty((len(train.rating), 3), np.float32)
    for number, column in enumerate((train.user, train.item, train.rating)):
        rows[:, number] = column
    model.fit(rows)
    return lambda test: model.predict(np.asfortranarray(np.c_[test.user, test.item].astype(np.float32)))


def fit_cornac(train: Columns, dim: int, passes: int, lr: float, reg: float) -> Predict:
    """cornac's MF, without a seed, which would make it run on one thread."""
    from cornac.data import Dataset
    from cornac.models import MF

    columns = (train.user.tolist(), train.item.tolist(), train.rating.tolist())
    rows = Dataset.from_uir(list(zip(*columns, strict=True)))
    options = {"use_bias": True, "num_threads": THREADS, "verbose": False}
    model = MF(k=dim, max_iter=passes, learning_rate=lr, lambda_reg=reg, **options).fit(rows)
    users, items = model.uid_map, model.iid_map

    def one(user: int, item: int) -> float:
        return model.rate(users[user], items[item]) if user in users and item in items else np.nan

    return lambda test: np.array([one(*pair) for pair in pairs(test)])


def fit_cmfrec(train: Columns, dim: int, passes: int, lam: float) -> Predict:
    """cmfrec's alternating least squares by conjugate gradient. It numbers the ids of a table itself; a
    sparse matrix with a column that has no rating would cost it accuracy."""
    import pandas as pd
    from cmfrec import CMF

    options = {"method": "als", "use_cg": True, "scale_lam": True, "random_state": 1, "nthreads": THREADS}
    model = CMF(k=dim, niter=passes, lambda_=lam, precompute_for_predictions=False, verbose=False, **options)
    model.fit(pd.DataFrame({"UserId": train.user, "ItemId": train.item, "Rating": train.rating}))
    return lambda test: model.predict(test.user, test.item)


def fit_surprise(train: Columns, dim: int, passes: int, lr_all: float, reg_all: float) -> Predict:
    """Surprise's SVD."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    frame = pd.DataFrame({"user": train.user, "item": train.item, "rating": train.rating.astype(np.float64)})
    rows = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
    options = {"init_std_dev": 0.05, "random_state": 0}
    model = SVD(n_factors=dim, n_epochs=passes, lr_all=lr_all, reg_all=reg_all, **options).fit(rows)
    return lambda test: np.array([model.predict(*pair).est for pair in pairs(test)])


@dataclass(frozen=True)
class Rival:
    """A rival with its settings on each data set: (best number of passes, the others)."""

    peer: str
    package: str
    group: str  # folder of its virtual environment
    fit: Callable[..., Predict]
    settings: dict[str, tuple[int, dict[str, float]]]
    scale: dict[str, float] | None = None
    environment: tuple[tuple[str, str], ...] = ()


RIVALS = {
    "libmf": Rival(
        "LIBMF",
        "libmf",
        "libmf",
        fit_libmf,
        {"ml-1m": (40, {"lam": 0.055, "eta": 0.05}), "ml-100k-u1": (40, {"lam": 0.12, "eta": 0.05})},
        {"lam": 0.055, "eta": 0.05},
    ),
    "cornac": Rival(
        "cornac",
        "cornac",
        "cornac",
        fit_cornac,
        {"ml-1m": (50, {"lr": 0.01, "reg": 0.045}), "ml-100k-u1": (60, {"lr": 0.01, "reg": 0.09})},
    ),
    "cmfrec": Rival(
        "cmfrec",
        "cmfrec",
        "main",
        fit_cmfrec,
        {"ml-1m": (15, {"lam": 0.065}), "ml-100k-u1": (15, {"lam": 0.12})},
        {"lam": 0.065},
        environment=(("OPENBLAS_NUM_THREADS", "1"),),  # as its documentation asks: it has threads of its own
    ),
    "surprise": Rival(
        "Surprise",
        "scikit-surprise",
        "main",
        fit_surprise,
        {
            "ml-1m": (40, {"lr_all": 0.01, "reg_all": 0.055}),
            "ml-100k-u1": (60, {"lr_all": 0.01, "reg_all": 0.1}),
        },
    ),
}


def curve(dataset: str, rival: str, dim: int, passes: int) -> dict[str, Any]:
    """A whole fit with some number of passes, and its test error."""
    train, test = movielens(dataset)
    settings = RIVALS[rival].settings[dataset][1]
    warm_up(rival, dim, settings)
    with Watch() as watch:
        predict = RIVALS[rival].fit(train, dim, passes, **settings)
    found = errors(predict(test), train.rating, test.rating)
    return {
        "settings": {"rank": dim, "passes": passes, **settings},
        "passes": passes,
        **watch.figures(),
        **found,
    }


def scale(dataset: str, rival: str, dim: int) -> dict[str, Any]:
    """Fit of a few passes and of one pass on synthetic ratings."""
    train, test = synthetic(dataset)
    settings = RIVALS[rival].scale
    warm_up(rival, dim, settings)
    with Watch() as watch:
        predict = RIVALS[rival].fit(train, dim, SCALE_PASSES, **settings)
    found = errors(predict(test), train.rating, test.rating)
    del predict
    start = time.perf_counter()
    RIVALS[rival].fit(train, dim, 1, **settings)
    per_pass = (watch.seconds - (time.perf_counter() - start)) / (SCALE_PASSES - 1)
    figures = {
        "passes": SCALE_PASSES,
        "n_ratings": len(train.rating),
        "s_per_epoch": float(f"{per_pass:.4g}"),
    }
    return {"settings": {"rank": dim, **settings}, **figures, **watch.figures(), **found}


def warm_up(rival: str, dim: int, settings: dict[str, float]) -> None:
    """Fit four ratings, so that imports are in no time and no peak."""
    few = Columns(
        np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 0, 1], np.int32), np.ones(4, np.float32) * 3, 2, 2
    )
    RIVALS[rival].fit(few, dim, 1, **settings)


def curve_cases(name: str, dim: int = 64) -> list[Case]:
    """The points of a rival's curves."""
    rival = RIVALS[name]
    return [
        Case(
            f"{name}/curve-{dim}/{dataset}/{passes}",
            "curve",
            rival.peer,
            rival.package,
            dataset,
            curve,
            {"rival": name, "dim": dim, "passes": passes},
            {"curve": f"{name}-{dim}/{dataset}"},
        )
        for dataset, (best, _) in rival.settings.items()
        for passes in points(best)
    ]


def scale_cases(name: str) -> list[Case]:
    """Every size and embedding_dim, where a rival has settings for it."""
    rival = RIVALS[name]
    return [
        Case(
            f"{name}/scale-{dim}/{size}",
            "scale",
            rival.peer,
            rival.package,
            size,
            scale,
            {"rival": name, "dim": dim},
            {"model": rival.peer, "embedding_dim": dim},
        )
        for size in SIZES
        for dim in SCALE_DIMS
        if rival.scale
    ]


def all_cases() -> list[Case]:
    """In the order in which they run."""
    return [case for cases in (curve_cases, scale_cases) for name in RIVALS for case in cases(name)]


if __name__ == "__main__":
    run_case(all_cases(), __doc__)
