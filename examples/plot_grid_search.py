"""
==========================
Parameters by two measures
==========================

:class:`~sklearn_mf.MFRecommender` is a scikit-learn estimator, so
:class:`~sklearn.model_selection.GridSearchCV` can choose its parameters. This example searches with two
measures at once, the error of predicted ratings and the quality of the recommended lists, and compares the
results.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The search
# ----------
# The grid contains the length of the embeddings and the weight of the unobserved cells. The ratings of each
# user are distributed over three folds. A list contains ten films that the user had not rated in the training
# part. Its NDCG is high if it begins with films to which the user gave four stars or more in the held-out
# part.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import PerUserKFold

ratings, _ = load_demo()
X, y = ratings[["userId", "movieId"]], ratings["rating"]
measures = {
    "scoring": {
        "rmse": "neg_root_mean_squared_error",
        "ndcg": make_ranking_scorer("ndcg", k=10, relevance_threshold=4),
    },
    "cv": PerUserKFold(3, random_state=0),
}
search = GridSearchCV(
    MFRecommender(random_state=0),
    {"embedding_dim": [8, 32], "unobserved_weight": [3, 10, 30]},
    refit="rmse",
    **measures,
)
search.fit(X, y)
print(f"Best RMSE {-search.best_score_:.4f} with {search.best_params_}")

# %%
# At its end the search fits the best parameters on all ratings. The result can recommend:

print(search.best_estimator_.recommend(500, n=3))

# %%
# The baseline
# ------------
# A value of NDCG means little alone. The most popular films, the same for all users, are the baseline:

baseline = cross_validate(DummyRecommender(), X, y, **measures)
popular = baseline["test_ndcg"].mean()
print(f"most popular: NDCG at 10 {popular:.4f}")

# %%
# Both measures
# -------------
# The left panel shows the error, the right panel the quality of the lists. Darker is better.

results = pd.DataFrame(search.cv_results_)
results["RMSE (stars)"] = -results["mean_test_rmse"]
results["NDCG at 10"] = results["mean_test_ndcg"]


def heat_map(ax, measure, color_map):
    """Draw a measure by embedding_dim and unobserved_weight, darker where it is better."""
    values = results.pivot_table(measure, index="param_embedding_dim", columns="param_unobserved_weight")
    image = ax.imshow(values, cmap=color_map, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = sum(image.cmap(image.norm(value))[:3]) < 1.5
        ax.text(column, row, f"{value:.4f}", ha="center", va="center", color="white" if dark else "black")
    ax.set_xticks(range(len(values.columns)), values.columns)
    ax.set_yticks(range(len(values.index)), values.index)
    ax.set(title=measure, xlabel="unobserved_weight", ylabel="embedding_dim")


fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
heat_map(axes[0], "RMSE (stars)", "cividis")
heat_map(axes[1], "NDCG at 10", "cividis_r")
plt.show()

# %%
# Comparison of the measures
# --------------------------
# This table contains the best parameters for each measure, with both measures:

names = ["param_embedding_dim", "param_unobserved_weight", "RMSE (stars)", "NDCG at 10"]
winners = results.loc[[results["RMSE (stars)"].idxmin(), results["NDCG at 10"].idxmax()], names]
print(winners.set_axis(["best RMSE", "best NDCG"]).T)

# %%
# Both measures prefer the longer embeddings, but not the same weight: the best lists need a larger weight
# than the smallest error does. All lists are better than those of the most popular films.
#
# So search with the measure of your application: ``refit="ndcg"`` selects the parameters with the best lists.
