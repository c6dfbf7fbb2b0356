"""
===============================
Embeddings as features of trees
===============================

A recommender uses the ids of users and films; gradient boosting uses the other columns of the table: year,
genres, time. :class:`~sklearn_mf.MFEmbedding` turns ids into numbers, so that one model can use both. This
example measures the gain, and shows how to train two models in a row so that the second one does not overfit.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Three parts of the ratings
# --------------------------
# A tenth of the ratings is for testing. The embeddings are fitted on 70 % of the others, the trees on the
# rest. This split is essential, because embeddings have been trained on the target of their own ratings.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_table
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder

from sklearn_mf import MFEmbedding, MFRecommender

BLUE, GREY = "#0072B2", "#777777"
IDS = ["userId", "movieId"]
COLUMNS = [*IDS, "year", "genres", "timestamp"]

table = load_table()
train, test = train_test_split(table, test_size=0.1, random_state=0)
first, second = train_test_split(train, test_size=0.3, random_state=0)
print(f"{len(first):,} ratings for the embeddings, {len(second):,} for the trees, {len(test):,} for the test")

# %%
# From ids to numbers
# -------------------
# Two transformers encode the ids. :class:`~sklearn.preprocessing.TargetEncoder` gives the level of each id, a
# shrunken mean of its ratings: some users rate higher than others, and some films are better than others.
# ``MFEmbedding`` gives the taste: the embedding of the user and that of the film. An unknown id gets the
# average.

level = TargetEncoder(target_type="continuous", cv=KFold(5, shuffle=True, random_state=0))
taste = MFEmbedding(MFRecommender(embedding_dim=32, random_state=0))
ids = ColumnTransformer([("level", level, IDS), ("taste", taste, IDS)], verbose_feature_names_out=False)

known = ids.set_output(transform="pandas").fit(first[IDS], first["rating"])
print(known.transform(test[IDS].head()).iloc[:, :6].round(2).to_string())

# %%
# One pipeline from the table to the rating
# -----------------------------------------
# The transformers are fitted on the first part and frozen: with :class:`~sklearn.frozen.FrozenEstimator` the
# pipeline does not fit them again. So the trees learn from ratings on which the embeddings were not trained,
# like all ratings that they will have to predict.


def boosted(of_ids):
    genres = CountVectorizer(token_pattern=r"[^|]+", lowercase=False)
    columns = [
        ("ids", of_ids, IDS),
        ("genres", genres, "genres"),
        ("others", "passthrough", ["year", "timestamp"]),
    ]
    trees = HistGradientBoostingRegressor(random_state=0)
    return make_pipeline(ColumnTransformer(columns, sparse_threshold=0), trees)


model = boosted(FrozenEstimator(known)).fit(second[COLUMNS], second["rating"])

# %%
# Comparison with three other models
# ----------------------------------
# All four models are trained on the same ratings, the first and the second part.
#
# - The recommender alone.
# - Trees without embeddings. They need no second part: ``fit_transform`` of ``TargetEncoder`` encodes each
#   row by a fit to other rows.
# - The wrong way: embeddings and trees fitted on the same ratings.

alone = MFRecommender(random_state=0).fit(train[IDS], train["rating"])
plain = boosted(level).fit(train[COLUMNS], train["rating"])
wrong = boosted(ids).fit(train[COLUMNS], train["rating"])


def squared_errors(model, part):
    columns = IDS if model is alone else COLUMNS
    return (model.predict(part[columns]) - part["rating"]) ** 2


models = {
    "recommender alone": (alone, train),
    "trees without embeddings": (plain, train),
    "trees, embeddings of the same ratings": (wrong, train),
    "trees, embeddings of other ratings": (model, second),
}
tested = pd.DataFrame({name: squared_errors(fitted, test) for name, (fitted, _) in models.items()})
trained = {name: squared_errors(fitted, part).mean() for name, (fitted, part) in models.items()}
errors = pd.DataFrame({"training": np.sqrt(pd.Series(trained)), "test": np.sqrt(tested.mean())})
# Differences of mean squared errors as differences of RMSE, to first order.
more = tested.sub(tested["recommender alone"], axis=0) / (2 * errors.loc["recommender alone", "test"])
print(
    "RMSE on the ratings of the last training and on the test, and what the latter is above the first row's:"
)
print(errors.assign(more=more.mean(), standard_error=more.sem()).round(4).to_string())

# %%
# Trees that are fitted on embeddings of the same ratings rely on the embeddings too much: their training
# error is low, and their test error is higher than without embeddings. Embeddings of other ratings do help.
# Compared with the recommender alone, the pipeline gains little on these ratings, since year, genres and time
# add little to the ids. The right plot shows this by the growth of the error when one column of the table is
# shuffled. A shuffled id takes its embedding with it, since the pipeline starts from the table.

importance = permutation_importance(
    model, test[COLUMNS], test["rating"], scoring="neg_root_mean_squared_error", n_repeats=3, random_state=0
)
importance = pd.Series(importance.importances_mean, index=COLUMNS)
print(f"Growth of the RMSE:\n{importance.round(4).to_string()}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.6), layout="constrained", width_ratios=[6, 4])
places = range(len(errors))
left.hlines(places, errors["training"], errors["test"], color="silver")
left.plot(errors["training"], places, "o", color=GREY, mfc="white", label="ratings of the training")
left.plot(errors["test"], places, "o", color=BLUE, label="test")
for place, error in zip(places, errors["test"], strict=True):
    left.annotate(f"{error:.3f}", (error, place), (8, 0), textcoords="offset points", va="center")
left.set_yticks(places, errors.index.str.replace(", ", ",\n"))
left.set(title="Error", xlabel="RMSE (stars)", xlim=(errors.min().min() - 0.02, errors.max().max() + 0.05))
left.set_ylim(len(errors) - 0.5, -0.5)
right.barh(importance.index, importance, color=BLUE)
right.set(title="What shuffling a column costs", xlabel="growth of the RMSE (stars)")
right.invert_yaxis()
fig.legend(loc="outside lower left", ncols=2, frameon=False)
plt.show()
