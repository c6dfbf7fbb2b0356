"""
==============================
The weight of unobserved cells
==============================

A person has rated few of all films. The films without a rating say something too: most of them were not
chosen. :class:`~sklearn_mf.MFRecommender` learns from these unobserved cells, with a low rating and a small
weight. This example measures the lists and the predicted ratings for different values of
``unobserved_weight``, the total weight of the unobserved cells as a multiple of the number of ratings.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Lists and ratings
# -----------------
# A fifth of each person's ratings is held out. The lists contain ten films, and the held-out films with four
# stars or more are relevant. The baselines are the most popular films for the lists, and the biases of users
# and films for the ratings. With a weight of 0 the model learns from the given ratings alone.

import matplotlib.pyplot as plt
import pandas as pd
from movielens import load_demo
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import ndcg_at_k
from sklearn_mf.model_selection import PerUserKFold

IDS = ["userId", "movieId"]
WEIGHTS = [0, 1, 3, 10, 30, 100]

ratings, _ = load_demo()
rows, held_out = next(PerUserKFold(5, random_state=0).split(ratings))
train, test = ratings.iloc[rows], ratings.iloc[held_out]
liked = test.loc[test["rating"] >= 4, IDS]
counts = train["movieId"].value_counts()


def measured(model):
    lists = model.fit(train).recommend(test["userId"].unique(), n=10)
    return {
        "NDCG@10": ndcg_at_k(liked, lists),
        "RMSE": root_mean_squared_error(test["rating"], model.predict(test[IDS])),
        "fewer than five": (lists["movieId"].map(counts) < 5).mean(),
    }


found = {weight: measured(MFRecommender(16, unobserved_weight=weight, random_state=0)) for weight in WEIGHTS}
table = pd.DataFrame(found).T.rename_axis("unobserved_weight")
print(table.round(4).to_string())

popular, biases = measured(DummyRecommender()), measured(MFRecommender(0, random_state=0))
print(f"most popular: NDCG@10 {popular['NDCG@10']:.4f}; biases only: RMSE {biases['RMSE']:.4f}")

# %%
# The last column is the share of the recommended films that have fewer than five ratings. The model of the
# given ratings alone recommends films that a few people rated very well. It does not know that nearly nobody
# chooses them.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, measure, baseline, name in (
    (axes[0], "NDCG@10", popular, "most popular"),
    (axes[1], "RMSE", biases, "biases only"),
):
    ax.plot(range(len(table)), table[measure], "o-", color="#0072B2", label="MFRecommender(16)")
    ax.axhline(baseline[measure], color="#666666", linestyle="--", label=name)
    ax.set_xticks(range(len(table)), table.index)
    ax.set(xlabel="unobserved_weight", title=measure)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
plt.show()

# %%
# Lists need the unobserved cells: without them the model loses to the most popular films. The best weight
# here is the default of 10, and weights from 3 to 30 are nearly as good.
#
# The predicted ratings profit too, although the rows that predict come from the given ratings, in a second
# phase: its prior means of the items are the rows of the first phase. With a weight far above the default
# these prior means describe what people choose and no longer what they like, and the error rises.
