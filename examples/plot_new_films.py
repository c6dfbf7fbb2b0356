"""
=====================
Films without ratings
=====================

A new film has no ratings, but it has genres and a year. With ``features``, a recommender learns how much each
of them matters, so that a new film gets a place in the lists from the first day. This example holds out whole
films, predicts their ratings from their genres and years, and ranks them for people who rated other films.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Ratings and films
# -----------------
# ``features`` takes a table for each column of ids that has one: here one row for each film, with the id as
# the index. Text that contains "|" is a list of categories. The scale of the numbers does not matter.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_table
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import MFRecommender
from sklearn_mf.metrics import ndcg_at_k
from sklearn_mf.model_selection import ColdItemSplit

table = load_table()
films = table.drop_duplicates("movieId").set_index("movieId")[["title", "year", "genres"]]
features = films[["year", "genres"]]
X, y = table[["userId", "movieId"]], table["rating"]
print(films.head().to_string())

# %%
# New films
# ---------
# :class:`~sklearn_mf.model_selection.ColdItemSplit` holds out all ratings of a fifth of the films. Without
# features each of them is an unknown id, and the prediction is that for the average film.

warnings.filterwarnings("ignore", "Every id of 'movieId' is unknown")
train, test = next(ColdItemSplit(5, random_state=0).split(X))
X_train, X_test, y_train, y_test = X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test]
by_ids = MFRecommender(random_state=0).fit(X_train, y_train)
by_features = MFRecommender(features={"movieId": features}, random_state=0).fit(X_train, y_train)
errors = {
    "mean of all ratings": np.full(len(y_test), y_train.mean()),
    "average film": by_ids.predict(X_test),
    "genres and year": by_features.predict(X_test),
}
errors = pd.Series({name: root_mean_squared_error(y_test, found) for name, found in errors.items()})
print(f"RMSE of {len(y_test):,} ratings of {X_test['movieId'].nunique():,} new films:\n{errors.round(3)}")

# %%
# Lists of new films
# ------------------
# The second model was fitted with the table of all films, so new films are among those that it recommends.
# The candidates can also be a table of films that a model has never seen, with the columns of fit: here the
# model knows only the films that have ratings. Ratings of at least 4 stars count as good, and lists in random
# order show what chance gives.

known = features.loc[X_train["movieId"].unique()]
model = MFRecommender(features={"movieId": known}, random_state=0).fit(X_train, y_train)
new = features.loc[X_test["movieId"].unique()]
people = np.intersect1d(X_train["userId"], X_test["userId"])
lists = model.recommend(people, n=10, candidates=new)
at_random = lists.assign(movieId=np.random.default_rng(0).choice(new.index, len(lists)))
liked = X_test[(y_test >= 4) & X_test["userId"].isin(people)]
quality = {
    "random order": ndcg_at_k(liked, at_random.drop_duplicates(["userId", "movieId"]), k=10),
    "genres and year": ndcg_at_k(liked, lists, k=10),
}
print(f"NDCG@10 among {len(new):,} new films:\n{pd.Series(quality).round(3)}")

person = people[0]
shown = lists[lists["userId"] == person].join(films, on="movieId")
print(f"\nNew films for user {person}:\n{shown.head()[['title', 'year', 'genres']].to_string(index=False)}")

# %%
# What does each genre add?
# -------------------------
# :meth:`~sklearn_mf.MFRecommender.feature_effects` tells what a genre adds to the rating of a film by the
# average user ("rating", in stars), and how much this differs between users ("embedding").

effects = by_features.feature_effects("movieId")
genres = effects[effects["feature"].str.startswith("genres=") & (effects["n_ids"] >= 20)]
names = genres["feature"].str.removeprefix("genres=")
print(effects.head(8).round(3).to_string(index=False))

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
left.barh(errors.index, errors, color=["silver", "silver", "tab:blue"])
left.bar_label(left.containers[0], fmt="%.3f", padding=3)
left.set(title="Error for new films", xlabel="RMSE (stars)", xlim=(0, 1.25 * errors.max()))
left.invert_yaxis()
right.barh(names, genres["rating"], color=np.where(genres["rating"] > 0, "tab:blue", "tab:orange"))
right.axvline(0, color="black", linewidth=0.8)
right.set(title="Effect of a genre on the rating", xlabel="stars")
right.invert_yaxis()
plt.show()
