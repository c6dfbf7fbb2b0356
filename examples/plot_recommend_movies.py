"""
==============================
Which films would a user like?
==============================

From a table of ratings to a table of recommendations: how well does a matrix factorization predict ratings
that it has not seen, which films would a user like most, and which films are alike?

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015). Run as a script, the example reads any other ratings file as well::

    python examples/plot_recommend_movies.py --ratings ml-1m/ratings.dat --user 42
"""

# %%
# The ratings
# -----------
# A row for each rating: who, which film, how many stars.

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
# A tenth of the ratings is kept from training. The factorization has to beat two simpler predictions:
# the mean of all ratings, and the mean plus one number for each user and film ("biases only": how
# generous the user is, how good the film).

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
# Trained on all ratings, :meth:`~sklearn_mf.MFRecommender.recommend` gives the films that the user has
# not rated and would rate highest. Ids stay what they were in the ratings, so that titles are joined on
# by id.

model = MFRecommender(random_state=0).fit(ratings)
top = model.recommend(user, n=5).join(titles, on="movieId")
print(f"\nThe films that user {user} would like most:\n{top.to_string(index=False)}")

# %%
# Films alike
# -----------
# Films that the same people like have embeddings that point the same way. The inner product prefers long
# embeddings, which films with many ratings have; ``metric="cosine"``, the default, lets rare films in as
# well.

most_rated = films.mode()[0]
alike = model.similar_items(most_rated, n=5, metric="dot").join(titles, on="neighbor")
print(f"\nThe films nearest to {titles[most_rated]}:\n{alike.to_string(index=False)}")
print(f"\n{time.perf_counter() - started:.1f} seconds")

# %%
# In pictures
# -----------
# Left: what the biases gain over the mean, and the embeddings over the biases. Right: what the model
# expects the user to give each recommended film, beside what all its raters gave it on average. It
# discounts the averages of films with few ratings.

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
