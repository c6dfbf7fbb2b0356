"""
=============================
Recommendations for new users
=============================

A new user, who was not in the training data, rates a few films. ``recommend(ratings=...)`` computes the
embedding and the bias of the new user with the films held fixed, without training. This example measures the
error after one rating, after five and after twenty.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# New users
# ---------
# A quarter of the people with sixty ratings or more is not in the training data. They rate their films one by
# one, in random order, so that the first ratings of a person are like the later ones.

import warnings
from textwrap import shorten

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import BayesianMFRecommender, MFRecommender

# The chains are short, so that the example takes little time.
warnings.simplefilter("ignore", ConvergenceWarning)

STYLES = {
    "biases alone": {"color": "#666666", "marker": "D", "linestyle": ":"},
    "MFRecommender": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    "BayesianMFRecommender": {"color": "#0072B2", "marker": "o"},
}
IDS = ["userId", "movieId"]
GIVEN = [1, 2, 5, 10, 20]

ratings, titles = load_demo()
counts = ratings["userId"].value_counts()
people = counts.index[counts >= 60].to_series().sample(frac=0.25, random_state=0)
train = ratings[~ratings["userId"].isin(people)]
theirs = ratings.drop(train.index).sample(frac=1, random_state=0)
theirs = theirs[theirs["movieId"].isin(train["movieId"])]
number = theirs.groupby("userId").cumcount()

models = {
    "biases alone": MFRecommender(0, random_state=0),
    "MFRecommender": MFRecommender(random_state=0),
    "BayesianMFRecommender": BayesianMFRecommender(16, max_iter=80, n_samples=40, random_state=0),
}
for model in models.values():
    model.fit(train)
print(f"{len(people)} newcomers; the models know {train['userId'].nunique()} other people")

# %%
# Five ratings of one person
# --------------------------
# The first table contains five ratings of the first new user, and the second one the recommendations of the
# Bayesian recommender after one rating, after two, after five and after twenty. Films that the person has
# rated by then are left out.

ones = theirs[theirs["userId"] == people.iloc[0]]
print(ones.head(5).join(titles, on="movieId")[["rating", "title"]].to_string(index=False))


def shown(n):
    table = models["BayesianMFRecommender"].recommend(ratings=ones.head(n), n=7)
    return [shorten(titles[film], 30, placeholder=" ...") for film in table["movieId"]]


lists = pd.DataFrame({f"after {n}": shown(n) for n in (1, 2, 5, 20)}, index=range(1, 8))
print(f"\n{lists.to_string()}")

# %%
# Held-out error
# --------------
# The error is measured on ratings that the models never see, at most forty of each person. ``fold_in``
# returns the embeddings and biases that ``recommend(ratings=...)`` computes. They can be used like the rows
# of ``user_embeddings_`` and ``user_biases_``. Before the first rating a new user is the average user.

asked = theirs[number.between(20, 59)]


def predicted(model, embeddings, biases):
    """Predictions for the held-out ratings, from the embeddings and biases of their users."""
    films = np.searchsorted(model.item_ids_, asked["movieId"])
    z = biases + model.item_biases_[films] + np.sum(embeddings * model.item_embeddings_[films], axis=1)
    return np.clip(model.intercept_ + model.scale_ * z, *model.target_range_)


def after(model, n):
    if n == 0:
        return predicted(model, model.average_embeddings_[0], model.average_biases_[0])
    folded = model.fold_in(theirs[number < n])
    rows = np.searchsorted(folded.ids, asked["userId"])
    return predicted(model, folded.embeddings[rows], folded.biases[rows])


def rmse(y):
    return root_mean_squared_error(asked["rating"], y)


errors = pd.DataFrame(
    {name: {n: rmse(after(model, n)) for n in [0, *GIVEN]} for name, model in models.items()}
)
print(f"RMSE on {len(asked):,} ratings, by the number of ratings given:\n{errors.round(3).to_string()}")

everything = pd.concat([train, theirs[number < 20]])
retrained = {name: rmse(clone(model).fit(everything).predict(asked[IDS])) for name, model in models.items()}
print(f"Trained anew with the twenty ratings:\n{pd.Series(retrained).round(3).to_string()}")

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
places = range(len(errors))
for name, style in STYLES.items():
    ax.plot(places, errors[name], label=name, **style)
    ax.plot(places[-1] + 0.6, retrained[name], color=style["color"], marker=style["marker"])
average = errors.loc[0, "BayesianMFRecommender"]
ax.axhline(average, color="black", linewidth=0.8)
ax.annotate("the average user", (places[-1] + 0.8, average), (0, 4), textcoords="offset points", ha="right")
ax.set_xticks([*places, places[-1] + 0.6], [*errors.index, "20,\nin fit"])
ax.set(title="Error for newcomers", xlabel="ratings given", ylabel="RMSE (stars)")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# The error falls from the first rating on, and twenty ratings in ``fold_in`` are about as good as the same
# twenty in training. The row of a new user is shrunk towards the row of the average user. The recommenders
# with embeddings have learnt from the other people by how much.
