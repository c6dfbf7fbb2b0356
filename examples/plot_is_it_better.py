"""
============================
Is the difference real?
============================

One recommender has a higher NDCG than another on held-out ratings. Would it also be higher for other users?
:func:`~sklearn_mf.metrics.compare` answers with a confidence interval and a p-value, both paired by user.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Lists of four recommenders
# --------------------------
# A fifth of each person's ratings is held out. A good list begins with held-out films that the person rated
# with four stars or more. Two of the models differ in the length of their embeddings, and a third one differs
# from the second only in its seed. The fourth recommender is the baseline of every ranking, the films with
# the most ratings.

import matplotlib.pyplot as plt
import pandas as pd
from movielens import load_demo

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.inspection import RankingComparisonDisplay
from sklearn_mf.metrics import compare
from sklearn_mf.model_selection import PerUserKFold

IDS = ["userId", "movieId"]

ratings, _ = load_demo()
rows, held_out = next(PerUserKFold(5, random_state=0).split(ratings))
train, test = ratings.iloc[rows], ratings.iloc[held_out]
liked = test.loc[test["rating"] >= 4, IDS]

models = {
    "8 dimensions": MFRecommender(8, random_state=0),
    "32 dimensions": MFRecommender(32, random_state=0),
    "another seed": MFRecommender(32, random_state=1),
    "most popular": DummyRecommender(),
}
people = liked["userId"].unique()
lists = {name: model.fit(train).recommend(people, n=10) for name, model in models.items()}

# %%
# Differences and intervals
# -------------------------
# There is a row for each pair. The interval contains the mean difference of all users, of whom these are a
# sample, in 95 of 100 cases. The p-value is the probability of a difference of at least this size if the
# two lists of each person were interchangeable.

table = compare(liked, lists, metric="ndcg", k=10, random_state=0)
print(table.round(4).to_string(index=False))

# %%
# An interval that contains 0 says that these users do not show which recommender is better.

display = RankingComparisonDisplay(comparison=table, metric="ndcg", k=10).plot()
display.ax_.set_title("Is the difference real?")
plt.show()

# %%
# Two seeds of the same model differ by chance only, so a difference of this size is no reason to choose a
# model. The other intervals do not contain 0: eight dimensions differ from 32, and each model differs from
# the most popular films.

# %%
# How many users?
# ---------------
# The same comparison of 8 and 32 dimensions with fewer users has a longer interval. Its length is divided
# by two if the number of users is multiplied by four.

pair = {name: lists[name] for name in ("32 dimensions", "8 dimensions")}
found = {}
for n_users in (len(people) // 16, len(people) // 4, len(people)):
    some = liked[liked["userId"].isin(people[:n_users])]
    found[f"{n_users} users"] = compare(some, pair, random_state=0).iloc[0]
by_users = pd.DataFrame(found).T
print(by_users[["difference", "low", "high", "p_value"]].astype(float).round(4).to_string())

# %%
# The values of the users show why so many are needed. The mean difference is small beside the differences of
# the users, which have both signs.

values = compare(liked, pair, per_user=True)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.hist(values["32 dimensions"] - values["8 dimensions"], bins=41, color="#0072B2", log=True)
ax.set(xlabel="difference of ndcg at 10 (32 minus 8 dimensions)", ylabel="users (logarithmic)")
ax.set_title("Differences of the users")
plt.show()
print(f"{(values == 0).all(axis=1).mean():.0%} of the users have the value 0 for both")

# %%
# Two limits remain. The interval is about other users, not about another split or another seed: repeat the
# comparison with some splits if a decision is close. And among many pairs some p-values are small by chance,
# so correct them, for instance with :func:`scipy.stats.false_discovery_control`.
