"""
=============
Diverse lists
=============

The ten items of highest score are often similar to each other: ten songs of one style. This example makes the
lists more diverse with :func:`~sklearn_mf.reranking.diversify` and
:func:`~sklearn_mf.reranking.limit_per_group`, and measures what this costs.
"""

# %%
# Listeners and songs
# -------------------
# The data are made here, so that the truth is known. Each song has one of twelve styles, and its embedding is
# near that of its style. Each person likes some styles and dislikes others. People rate 60 songs each, more
# often those that they like.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from quiet_tensorflow import tensorflow  # noqa: F401

from sklearn_mf import MFRecommender
from sklearn_mf.metrics import ndcg_at_k
from sklearn_mf.reranking import diversify, limit_per_group

N_PEOPLE, N_SONGS, N_STYLES, N_RATED = 500, 400, 12, 60

rng = np.random.default_rng(0)
styles = rng.integers(0, N_STYLES, N_SONGS)
songs = rng.normal(size=(N_STYLES, 6))[styles] + 0.5 * rng.normal(size=(N_SONGS, 6))
people = rng.normal(size=(N_PEOPLE, 6))
taste = 3 + 0.4 * people @ songs.T + 0.3 * rng.normal(size=N_SONGS)

# With Gumbel noise the best songs are a draw without replacement, with weights proportional to exp(taste).
chosen = np.argsort(taste + rng.gumbel(size=taste.shape), axis=1)[:, -N_RATED:]
rows = np.repeat(np.arange(N_PEOPLE), N_RATED)
stars = np.clip(taste[rows, chosen.ravel()] + 0.5 * rng.normal(size=len(rows)), 1, 5)
ratings = pd.DataFrame({"person": rows, "song": chosen.ravel(), "stars": stars})
print(ratings.head(3).round(2).to_string(index=False))

# %%
# Rank more, show less
# --------------------
# The recommender ranks the 50 best songs for each person. ``diversify`` chooses ten of them, one after
# another: each has a high score and an embedding unlike those of the songs above it. ``trade_off`` is the
# weight of the score. ``limit_per_group`` needs no embeddings but a group for each song, here its style.

model = MFRecommender(16, random_state=0).fit(ratings)
fifty = model.recommend(n=50)
style_of = pd.Series(styles, index=range(N_SONGS))

diverse = {share: diversify(fifty, model, 10, share) for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)}
limited = {most: limit_per_group(fifty, style_of, 10, most) for most in (6, 4, 3, 2, 1)}

for share in (1.0, 0.5):
    first = diverse[share][diverse[share]["person"] == 0]
    print(f"person 0, trade_off={share}: styles {style_of[first['song']].tolist()}")

# %%
# What diversity costs
# --------------------
# The relevant songs of a person are the 20 best ones by true taste among those that the person has not rated.
# Diversity is the number of styles in a list of ten.

unheard = np.where(
    pd.crosstab(ratings["person"], ratings["song"]).reindex(columns=range(N_SONGS)) > 0, -9, taste
)
best = np.argsort(-unheard, axis=1)[:, :20]
relevant = pd.DataFrame({"person": np.repeat(np.arange(N_PEOPLE), 20), "song": best.ravel()})


def measured(table):
    n_styles = table["song"].map(style_of).groupby(table["person"]).nunique().mean()
    return {"styles in a list": n_styles, "NDCG@10": ndcg_at_k(relevant, table)}


by_trade_off = pd.DataFrame({share: measured(table) for share, table in diverse.items()}).T
by_limit = pd.DataFrame({most: measured(table) for most, table in limited.items()}).T
print(by_trade_off.rename_axis("trade_off").round(3))
print(by_limit.rename_axis("most").round(3))

# %%
# Each point is one setting. The upper right corner would be best: good and diverse. The first steps away from
# the order of the scores cost little, the last ones much. So begin with a ``trade_off`` near 1, and choose it
# by what you can afford.

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for table, name, style in (
    (by_trade_off, "diversify, by trade_off", {"color": "#0072B2", "marker": "o"}),
    (by_limit, "limit_per_group, by most", {"color": "#D55E00", "marker": "s", "linestyle": "--"}),
):
    ax.plot(table["styles in a list"], table["NDCG@10"], label=name, **style)
    above = 8 if "trade_off" in name else -15
    for setting, point in table.iterrows():
        ax.annotate(
            f"{setting:g}", point, (0, above), textcoords="offset points", ha="center", color=style["color"]
        )
ax.set(xlabel="styles in a list of ten", ylabel="NDCG@10", title="Diversity and quality of lists")
ax.margins(0.08, 0.12)
ax.grid(alpha=0.3)
ax.legend(frameon=False)
plt.show()

# %%
# For the same number of styles, up to about five, ``diversify`` loses less quality: it replaces songs of low
# score, whereas the limit is the same for people who like one style and for people who like many.
# ``limit_per_group`` guarantees its limit, and needs no embeddings.
