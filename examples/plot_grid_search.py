"""
==================================
Choosing the dimension and penalty
==================================

:class:`~sklearn_mf.MFRecommender` is an estimator like any other:
:class:`~sklearn.model_selection.GridSearchCV` finds its parameters by plain cross-validation. A fold may well
hold a film that its training part lacks; the model answers such an id with the average film.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The search
# ----------
# How long the embeddings are, which penalty, and how much of it: all are compared by the error on
# ratings held out in three folds.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_mf import MFRecommender

ratings, _ = load_demo()
search = GridSearchCV(
    MFRecommender(random_state=0),
    {"embedding_dim": [2, 8, 32], "penalty": ["l2", "l1"], "alpha": [0.02, 0.05, 0.1]},
    scoring="neg_root_mean_squared_error",
    cv=KFold(3, shuffle=True, random_state=0),
)
search.fit(ratings[["userId", "movieId"]], ratings["rating"])
print(f"Best RMSE {-search.best_score_:.4f} with {search.best_params_}")

# %%
# The search ends with a fit of the best parameters on all ratings, ready to recommend:

print(search.best_estimator_.recommend(500, n=3))

# %%
# All results
# -----------
# Errors by parameters, one panel for each penalty, darker where the error is less. Ridge gains from longer
# embeddings as long as the penalty keeps them in check. Lasso leaves few coordinates whatever the length.

results = pd.DataFrame(search.cv_results_).assign(rmse=lambda table: -table["mean_test_score"])
lowest, highest = results["rmse"].min(), results["rmse"].max()

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, penalty, title in zip(axes, ["l2", "l1"], ["ridge (l2)", "lasso (l1)"], strict=True):
    chosen = results[results["param_penalty"] == penalty]
    errors = chosen.pivot_table("rmse", index="param_embedding_dim", columns="param_alpha")
    image = ax.imshow(errors, cmap="cividis", vmin=lowest, vmax=highest, aspect="auto")
    for (row, column), error in np.ndenumerate(errors):
        dark = error < (lowest + highest) / 2
        ax.text(column, row, f"{error:.3f}", ha="center", va="center", color="white" if dark else "black")
    ax.set(title=title, xlabel="alpha", xticks=range(3), yticks=range(3))
    ax.set_xticklabels(errors.columns)
    ax.set_yticklabels(errors.index)
axes[0].set_ylabel("embedding_dim")
fig.colorbar(image, ax=axes, label="RMSE (stars)")
plt.show()
