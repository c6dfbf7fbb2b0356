"""
============================
How certain is a prediction?
============================

:class:`~sklearn_mf.BayesianMFRecommender` draws many factorizations that agree with the ratings, instead of
one. It predicts with their mean. Their spread and the noise of the ratings give the uncertainty of a
prediction. This example shows the error for few ratings, the coverage of the intervals, and the costs and
benefits of recommending films of which the model is uncertain.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Two models
# ----------
# Eighty people with many ratings are set aside as new users for the last section. Half of the ratings of all
# others are held out, so that there are people and films with few ratings. The chain is shorter than by
# default.

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from sklearn.model_selection import train_test_split

from sklearn_mf import BayesianMFRecommender, MFRecommender

BLUE, RED, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
IDS = ["userId", "movieId"]

ratings, _ = load_demo()
busy = ratings["userId"].value_counts().head(240).index.to_series()
newcomers = ratings["userId"].isin(busy.sample(80, random_state=0))
train, test = train_test_split(ratings[~newcomers], test_size=0.5, random_state=0)

plain = MFRecommender(random_state=0).fit(train)
model = BayesianMFRecommender(16, max_iter=120, n_samples=50, random_state=0).fit(train)
print(f"split R-hat {model.r_hat_:.2f}, noise {model.noise_std_:.2f} stars")

# %%
# Errors by the number of ratings
# -------------------------------
# The held-out ratings are grouped by the number of ratings that their user, or their film, had in ``fit``.
# The two models have similar errors, and ``MFRecommender`` takes less time to fit.

mean, std = model.predict(test[IDS], return_std=True)
errors = pd.DataFrame(
    {
        "MFRecommender": plain.predict(test[IDS]) - test["rating"],
        "BayesianMFRecommender": mean - test["rating"],
    }
)
print(f"RMSE:\n{np.sqrt((errors**2).mean()).round(4).to_string()}")


def rmse_by(column, edges):
    """RMSE of both models by the number of training ratings of the id in a column."""
    known = test[column].map(train[column].value_counts()).fillna(0).rename("ratings")
    labels = [f"{low} to {high - 1}" for low, high in pairwise(edges)]
    bins = pd.cut(known, [*edges, np.inf], right=False, labels=[*labels, f"{edges[-1]} or more"])
    return np.sqrt((errors**2).groupby(bins, observed=True).mean())


by_user = rmse_by("userId", [0, 15, 30, 60, 120, 240])
by_film = rmse_by("movieId", [0, 1, 3, 10, 30, 100]).rename({"0 to 0": "none"})

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for ax, table, who in zip(axes, [by_user, by_film], ["user", "film"], strict=True):
    print(table.round(3))
    for name, color, marker in zip(table, [RED, BLUE], ["s", "o"], strict=True):
        ax.plot(table.index.astype(str), table[name], color=color, marker=marker, label=name)
    ax.set(title=f"by the ratings of the {who}", xlabel=f"ratings of the {who} in fit")
    ax.tick_params(axis="x", labelrotation=30)
    ax.grid(axis="y", alpha=0.3)
axes[0].set_ylabel("RMSE (stars)")
axes[0].legend()
plt.show()

# %%
# Coverage and standard deviation
# -------------------------------
# ``predict_interval`` gives bounds that contain a rating with a given probability. The left plot shows the
# share of held-out ratings inside the bounds. ``predict(..., return_std=True)`` gives the standard deviation
# of each rating. The right plot shows the error of ten groups of held-out ratings with similar standard
# deviations. In both plots a perfect forecast lies on the grey line.

coverages = [0.5, 0.8, 0.9, 0.95]
rare = test["movieId"].map(train["movieId"].value_counts()).fillna(0) < 3
inside = pd.DataFrame(index=pd.Index(coverages, name="nominal"), columns=["all", "rare films"], dtype=float)
for coverage in coverages:
    lower, upper = model.predict_interval(test[IDS], coverage).T
    holds = test["rating"].between(lower, upper)
    inside.loc[coverage] = holds.mean(), holds[rare].mean()
print(inside.round(3))

groups = pd.qcut(std, 10, labels=False, duplicates="drop")
squares = errors["BayesianMFRecommender"].to_numpy() ** 2
spread = pd.DataFrame({"std": std, "rmse": squares}).groupby(groups).mean()
spread["rmse"] **= 0.5
print(spread.round(3))

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
axes[0].plot([0.45, 1], [0.45, 1], color=GREY, linestyle="--")
axes[0].plot(inside["all"], "o", color=BLUE, label="all held-out ratings")
axes[0].plot(
    inside["rare films"], "s", color=RED, mfc="none", ms=11, label="of films with 0 to 2 ratings in fit"
)
axes[0].set(title="Intervals", xlabel="nominal coverage", ylabel="share of ratings inside")
axes[0].legend(loc="upper left")
ends = [spread.min().min() - 0.05, spread.max().max() + 0.05]
axes[1].plot(ends, ends, color=GREY, linestyle="--")
axes[1].plot(spread["std"], spread["rmse"], color=BLUE, marker="o", linestyle="none")
axes[1].set(title="Spread and error", xlabel="predicted standard deviation (stars)", ylabel="RMSE (stars)")
plt.show()

# %%
# A part of the spread comes from the people: some rate less regularly than others. ``noise_factors_``
# contains the factor by which each id multiplies the common noise. These are three quantiles over the users:

print(pd.Series(model.noise_factors_[0]).quantile([0.05, 0.5, 0.95]).round(2).to_string())

# %%
# Exploitation and exploration
# ----------------------------
# Now the new users arrive. The model knows one rating of each, and recommends one film per round for twenty
# rounds. The answer is the rating that the person really gave, so the model chooses among films that the
# person has rated, and among the 400 films with the most ratings in ``fit``. Half of these films are never
# recommended; they measure how much the model has learnt. There is no training: ``recommend(ratings=...)``
# computes the embeddings of the new users from their answers so far.
#
# - "mean" is greedy: it recommends the film with the highest expected rating.
# - "upper" recommends the film with the highest 80 % quantile.
# - "sample" recommends the best film under one draw (Thompson sampling).
# - "any" recommends any film, for comparison.

known = train["movieId"].value_counts().head(400).index
films = ratings[newcomers & ratings["movieId"].isin(known)].sample(frac=1, random_state=0)
shown, unseen = train_test_split(films, test_size=0.5, random_state=0)
first, offered = shown.drop_duplicates("userId"), shown[shown["userId"].duplicated()]
unseen = unseen[unseen["userId"].isin(first["userId"])]
choice = offered["movieId"].unique()


def ranked(by, answers, number):
    """Films on offer, in order of rank."""
    if by == "any":
        return offered.drop(answers.index, errors="ignore")
    exploring = {} if by == "mean" else {"by": by, "quantile": 0.8, "random_state": number}
    table = model.recommend(ratings=answers, n=len(choice), candidates=choice, **exploring)
    return table[IDS].merge(offered.reset_index(), on=IDS).set_index("index")


def error_on_unseen(answers):
    """RMSE on films that are never recommended."""
    people = model.fold_in(answers)
    rows = np.searchsorted(people.ids, unseen["userId"])
    columns = np.searchsorted(model.item_ids_, unseen["movieId"])
    z = people.biases[rows] + model.item_biases_[columns]
    # The mean over the draws of the inner products is not the inner product of the means.
    users, films = people.embedding_samples[:, rows], model.embedding_samples_[1][:, columns]
    z += (users * films).sum(axis=2).mean(axis=0)
    return np.sqrt(np.mean((model.intercept_ + model.scale_ * z - unseen["rating"]) ** 2))


collected, taught = {}, {}
for by in ["mean", "upper", "sample", "any"]:
    answers, collected[by], taught[by] = first, [], [error_on_unseen(first)]
    for number in range(20):
        answer = ranked(by, answers, number).drop_duplicates("userId")
        answers = pd.concat([answers, answer])
        collected[by].append(answer["rating"].mean())
        taught[by].append(error_on_unseen(answers))
so_far = pd.DataFrame(collected).expanding().mean().set_axis(range(1, 21))
taught = pd.DataFrame(taught)
print(f"{first['userId'].nunique()} newcomers; mean rating of the films shown so far, by round:")
print(so_far.loc[[1, 5, 10, 20]].round(2))
print("RMSE on films never shown, by round:")
print(taught.loc[[0, 5, 10, 20]].round(3))

fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
styles = zip(so_far, [BLUE, GREEN, RED, GREY], ["-", "--", "-.", ":"], strict=True)
for by, color, line in styles:
    axes[0].plot(so_far[by], color=color, linestyle=line, linewidth=2, label=by)
    axes[1].plot(taught[by], color=color, linestyle=line, linewidth=2)
axes[0].set(title="What is collected", ylabel="mean rating so far (stars)")
axes[1].set(title="What is learnt", ylabel="RMSE on films never shown (stars)")
for ax in axes:
    ax.set_xlabel("rounds")
    ax.set_xticks(range(0, 21, 5))
    ax.grid(alpha=0.3)
fig.legend(loc="outside lower center", ncols=4)
plt.show()

# %%
# Within twenty rounds no strategy collects more than the greedy one. The popular films are so well known that
# the best guess is good from the first round on. Thompson sampling loses some rating on uncertain films, and
# does not regain it before the good films are used up. Its answers teach more at first: from the third round
# to about the tenth the error on films that are never recommended is smaller. The quantile lies between the
# two: after a few rounds it collects nearly as much as the greedy choice. So recommend the highest mean to
# people who want good films, and use draws if the answers themselves are valuable, to learn about a new user
# or about new films.
