"""
===========================
Recommending by play counts
===========================

A music service knows what people played and how often, but no ratings. This example recommends songs from
play counts with :class:`~sklearn_mf.ImplicitMFRecommender`, compares it with the most popular songs, and
shows what the counts add to the mere fact that a song was played.
"""

# %%
# People and songs
# ----------------
# The data are made here, so that the truth is known. A person likes songs whose embedding is similar to their
# own, and popular songs. They play about 40 songs. Most of these they like and play often; a quarter are
# songs that happened to be on, by popularity alone, and are played once or twice.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from quiet_tensorflow import tensorflow  # noqa: F401

from sklearn_mf import ImplicitMFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import ndcg_at_k, recall_at_k
from sklearn_mf.model_selection import PerUserKFold

N_PEOPLE, N_SONGS, N_LIKED, N_BY_CHANCE = 800, 600, 30, 10

rng = np.random.default_rng(0)
people, songs = rng.normal(size=(N_PEOPLE, 6)), rng.normal(size=(N_SONGS, 6))
popularity = rng.normal(size=N_SONGS)
taste = 0.7 * people @ songs.T + 0.5 * popularity


def draw(scores, n):
    """Draw n songs for each person without replacement, with weights proportional to exp(scores)."""
    return np.argsort(scores + rng.gumbel(size=taste.shape), axis=1)[:, -n:]


def log_of(chosen, counts):
    rows = np.repeat(np.arange(N_PEOPLE), chosen.shape[1])
    return pd.DataFrame({"person": rows, "song": chosen.ravel(), "plays": counts})


liked = draw(taste, N_LIKED)
strength = np.take_along_axis(taste, liked, axis=1).ravel()
often = log_of(liked, 1 + rng.poisson(np.exp(1 + 0.5 * strength)))
by_chance = draw(1.5 * popularity + np.zeros_like(taste), N_BY_CHANCE)
seldom = log_of(by_chance, rng.integers(1, 3, N_PEOPLE * N_BY_CHANCE))
log = pd.concat([often, seldom]).sample(frac=1, random_state=0, ignore_index=True)
print(log.head(4).to_string(index=False))
print(f"{len(log):,} rows; median {log['plays'].median():g} plays, at most {log['plays'].max():,}")

# %%
# From counts to lists
# --------------------
# The three columns are person, song and count, and rows of the same pair are added up. A cell without plays
# counts as a weak "no": the person may not know the song. A larger count gives a cell more
# weight. ``confidence`` says how: with the logarithm of the count (the default), linearly, or not at all.

model = ImplicitMFRecommender(16, random_state=0).fit(log)
print(model.recommend(0, n=3).to_string(index=False))
print(model.similar_items(0, n=3).to_string(index=False))

# %%
# Are the lists good?
# -------------------
# A fifth of each person's rows is held out. The relevant songs are the held-out ones that the person truly
# likes, with at least four plays.

rows, held_out = next(PerUserKFold(5, random_state=0).split(log[["person", "song"]]))
train, test = log.iloc[rows], log.iloc[held_out]
relevant = test.loc[test["plays"] >= 4, ["person", "song"]]

models = {
    "confidence=None": ImplicitMFRecommender(16, confidence=None, random_state=0),
    'confidence="linear"': ImplicitMFRecommender(16, confidence="linear", random_state=0),
    'confidence="log"': ImplicitMFRecommender(16, random_state=0),
}
pairs, logarithms = train[["person", "song"]], np.log1p(train["plays"])
lists = {"most popular": DummyRecommender().fit(pairs, logarithms).recommend(n=20)}
lists |= {name: model.fit(train).recommend(n=20) for name, model in models.items()}
table = pd.DataFrame(
    {
        "NDCG@10": {name: ndcg_at_k(relevant, shown, k=10) for name, shown in lists.items()},
        "recall@20": {name: recall_at_k(relevant, shown, k=20) for name, shown in lists.items()},
    }
)
print(table.round(3).to_string())

# %%
# Each model is better than the most popular songs, and the counts help: without them a song that was on by
# chance is worth as much as a favourite. In these data the counts follow the taste closely, so even the
# linear weights are good. On real data, with its extreme counts, compare ``"log"`` and ``"linear"`` by a
# search.
#
# The weight of the unobserved cells
# ----------------------------------
# ``unobserved_weight`` is the total weight of the cells without plays, as a multiple of the weight of the
# others. With a weight below 1 the model learns too little about the songs that a person does not play. From
# 1 on the lists have about the same quality here; no cell without plays ever weighs more than a play.

weights, ndcg = [0.1, 0.3, 1, 3, 10, 30], []
for weight in weights:
    model = ImplicitMFRecommender(16, unobserved_weight=weight, random_state=0).fit(train)
    ndcg.append(ndcg_at_k(relevant, model.recommend(n=10)))

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
bars = left.barh(table.index, table["NDCG@10"], color=["silver", *["#0072B2"] * 3])
left.bar_label(bars, fmt="%.3f", padding=3)
left.set(title="Lists of ten songs", xlabel="NDCG@10", xlim=(0, 1.3 * table["NDCG@10"].max()))
left.invert_yaxis()
right.plot(weights, ndcg, "o-", color="#0072B2")
right.axhline(table.loc["most popular", "NDCG@10"], color="#666666", linestyle="--", label="most popular")
right.set(xscale="log", xlabel="unobserved_weight", title="Weight of the unobserved cells", ylim=(0, None))
right.set_xticks(weights, [f"{w:g}" for w in weights])
right.minorticks_off()
right.grid(alpha=0.3)
right.legend(frameon=False)
plt.show()
