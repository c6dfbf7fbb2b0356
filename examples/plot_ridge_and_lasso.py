"""
===============
Ridge and lasso
===============

Without a penalty, embeddings overfit the ratings. Ridge (``penalty="l2"``) makes all coordinates smaller,
lasso (``penalty="l1"``) makes many of them exactly 0, and ``alpha`` is the weight of the penalty. This
example shows errors, zeros and the embeddings themselves.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The effect of alpha
# -------------------
# There is one model for each penalty and each ``alpha``. The plots show the share of the coordinates of users
# and films that are exactly 0, and the error on a held-out tenth of the ratings. The baseline is a model with
# biases only, which has one number for each user and each film, but no taste. All models learn from the
# observed ratings alone, so that only the penalty differs.

from textwrap import shorten

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from sklearn_mf import MFRecommender

OBSERVED = {"unobserved_weight": 0, "prior_ratings": 0}
BLUE, RED, GREY = "#0072B2", "#D55E00", "#666666"
STYLES = {"ridge": {"color": BLUE, "marker": "o"}, "lasso": {"color": RED, "marker": "s", "linestyle": "--"}}
IDS = ["userId", "movieId"]
ALPHAS = [0.005, 0.01, 0.015, 0.02, 0.03, 0.045, 0.07, 0.1, 0.2]

ratings, titles = load_demo()
train, test = train_test_split(ratings, test_size=0.1, random_state=0)


def rmse(model):
    return root_mean_squared_error(test["rating"], model.predict(test[IDS]))


models = {
    (name, alpha): MFRecommender(16, penalty=penalty, alpha=alpha, **OBSERVED, random_state=0).fit(train)
    for name, penalty in {"ridge": "l2", "lasso": "l1"}.items()
    for alpha in ALPHAS
}
along = pd.DataFrame(
    {
        key: {"zeros": np.mean(np.concatenate(model.embeddings_) == 0), "RMSE": rmse(model)}
        for key, model in models.items()
    }
).T.rename_axis(["penalty", "alpha"])
biases_only = rmse(MFRecommender(0, prior_ratings=0, random_state=0).fit(train))
print(along.pivot_table(index="alpha", columns="penalty").round(4).to_string())
print(f"RMSE of biases alone: {biases_only:.4f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name, style in STYLES.items():
    left.plot(ALPHAS, along.loc[name, "zeros"], label=name, **style)
    right.plot(ALPHAS, along.loc[name, "RMSE"], label=name, **style)
right.axhline(biases_only, color=GREY, linestyle=":", label="biases alone")
left.set(title="Coordinates that are exactly 0", xlabel="alpha", ylabel="share", xscale="log")
right.set(title="Error on held-out ratings", xlabel="alpha", ylabel="RMSE (stars)", xscale="log")
for ax in (left, right):
    ax.set_xticks([0.005, 0.01, 0.03, 0.1], ["0.005", "0.01", "0.03", "0.1"])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend()
plt.show()

# %%
# With too small an ``alpha`` embeddings are worse than none, for both penalties. Ridge has an optimum well
# below the error of the biases. Lasso has no such optimum on these ratings: when the penalty is strong enough
# to suppress noise, few coordinates are left, and the error approaches that of the biases. With a larger
# ``alpha`` the biases shrink too.
#
# The embeddings
# --------------
# The plots show the films with most ratings and three films with five ratings, for the best ridge and for a
# lasso with about half of the coordinates. Coordinates are sorted by their size over all films; grey is
# exactly 0, and the number in brackets is the number of ratings. A rotation of all ridge embeddings changes
# neither the predictions nor the penalty, so no single coordinate has a meaning. The lasso penalty is not
# invariant under rotations: it prefers few coordinates for each film.

sparse = (along.loc["lasso", "zeros"] - 0.5).abs().idxmin()
chosen = {"ridge": models["ridge", along.loc["ridge", "RMSE"].idxmin()], "lasso": models["lasso", sparse]}
counts = train["movieId"].value_counts()
shown = [*counts.index[:7], *counts[counts == 5].index[:3]]

fig, axes = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, chosen.items(), strict=True):
    vectors = model.item_embeddings_
    order = np.argsort(-np.abs(vectors).sum(axis=0))
    picture = vectors[np.searchsorted(model.item_ids_, shown)][:, order]
    image = ax.imshow(np.ma.masked_equal(picture, 0), cmap="PuOr", vmin=-0.8, vmax=0.8, aspect="auto")
    ax.set_facecolor("grey")
    ax.set(title=f"{name}, alpha {model.alpha}", xlabel="coordinates", xticks=[])
labels = [f"{shorten(titles[film], 40, placeholder=' ...')} [{counts[film]}]" for film in shown]
axes[0].set_yticks(range(len(shown)), labels)
fig.colorbar(image, ax=axes, label="coordinate (units of z)")
plt.show()

# %%
# Few ratings, short embeddings
# -----------------------------
# This table contains the mean length of the embeddings of films by their number of training ratings. Both
# penalties shrink the embeddings of films with few ratings, so that little is left but the bias.

bins = pd.cut(counts[model.item_ids_].to_numpy(), [0, 2, 5, 10, 20, 50, 100, np.inf])
lengths = {name: np.linalg.norm(model.item_embeddings_, axis=1) for name, model in chosen.items()}
print(pd.DataFrame(lengths).groupby(bins, observed=True).mean().round(2).to_string())
