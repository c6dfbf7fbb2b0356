"""Peak memory of fit on ML-1M (embedding_dim 64) above the process with TensorFlow and data loaded. Linux.

SKLEARN_MF_DATA=folder python docs/benchmarks/memory.py
"""

import tensorflow as tf
from data import OBSERVED, PAIR, environment, ml_1m
from measuring import Watch, resident_mb

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.solvers.sgd import _solver as sgd  # noqa: F401  loads the solvers before memory is read

if __name__ == "__main__":
    print(environment())
    train, _ = ml_1m()
    X, y = train[PAIR], train["rating"].to_numpy()
    tf.constant(0) + 1  # starts the runtime
    loaded = resident_mb()
    tf.function(lambda x: 2 * x, jit_compile=True)(tf.zeros(2))
    compiler = resident_mb() - loaded
    print(f"TensorFlow and data {loaded:.0f} MB, loading its compiler adds {compiler:.0f} MB")
    for solver in ("sgd", "als"):
        with Watch() as watch:
            MFRecommender(64, solver=solver, random_state=0, **OBSERVED).fit(X, y)
        print(f"{solver}: fit adds {watch.peak_mb - watch.before_mb:.0f} MB at its peak")
    with Watch() as watch:
        model = BayesianMFRecommender(max_iter=40, n_samples=20, random_state=0).fit(X, y)
    parts = (*model.embedding_samples_, *model.bias_samples_, *model.noise_factor_samples_)
    kept = sum(part.nbytes for part in parts) / 2**20
    added = watch.peak_mb - watch.before_mb
    print(f"Bayesian: fit adds {added:.0f} MB at its peak, of which {kept:.0f} MB are the kept draws")
