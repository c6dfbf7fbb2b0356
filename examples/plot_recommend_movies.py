"""
==================
Recommending films
==================

This example goes from a table of ratings to a table of recommendations. It measures how well a matrix
factorization predicts held-out ratings, recommends films to a user, and finds similar films.

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

from sklearn_mf import MFRecommender

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
# Ratings held out
# ----------------
# A tenth of the ratings is held out. The factorization is compared with two simpler predictions: the mean of
# all ratings, and the mean plus one number for each user and each film ("biases only").

X_train, X_test, y_train, y_test = train_test_split(
    ratings[["userId", "movieId"]], stars, test_size=0.1, random_state=0
)
models = {
    "predict the mean": DummyRegressor(),
    "biases only": MFRecommender(embedding_dim=0, random_state=0),
    "MFRecommender()": MFRecommender(random_state=0),
}
predictions = {name: model.fit(X_train, y_train).predict(X_test) for name, model in models.items()}
errors = pd.DataFrame(
    {
        "RMSE": {name: root_mean_squared_error(y_test, y) for name, y in predictions.items()},
        "MAE": {name: mean_absolute_error(y_test, y) for name, y in predictions.items()},
    }
)
print(f"\nErrors on {len(y_test):,} held-out ratings:\n{errors.round(4)}")

# %%
# Recommendations
# ---------------
# After training on all ratings, :meth:`~sklearn_mf.MFRecommender.recommend` returns the films with the
# highest predicted ratings among those that the user has not rated. The table contains the original ids, so
# titles can be joined by id.

model = MFRecommender(random_state=0).fit(ratings)
top = model.recommend(user, n=5).join(titles, on="movieId")
print(f"\nThe films that user {user} would like most:\n{top.to_string(index=False)}")

# %%
# Similar films
# -------------
# Films that are liked by the same people have embeddings with similar directions. The inner product prefers
# long embeddings, which films with many ratings have. ``metric="cosine"``, the default, also finds rare
# films.

most_rated = films.mode()[0]
alike = model.similar_items(most_rated, n=5, metric="dot").join(titles, on="neighbor")
print(f"\nThe films nearest to {titles[most_rated]}:\n{alike.to_string(index=False)}")
print(f"\n{time.perf_counter() - started:.1f} seconds")

# %%
# Plots
# -----
# The left plot shows the errors of the mean, the biases and the embeddings. The right plot compares the
# predicted rating of each recommended film with the average of all its ratings. The model shrinks the
# averages of films with few ratings.

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained", width_ratios=[4, 5])

bars = left.barh(errors.index, errors["RMSE"], color=["silver", "silver", "tab:blue"])
left.bar_label(bars, fmt="%.3f", padding=3)
left.set(title="Error on held-out ratings", xlabel="RMSE (stars)", xlim=(0, 1.3 * errors["RMSE"].max()))
left.invert_yaxis()

average = ratings.groupby("movieId")["rating"].mean()[top["movieId"]]
right.hlines(top["rank"], average, top["score"], color="silver")
right.plot(average, top["rank"], "o", color="grey", label="average of its raters")
right.plot(top["score"], top["rank"], "o", color="tab:blue", label=f"predicted for user {user}")
right.set(title=f"Recommended to user {user}", xlabel="stars", ylim=(len(top) + 0.5, 0.5))
right.set_yticks(top["rank"], [shorten(title, 40, placeholder=" ...") for title in top["title"]])
fig.legend(loc="outside lower right", ncols=2, frameon=False)
plt.show()
