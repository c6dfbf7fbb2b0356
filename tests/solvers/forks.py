"""Fits in forked children, run as a script: a line for each way to fork, with the answer of the child."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import tensorflow as tf
from joblib import Parallel, delayed

X = np.stack(np.unravel_index(np.arange(0, 72, 2), (9, 8)), axis=1)
Y = np.arange(len(X)) % 5.0
FITTED = {}


def fit(name):
    """Fit one of the estimators: "fitted", or the sentence of the error."""
    from sklearn_mf import BayesianMFRecommender, MFRecommender

    estimators = {
        "sgd": MFRecommender(2, solver="sgd", max_iter=2, random_state=0),
        "als": MFRecommender(2, solver="als", max_iter=2, random_state=0),
        "bayesian": BayesianMFRecommender(2, max_iter=4, random_state=0),
    }
    try:
        FITTED["model"] = estimators[name].fit(X, Y)
    except RuntimeError as error:
        return str(error)
    return "fitted"


def predict(_):
    """Whether a model of the parent predicts and recommends in the child as in the parent."""
    model, predictions, table = FITTED["model"], FITTED["predictions"], FITTED["table"]
    return str(np.array_equal(model.predict(X), predictions) and model.recommend(n=2).equals(table))


def in_fork(function, argument):
    """Answer of a function in a child of os.fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, function(argument).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def main():
    """Fork before TensorFlow starts, after the user started it, and after fits."""
    print("imported:", in_fork(fit, "sgd"))
    tf.constant(1.0)
    print("library imported in the child:", in_fork(fit, "sgd"))
    import sklearn_mf  # noqa: F401

    print("started by the user:", in_fork(fit, "sgd"))
    print("parent:", fit("sgd"))
    FITTED["predictions"], FITTED["table"] = FITTED["model"].predict(X), FITTED["model"].recommend(n=2)
    for name in ("sgd", "als", "bayesian"):
        print(f"{name}:", in_fork(fit, name))
    print("grandchild:", in_fork(lambda name: in_fork(fit, name), "sgd"))
    print("predict:", in_fork(predict, None))
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        print("pool:", pool.apply(fit, ("sgd",)))
    with ProcessPoolExecutor(1, context) as pool:
        print("executor:", pool.submit(fit, "sgd").result())
    print("joblib:", Parallel(2, backend="multiprocessing")(delayed(fit)("sgd") for _ in range(2))[0])
    print("parent again:", fit("als"))


if __name__ == "__main__":
    main()
