"""GridSearchCV on ML-100K u1 beside Surprise's: the same grid of ranks and penalties, 5 folds, one process.

    SKLEARN_MF_DATA=folder python docs/benchmarks/search_beside.py --surprise PYTHON

PYTHON is the interpreter of an environment with scikit-surprise and pandas. Surprise's SVD runs with its
best other settings known (60 epochs, rate 0.01, start 0.05), ours with its defaults.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

GRIDS = {
    "ours": {"embedding_dim": [16, 32, 64], "alpha": [0.045, 0.06, 0.08]},
    "surprise": {
        "n_factors": [16, 32, 64],
        "reg_all": [0.08, 0.1, 0.12],
        "n_epochs": [60],
        "lr_all": [0.01],
        "init_std_dev": [0.05],
        "random_state": [0],
    },
}


def ours() -> tuple[float, float]:
    """Seconds and the best cross-validated RMSE."""
    from data import OBSERVED, PAIR, ml_100k
    from sklearn.model_selection import GridSearchCV, KFold

    from sklearn_mf import MFRecommender

    train, _ = ml_100k()
    folds = KFold(5, shuffle=True, random_state=0)
    model = MFRecommender(random_state=0, **OBSERVED)
    search = GridSearchCV(model, GRIDS["ours"], scoring="neg_root_mean_squared_error", cv=folds)
    start = time.perf_counter()
    search.fit(train[PAIR], train["rating"])
    return time.perf_counter() - start, -search.best_score_


def surprise() -> tuple[float, float]:
    """Seconds and the best cross-validated RMSE; on all ratings its refit is included, as in ours."""
    from data import ml_100k
    from surprise import SVD, Dataset, Reader
    from surprise.model_selection import GridSearchCV, KFold

    train, _ = ml_100k()
    data = Dataset.load_from_df(train, Reader(rating_scale=(1, 5)))
    search = GridSearchCV(SVD, GRIDS["surprise"], measures=["rmse"], cv=KFold(5, random_state=0), refit=True)
    start = time.perf_counter()
    search.fit(data)
    return time.perf_counter() - start, search.best_score["rmse"]


def main() -> None:
    """Run both in turn, each in a fresh process, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surprise", default=sys.executable)
    parser.add_argument("--run", choices=list(GRIDS))
    arguments = parser.parse_args()
    if arguments.run:
        print("{:.1f} {:.4f}".format(*{"ours": ours, "surprise": surprise}[arguments.run]()))
        return
    seconds = {}
    for who, python in {"ours": sys.executable, "surprise": arguments.surprise}.items():
        command = [python, str(Path(__file__)), "--run", who]
        output = subprocess.check_output(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, text=True)
        seconds[who], rmse = map(float, output.splitlines()[-1].split())
        print(f"{who}: {seconds[who]:.1f} s, best cross-validated RMSE {rmse:.4f}")
    print(f"ratio ours / surprise: {seconds['ours'] / seconds['surprise']:.2f}")


if __name__ == "__main__":
    main()
