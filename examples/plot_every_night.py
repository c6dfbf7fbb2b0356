"""
=======================
New ratings every night
=======================

Every night a model gets the ratings of the day. ``partial_fit`` updates it by these ratings alone, and this
example compares it with a model that stays as it is and with one that is fitted on all ratings each night.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# Ratings in the order of time
# ----------------------------
# The first half of the ratings is there at the beginning. The other half comes in ten parts, with users and
# films that are new. Each part is predicted before it is learnt, so every rating is predicted by a model that
# does not know it.

import copy
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import COLUMNS, load_table
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import MFRecommender

N_NIGHTS = 10
IDS = COLUMNS[:2]

ratings = load_table().sort_values("timestamp", kind="stable")[COLUMNS]
bounds = np.linspace(len(ratings) // 2, len(ratings), N_NIGHTS + 1).astype(int)
model = MFRecommender(random_state=0).fit(ratings.iloc[: bounds[0]])
known = ratings.iloc[: bounds[0]]
print(f"{len(known):,} ratings by {known['userId'].nunique()} users at the beginning")
print(f"{ratings['userId'].nunique() - known['userId'].nunique()} users come later")

# %%
# Ten nights
# ----------

ways = {
    "never updated": lambda model, night, new: None,
    "partial_fit": lambda model, night, new: model.partial_fit(new),
    "fit on all": lambda model, night, new: model.fit(ratings.iloc[: bounds[night + 1]]),
}
models = {name: copy.deepcopy(model) for name in ways}
errors, seconds = (
    pd.DataFrame(index=range(N_NIGHTS), columns=list(ways), dtype=float),
    dict.fromkeys(ways, 0.0),
)
for night in range(N_NIGHTS):
    new = ratings.iloc[bounds[night] : bounds[night + 1]]
    for name, learn in ways.items():
        predicted = models[name].predict(new[IDS])
        errors.loc[night, name] = root_mean_squared_error(new["rating"], predicted)
        start = time.process_time()
        learn(models[name], night, new)
        seconds[name] += time.process_time() - start

table = pd.DataFrame({"mean RMSE": errors.mean(), "seconds of CPU": pd.Series(seconds)})
print(table.round({"mean RMSE": 3, "seconds of CPU": 1}).to_string())

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
styles = {
    "never updated": ("#666666", "D:"),
    "partial_fit": ("#D55E00", "o-"),
    "fit on all": ("#0072B2", "s--"),
}
for name, (color, style) in styles.items():
    ax.plot(range(1, N_NIGHTS + 1), errors[name], style, color=color, label=name)
ax.set(title="Error of ratings before they are learnt", xlabel="night", ylabel="RMSE (stars)")
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# The updated model is about as good as the model that is fitted on all ratings each night, and takes a small
# part of the time. The model that stays as it is falls behind, since it knows nothing about the new users.
