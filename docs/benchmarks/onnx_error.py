"""Largest difference between ONNX Runtime and predict, and size of the file, on ML-100K u1.

    SKLEARN_MF_DATA=folder python docs/benchmarks/onnx_error.py [--only BayesianMFRecommender]

Three recommenders are fitted on the training part of u1, with integer ids and with text, alone and behind an
OrdinalEncoder in a Pipeline, and predict its test part and as many rows with an unknown user. The chains of
the Bayesian one are short, with 40 draws.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
from data import PAIR, environment, ml_100k
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender

RECOMMENDERS = {
    each.__name__: each(**settings, random_state=0)
    for each, settings in (
        (MFRecommender, {}),
        (ImplicitMFRecommender, {}),
        (BayesianMFRecommender, {"max_iter": 40}),
    )
}
ENCODER = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def written(estimator: BaseEstimator, X: pd.DataFrame, path: Path) -> onnxruntime.InferenceSession:
    """Session of an estimator that is written to a file."""
    if hasattr(estimator, "to_onnx"):
        estimator.to_onnx(path)
    else:
        path.write_bytes(skl2onnx.to_onnx(estimator, X[:1]).SerializeToString())
    return onnxruntime.InferenceSession(path)


def row(estimator: BaseEstimator, X: pd.DataFrame, y: pd.Series, asked: pd.DataFrame) -> tuple[float, float]:
    """Largest difference, in standard deviations of the ratings, and megabytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        session = written(estimator.fit(X, y), X, path)
        size = path.stat().st_size / 1e6
    columns = {name: asked[[name]].to_numpy(X[name].to_numpy().dtype) for name in PAIR}
    error = np.abs(session.run(None, columns)[0][:, 0] - estimator.predict(asked)).max() / y.std()
    return float(error), size


def main() -> None:
    """One line for each recommender, type of ids and way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=RECOMMENDERS)
    only = parser.parse_args().only
    chosen = {only: RECOMMENDERS[only]} if only else RECOMMENDERS
    train, test = ml_100k()
    print(environment("onnx", "skl2onnx", "onnxruntime"))
    print("recommender           ids   way       difference      MB")
    for name, recommender in chosen.items():
        for ids, kind in (("int", np.int64), ("text", object)):
            X, asked = (part[PAIR].map(str if ids == "text" else int).astype(kind) for part in (train, test))
            asked = pd.concat([asked, asked.assign(user=kind(10**6) if ids == "int" else "nobody")])
            for way in ("alone", "Pipeline"):
                estimator = clone(recommender if way == "alone" else make_pipeline(ENCODER, recommender))
                error, size = row(estimator, X, train["rating"], asked)
                print(f"{name:21s} {ids:5s} {way:9s} {error:.1e}    {size:6.1f}", flush=True)


if __name__ == "__main__":
    main()
