"""
================================
Defaults, SGD, ALS, or Bayesian?
================================

This example compares four ways to predict ratings: :class:`~sklearn_mf.MFRecommender` with its defaults,
which learns the penalty and also learns from the unobserved cells; its two solvers for the observed ratings
alone, stochastic gradient descent and alternating minimisation; and
:class:`~sklearn_mf.BayesianMFRecommender`, which draws many factorizations and predicts with their mean. It
measures the time, the error and the size of each.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The candidates
# --------------
# The first three have embeddings of three lengths, and the Bayesian recommender has chains of two lengths.
# The baseline is a model with biases only, without embeddings. All other parameters have their defaults.

import pickle
import time
import warnings

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import LogLocator
from movielens import load_demo
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from sklearn_mf import BayesianMFRecommender, MFRecommender

# The chains are short, so that the example takes little time.
warnings.simplefilter("ignore", ConvergenceWarning)

STYLES = {
    "default": {"color": "#000000", "marker": "v"},
    "SGD": {"color": "#D55E00", "marker": "s"},
    "ALS": {"color": "#009E73", "marker": "^"},
    "Bayesian": {"color": "#0072B2", "marker": "o"},
    "biases": {"color": "#666666", "marker": "D"},
}
IDS = ["userId", "movieId"]

candidates = {("biases", 0): MFRecommender(0, random_state=0)}
for dim in (8, 32, 64):
    candidates["default", dim] = MFRecommender(dim, random_state=0)
    candidates["SGD", dim] = MFRecommender(dim, solver="sgd", unobserved_weight=0, random_state=0)
    candidates["ALS", dim] = MFRecommender(dim, solver="als", unobserved_weight=0, random_state=0)
for sweeps in (50, 100):
    candidates["Bayesian", sweeps] = BayesianMFRecommender(8, max_iter=sweeps, n_samples=50, random_state=0)

# %%
# Time, error, size
# -----------------
# Each model is fitted on nine tenths of the ratings. A first fit with one pass is not counted, because
# TensorFlow builds its programs in it. Later fits of the same kind, for instance in a search, use these
# programs again. The size is that of the stored model.

ratings, _ = load_demo()
train, test = train_test_split(ratings, test_size=0.1, random_state=0)


def measured(model):
    clone(model).set_params(max_iter=1).fit(train)
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    error = root_mean_squared_error(test["rating"], model.predict(test[IDS]))
    return {"seconds": seconds, "RMSE": error, "MB": len(pickle.dumps(model)) / 1e6}


table = pd.DataFrame({key: measured(model) for key, model in candidates.items()}).T
table = table.rename_axis(["way", "embedding_dim or sweeps"]).sort_index()
print(table.round({"seconds": 1, "RMSE": 4, "MB": 1}).to_string())

# %%
# Time and accuracy
# -----------------
# Lower is more accurate, and further left is faster. The numbers beside the points are the lengths of the
# embeddings; for the Bayesian recommender they are numbers of sweeps.

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for name, style in STYLES.items():
    part = table.loc[name]
    ax.plot(part["seconds"], part["RMSE"], label=name, **style)
    offset = (0, 8) if name == "ALS" else (0, -15)
    for number, place in part[["seconds", "RMSE"]].iterrows():
        ax.annotate(number, place, offset, textcoords="offset points", ha="center", color=style["color"])
ax.set(xscale="log", xlabel="seconds to fit", ylabel="RMSE on held-out ratings (stars)")
ax.set_title("Time and accuracy")
ax.xaxis.set_major_locator(LogLocator(subs=[1, 2, 5]))
ax.xaxis.set_major_formatter("{x:g}")
ax.minorticks_off()
ax.margins(0.12)
ax.grid(alpha=0.3)
fig.legend(loc="outside right upper", frameon=False)
plt.show()

# %%
# The two solvers have similar results. The default has a smaller error than both, and it is the only one
# whose lists are better than those of the most popular films. The Bayesian recommender takes longer and
# stores all its draws, so it is large.
#
# So use
#
# - :class:`~sklearn_mf.MFRecommender` with its defaults for ratings and for lists;
# - :class:`~sklearn_mf.BayesianMFRecommender` if you need draws or quantiles of a rating;
# - ``solver="sgd"`` or ``solver="als"`` for a given penalty, for lasso, or for non-negative embeddings.
