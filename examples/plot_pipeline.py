"""
=============================
Ids in a frame, in a pipeline
=============================

Ratings often come in a frame with more columns than a recommender needs, and with text as ids. In this
example a :class:`~sklearn.pipeline.Pipeline` selects the columns, scikit-learn's model selection uses the
whole pipeline, and a further column of ids becomes a further field of the model.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# The frame
# ---------

import matplotlib.pyplot as plt
import pandas as pd
from movielens import load_table
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_mf import MFRecommender

table = load_table()
table["user"] = "user-" + table["userId"].astype(str)
table["film"] = "film-" + table["movieId"].astype(str)
table["genre"] = table["genres"].str.split("|").str[0]
table["hour"] = pd.to_datetime(table["timestamp"], unit="s").dt.hour
table["decade"] = table["year"].floordiv(10).mul(10).fillna(0).astype(int)  # 0 where the year is missing
print(table[["user", "film", "title", "year", "genre", "hour", "rating"]].head().to_string(index=False))

# %%
# A pipeline that selects the ids
# -------------------------------
# The first step outputs a frame with unchanged column names, so that the tables of the recommender have the
# same names. The recommender is the last step, ``pipe[-1]``.


def recommender(*fields):
    picked = ColumnTransformer([("ids", "passthrough", list(fields))], verbose_feature_names_out=False)
    return make_pipeline(picked.set_output(transform="pandas"), MFRecommender(random_state=0))


pipe = recommender("user", "film").fit(table, table["rating"])
titles = table.drop_duplicates("film").set_index("film")["title"]
print(pipe[-1].recommend("user-500", n=5).join(titles, on="film").to_string(index=False))

# %%
# Several scores at once
# ----------------------
# The folds are plain random folds of the rows. For ids that are not in the training part, the model uses the
# average of their field.

folds = KFold(3, shuffle=True, random_state=0)
scoring = {"RMSE": "neg_root_mean_squared_error", "MAE": "neg_mean_absolute_error", "R2": "r2"}
scores = cross_validate(pipe, table, table["rating"], cv=folds, scoring=scoring)
print(pd.DataFrame(scores).filter(like="test_").abs().agg(["mean", "std"]).round(4))

# %%
# A third field
# -------------
# A third column adds an embedding and a bias for each of its values, and the inner products of all three
# pairs: user and film, user and genre, film and genre. The pipeline predicts ratings for rows of three ids.
# Tables of recommendations need exactly two fields.

pipe = recommender("user", "film", "genre").fit(table, table["rating"])
print(
    table.head().assign(predicted=pipe.predict(table.head()).round(2))[
        ["user", "title", "genre", "predicted"]
    ]
)

# %%
# Cross-validation shows whether a field helps. Users differ in the genres that they like, but hardly in their
# taste at different hours.


def rmse(pipe):
    return -cross_val_score(pipe, table, table["rating"], cv=folds, scoring="neg_root_mean_squared_error")


errors = pd.DataFrame({"user, film": rmse(recommender("user", "film"))})
for field in ("hour", "decade", "genre"):
    errors[f"user, film, {field}"] = rmse(recommender("user", "film", field))

fig, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
places = range(len(errors.columns))
ax.plot(errors.T, places, "o", color="silver")
ax.plot(errors.mean(), places, "D", color="tab:blue")
ax.set_yticks(places, errors.columns)
ax.set_ylim(len(places) - 0.5, -0.5)
ax.set(title="Error of each fold (circles) and their mean", xlabel="RMSE (stars)")
plt.show()
