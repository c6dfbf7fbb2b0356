"""
=====================================
How good for people with few ratings?
=====================================

It is easy to know people who have rated much. This example asks how far predictions can be trusted for people
and for films with few ratings, and whether a list of recommendations is better than one of the films that
everybody watches.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# An experiment
# -------------
# Everybody in MovieLens has 20 ratings or more, so some people are made poor on purpose. Ten ratings of each
# person are held out. Of the rest half of the people keep all, the others 0, 1, 3 or 10, by lot: so these
# groups differ in little but the number of ratings that a model sees.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.inspection import ErrorByActivityDisplay, RankingCurveDisplay
from sklearn_mf.metrics import ndcg_at_k

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
# Three models: biases only, one number for each person and each film; embeddings too; and the Bayesian model,
# which averages over all embeddings that agree with the ratings.

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
# Held-out ratings in groups by how many ratings of their person were in ``fit``. For somebody with none or a
# few, a model knows little more than what people think of the film on the whole, and embeddings gain nothing
# over biases. From about ten ratings on they gain. The Bayesian model is the best in each group: it does not
# trust what it knows more than it should.

display = ErrorByActivityDisplay.from_estimator(models, X, y)
display.ax_.set_title("Errors by the ratings of the person")
print(display.errors.round(3))
plt.show()

# %%
# Only the first four groups are by lot. Those further on are people who rate a lot because they do, and they
# may be easier or harder to predict for other reasons too.

# %%
# By the ratings of the film
# --------------------------
# The same held-out ratings by the number of ratings of their film. Here the number matters more: of a film
# that few have rated it is not even known whether it is any good.

display = ErrorByActivityDisplay.from_estimator(models, X, y, field="item")
display.ax_.set_title("Errors by the ratings of the film")
print(display.errors.round(3))
plt.show()

# %%
# Lists
# -----
# Now the models recommend. A good list has in front those films that the person did rate, with four stars or
# more, among the ten held out. The dashed line is no model at all: the same list for everybody, of the films
# with the most ratings, less those that the person is known to have rated.

display = RankingCurveDisplay.from_estimator(models, X, y, relevance_threshold=4)
display.ax_.set_title("Lists of the films that are thought best")
print(display.curves.assign(popularity=display.popularity).round(3))
plt.show()

# %%
# It wins by far. The models were asked how much a person would like a film, not which films the person would
# come to watch. So they put first what few know and those few praise, while most of the ratings held out are
# of films that many know. The order of the models is that of the errors: those who trust few ratings less
# have better lists too.
#
# So say which films there are to choose from. Among the 50 with the most ratings the lists of the models come
# near to that one, and they are not the same for everybody:

popular = train["movieId"].value_counts().index[:50]
liked = test.loc[test["rating"] >= 4, IDS]
lists = {name: model.recommend(people, n=10, candidates=popular) for name, model in models.items()}
ndcg = pd.Series({name: ndcg_at_k(liked, table, k=10) for name, table in lists.items()})
print(f"ndcg at 10 of the most rated: {display.popularity[10]:.3f}")
print(f"ndcg at 10 among 50 films:\n{ndcg.round(3).to_string()}")
