"""
==================
Recommending films
==================

A table of ratings can answer two questions. What would somebody like to be shown? What would they rate it?
This example measures both answers on held-out ratings, recommends films to a user, and finds similar films.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015). As a script, the example also reads any other ratings file::

    python examples/plot_recommend_movies.py --ratings ml-1m/ratings.dat --user 42
"""

# %%
# The ratings
# -----------
# Each row is a rating: a user, a film and the number of stars.

import time
from argparse import ArgumentParser
from textwrap import shorten

import matplotlib.pyplot as plt
import pandas as pd
from movielens import load_demo, read_ratings
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import train_test_split

from sklearn_mf import ImplicitMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import ndcg_at_k, recall_at_k

started = time.perf_counter()
parser = ArgumentParser(description="Recommend films.")
parser.add_argument(
    "--ratings", metavar="FILE", help="u.data, ratings.dat or ratings.csv; MovieLens by default"
)
parser.add_argument("--user", metavar="ID", help="whom to recommend to; 500 by default")
args = parser.parse_args()

try:
    ratings, titles = read_ratings(args.ratings) if args.ratings else load_demo()
except (ValueError, OSError) as error:
    parser.error(str(error))

users, films, stars = ratings["userId"], ratings["movieId"], ratings["rating"]
chosen = users.astype(str) == (args.user or "500")
if args.user and not chosen.any():
    parser.error(f"there are no ratings of user {args.user}")
user = users[chosen.idxmax()]  # the first user where there is no user 500
print(
    f"{len(ratings):,} ratings of {films.nunique():,} films by {users.nunique():,} users, "
    f"{stars.min():g} to {stars.max():g}, {stars.mean():.2f} on average"
)

# %%
# What would they like to be shown?
# ---------------------------------
# A tenth of the ratings is held out. Each recommender ranks all films that a user has not rated in the other
# nine tenths. A good list begins with held-out films to which the user gave a high rating: at least the
# median of all ratings. The most popular films are the baseline. :class:`~sklearn_mf.ImplicitMFRecommender`
# learns from who rated which film, and :class:`~sklearn_mf.MFRecommender` from the values of the ratings too.

train, test = train_test_split(ratings, test_size=0.1, random_state=0)
good = stars.median()
liked = test.loc[test["rating"] >= good, ["userId", "movieId"]]
recommenders = {
    "most popular": DummyRecommender(),
    "ImplicitMFRecommender()": ImplicitMFRecommender(random_state=0),
    "MFRecommender()": MFRecommender(random_state=0),
}
people = test["userId"].unique()
lists = {name: model.fit(train).recommend(people, n=20) for name, model in recommenders.items()}
quality = pd.DataFrame(
    {
        "NDCG@10": {name: ndcg_at_k(liked, table, k=10) for name, table in lists.items()},
        "recall@20": {name: recall_at_k(liked, table, k=20) for name, table in lists.items()},
    }
)
print(f"\nWhat would user {user} like to be shown?")
print(f"\nLists, with {len(liked):,} held-out ratings of at least {good:g}:\n{quality.round(4)}")

# %%
# After training on all ratings, :meth:`~sklearn_mf.MFRecommender.recommend` returns the films that suit the
# user best, without those that the user has rated. The table contains the original ids, so titles can be
# joined by id. The list is in the order of relevance, which takes into account what people choose;
# ``predict`` gives the ratings. A person who gives few stars on average also gets low predictions.

model = MFRecommender(random_state=0).fit(ratings)
counts = films.value_counts()
best = ratings[users == user].assign(ratings=films.map(counts))
best = best.sort_values(["rating", "ratings"], ascending=False).head(5).join(titles, on="movieId")
top = model.recommend(user, n=5).join(titles, on="movieId")
top["ratings"] = top["movieId"].map(counts)
top["predicted"] = model.predict(top[["userId", "movieId"]]).round(2)


def short(title):
    return shorten(title, 36, placeholder=" ...")


table = top.set_index("rank")[["title", "ratings", "predicted"]]
table["title"] = table["title"].map(short)
print(f"\nThe films that user {user} would like to be shown:\n{table.to_string()}")
rated = best[["title", "ratings", "rating"]].assign(title=best["title"].map(short))
mean = stars[users == user].mean()
print(f"\nThe films that user {user} rated best, {mean:.2f} on average:\n{rated.to_string(index=False)}")
few = lists["MFRecommender()"].query("rank <= 10")["movieId"].map(train["movieId"].value_counts()) < 5
print(f"\n{few.mean():.1%} of the films in all lists of ten have fewer than five ratings")

# %%
# What would they rate it?
# ------------------------
# The same model predicts the held-out ratings. Two simpler predictions are the mean of all ratings, and the
# mean plus one number for each user and each film ("biases only").

X_train, X_test, y_test = train[["userId", "movieId"]], test[["userId", "movieId"]], test["rating"]
predictions = {
    "predict the mean": DummyRegressor().fit(X_train, train["rating"]).predict(X_test),
    "biases only": MFRecommender(embedding_dim=0, random_state=0).fit(train).predict(X_test),
    "MFRecommender()": recommenders["MFRecommender()"].predict(X_test),
}
errors = pd.DataFrame(
    {
        "RMSE": {name: root_mean_squared_error(y_test, y) for name, y in predictions.items()},
        "MAE": {name: mean_absolute_error(y_test, y) for name, y in predictions.items()},
    }
)
print("\nWhat would they rate it?")
print(f"\nErrors on {len(y_test):,} held-out ratings:\n{errors.round(4)}")

# %%
# Similar films
# -------------
# Films that the same people choose and like have embeddings with similar directions. The inner product
# prefers long embeddings, which films with many ratings have. ``metric="cosine"``, the default, also finds
# rare films.

most_rated = films.mode()[0]
alike = model.similar_items(most_rated, n=5, metric="dot").join(titles, on="neighbor")
print(f"\nThe films nearest to {titles[most_rated]}:\n{alike.to_string(index=False)}")
print(f"\n{time.perf_counter() - started:.1f} seconds")

# %%
# Plots
# -----
# The first plot shows the quality of the lists, the second one the errors of the predicted ratings. The third
# one compares the predicted rating of each recommended film with the average of all its ratings.

fig, axes = plt.subplots(2, 2, figsize=(10, 5.6), layout="constrained")
(left, right), last_row = axes[0], axes[1, 0].get_gridspec()[1, :]
for ax in axes[1]:
    ax.remove()
for ax, measure, shown, title in (
    (left, "NDCG@10", quality, "Lists: higher is better"),
    (right, "RMSE", errors, "Predicted ratings: lower is better"),
):
    bars = ax.barh(shown.index, shown[measure], color=[*["silver"] * (len(shown) - 1), "tab:blue"])
    ax.bar_label(bars, fmt="%.3f", padding=3)
    ax.set(title=title, xlabel=measure, xlim=(0, 1.35 * shown[measure].max() or 1))
    ax.invert_yaxis()

below = fig.add_subplot(last_row)
average = ratings.groupby("movieId")["rating"].mean()[top["movieId"]]
below.hlines(top["rank"], average, top["predicted"], color="silver")
below.plot(average, top["rank"], "o", color="grey", label="average of its raters")
below.plot(top["predicted"], top["rank"], "o", color="tab:blue", label=f"predicted for user {user}")
below.set(title=f"Recommended to user {user}", xlabel="stars", ylim=(len(top) + 0.5, 0.5))
below.set_yticks(top["rank"], [short(title) for title in top["title"]])
below.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()
