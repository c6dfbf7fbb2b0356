"""
======================
SGD, ALS, or Bayesian?
======================

A factorization can be found in three ways: by stochastic gradient descent or by alternating minimisation, the
two solvers of :class:`~sklearn_mf.MFRecommender`, and by :class:`~sklearn_mf.BayesianMFRecommender`, which
samples many of them and predicts by their mean. What does each cost, and what does it bring?

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The candidates
# --------------
# The solvers get embeddings of three lengths, the Bayesian recommender chains of two lengths, and a model of
# biases alone, without embeddings, is the measure. All else is left as it is by default.

import pickle
import time

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import LogLocator
from movielens import load_demo
from sklearn.base import clone
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from sklearn_mf import BayesianMFRecommender, MFRecommender

STYLES = {
    "SGD": {"color": "#D55E00", "marker": "s"},
    "ALS": {"color": "#009E73", "marker": "^"},
    "Bayesian": {"color": "#0072B2", "marker": "o"},
    "biases": {"color": "#666666", "marker": "D"},
}
IDS = ["userId", "movieId"]

candidates = {("biases", 0): MFRecommender(0, random_state=0)}
for dim in (8, 32, 64):
    candidates["SGD", dim] = MFRecommender(dim, solver="sgd", random_state=0)
    candidates["ALS", dim] = MFRecommender(dim, solver="als", random_state=0)
for sweeps in (50, 100):
    candidates["Bayesian", sweeps] = BayesianMFRecommender(8, max_iter=sweeps, n_samples=50, random_state=0)

# %%
# Time, error, size
# -----------------
# Each is fitted to nine tenths of the ratings. A first fit of one pass is not counted: in it TensorFlow
# builds its programs, which later fits of the kind use again, those of a search for instance. Size is that of
# the stored model.

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
# In a picture
# ------------
# Further down is better, further left is sooner. The numbers beside the points are the lengths of the
# embeddings; for the Bayesian recommender they are the sweeps.

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
# The two solvers are near each other, and longer embeddings pay with both. The Bayesian recommender takes
# several times as long, and even its shorter chain has less error than the longest embeddings of a solver. It
# stores all its draws, so it is large.
#
# So take
#
# - :class:`~sklearn_mf.BayesianMFRecommender` where accuracy counts most, where the uncertainty of a rating
#   is wanted too, or where nobody is to tune a penalty;
# - :class:`~sklearn_mf.MFRecommender` as it is, which trains by SGD, where fits are many, as in a search, or
#   where the model must be small;
# - ``solver="als"`` where no learning rate is to be chosen. The default, ``solver="auto"``, takes it where
#   biases are left out and there is no lasso.
