"""
==================================
Choosing the dimension and penalty
==================================

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
# The grid contains the length of the embeddings, the penalty and its weight. The ratings of each user are
# distributed over three folds. A list contains ten films that the user had not rated in the training part.
# Its NDCG is high if it begins with films to which the user gave four stars or more in the held-out part.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.model_selection import GridSearchCV

from sklearn_mf import MFRecommender
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import PerUserKFold

ratings, _ = load_demo()
search = GridSearchCV(
    MFRecommender(random_state=0),
    {"embedding_dim": [2, 8, 32], "penalty": ["l2", "l1"], "alpha": [0.02, 0.05, 0.1]},
    scoring={
        "rmse": "neg_root_mean_squared_error",
        "ndcg": make_ranking_scorer("ndcg", k=10, relevance_threshold=4),
    },
    refit="rmse",
    cv=PerUserKFold(3, random_state=0),
)
search.fit(ratings[["userId", "movieId"]], ratings["rating"])
print(f"Best RMSE {-search.best_score_:.4f} with {search.best_params_}")

# %%
# At its end the search fits the best parameters on all ratings. The result can recommend:

print(search.best_estimator_.recommend(500, n=3))

# %%
# Both measures
# -------------
# The upper panels show the error, the lower panels the quality of the lists. Darker is better.

results = pd.DataFrame(search.cv_results_)
results["RMSE (stars)"] = -results["mean_test_rmse"]
results["NDCG at 10"] = results["mean_test_ndcg"]


def heat_map(ax, measure, penalty, color_map):
    """Draw a measure by embedding_dim and alpha, darker where it is better."""
    chosen = results[results["param_penalty"] == penalty]
    values = chosen.pivot_table(measure, index="param_embedding_dim", columns="param_alpha")
    lowest, highest = results[measure].min(), results[measure].max()
    image = ax.imshow(values, cmap=color_map, vmin=lowest, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = sum(image.cmap(image.norm(value))[:3]) < 1.5
        ax.text(column, row, f"{value:.3f}", ha="center", va="center", color="white" if dark else "black")
    ax.set_xticks(range(len(values.columns)), values.columns)
    ax.set_yticks(range(len(values.index)), values.index)
    return image


fig, axes = plt.subplots(2, 2, figsize=(9, 6.4), sharex=True, sharey=True, layout="constrained")
for row, measure, color_map in zip(
    axes, ["RMSE (stars)", "NDCG at 10"], ["cividis", "cividis_r"], strict=True
):
    for ax, penalty in zip(row, ["l2", "l1"], strict=True):
        image = heat_map(ax, measure, penalty, color_map)
    row[0].set_ylabel("embedding_dim")
    fig.colorbar(image, ax=row, label=measure)
for ax, title in zip(axes[0], ["ridge (l2)", "lasso (l1)"], strict=True):
    ax.set_title(title)
for ax in axes[1]:
    ax.set_xlabel("alpha")
plt.show()

# %%
# Comparison of the measures
# --------------------------
# This table contains the best parameters for each measure, with both measures:

names = ["param_penalty", "param_embedding_dim", "param_alpha", "RMSE (stars)", "NDCG at 10"]
winners = results.loc[[results["RMSE (stars)"].idxmin(), results["NDCG at 10"].idxmax()], names]
print(winners.set_axis(["best RMSE", "best NDCG"]).T)
print(f"rank correlation {results['RMSE (stars)'].corr(-results['NDCG at 10'], method='spearman'):.2f}")

# %%
# The measures agree in part. Both prefer long embeddings with a ridge penalty, but the best lists need a
# smaller ``alpha`` than the smallest error does. With a strong penalty only the biases are left, and all
# users get the same list: films with few but very good ratings.
#
# So search with the measure of your application: ``refit="ndcg"`` selects the parameters with the best lists.
