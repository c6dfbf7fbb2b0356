"""
======================
Errors for few ratings
======================

Predictions are easier for people with many ratings. This example measures the error for people and for films
with few ratings, and compares the recommended lists with the list of the films that most people have rated.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# An experiment
# -------------
# All users of MovieLens have 20 ratings or more, so the example removes ratings. Ten ratings of each person
# are held out. Half of the people keep all the other ratings; the rest keep 0, 1, 3 or 10 of them. The groups
# are chosen at random, so they differ only in the number of ratings that a model sees.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.exceptions import ConvergenceWarning

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.inspection import ErrorByActivityDisplay, RankingCurveDisplay
from sklearn_mf.metrics import ndcg_at_k

# The chains are short, so that the example takes little time.
warnings.simplefilter("ignore", ConvergenceWarning)

IDS = ["userId", "movieId"]

ratings = load_demo()[0].sample(frac=1, random_state=0)
place = ratings.groupby("userId").cumcount()
people = ratings["userId"].unique()
lots = np.random.default_rng(0).choice([0, 1, 3, 10, np.inf], len(people), p=[1 / 8] * 4 + [1 / 2])
kept = ratings["userId"].map(pd.Series(lots, people))
train, test = ratings[(place >= 10) & (place < 10 + kept)], ratings[place < 10]
X, y = test[IDS], test["rating"]
print(f"{len(train):,} ratings to learn from, {len(test):,} held out")

# %%
# There are three models: biases only, that is one number for each person and each film; biases and
# embeddings; and the Bayesian model, which averages over many embeddings that agree with the ratings.

models = {
    "biases only": MFRecommender(0, random_state=0),
    "MFRecommender": MFRecommender(random_state=0),
    "BayesianMFRecommender": BayesianMFRecommender(16, max_iter=120, n_samples=50, random_state=0),
}
for model in models.values():
    model.fit(train)

# %%
# By the ratings of the person
# ----------------------------
# The held-out ratings are grouped by the number of ratings of their person in ``fit``. For people with no or
# few ratings a model knows little more than the average opinion of the film, and embeddings add little to
# biases. From about ten ratings on they add more. The two models with embeddings, which both account for
# their uncertainty, have similar errors.

display = ErrorByActivityDisplay.from_estimator(models, X, y)
display.ax_.set_title("Errors by the ratings of the person")
print(display.errors.round(3))
plt.show()

# %%
# Only the first four groups are chosen at random. The people in the other groups rate many films by
# themselves, and may be easier or harder to predict for other reasons.

# %%
# By the ratings of the film
# --------------------------
# Here the same held-out ratings are grouped by the number of ratings of their film. This number matters more:
# with few ratings the quality of a film is unknown.

display = ErrorByActivityDisplay.from_estimator(models, X, y, field="item")
display.ax_.set_title("Errors by the ratings of the film")
print(display.errors.round(3))
plt.show()

# %%
# Lists
# -----
# Now the models recommend. A good list begins with those of the ten held-out films that the person rated with
# four stars or more. The dashed line is a baseline without a model: the films with the most ratings, without
# the films that the person has rated in the training part.

display = RankingCurveDisplay.from_estimator(models, X, y, relevance_threshold=4)
display.ax_.set_title("Lists of the films that are thought best")
print(display.curves.assign(popularity=display.popularity).round(3))
plt.show()

# %%
# The lists of ``MFRecommender`` are the best. The biases and the Bayesian model learn from the observed
# ratings alone. They estimate how much a person would like a film, not which films the person would choose to
# watch. So their lists begin with films that few people know and praise, while most held-out ratings belong
# to films that many people know. ``MFRecommender`` also learns from the films without a rating.
#
# A model of the observed ratings alone needs a choice of candidates. Among the 50 films with the most ratings
# its lists come close to the baseline, and they differ between people:

# One person has rated all 50 films, and gets no list.
warnings.filterwarnings("ignore", "recommend found nothing")

popular = train["movieId"].value_counts().index[:50]
liked = test.loc[test["rating"] >= 4, IDS]
lists = {name: model.recommend(people, n=10, candidates=popular) for name, model in models.items()}
ndcg = pd.Series({name: ndcg_at_k(liked, table, k=10) for name, table in lists.items()})
print(f"ndcg at 10 of the most rated: {display.popularity[10]:.3f}")
print(f"ndcg at 10 among 50 films:\n{ndcg.round(3).to_string()}")
