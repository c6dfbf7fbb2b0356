"""
========================
What has a model learnt?
========================

A factorization was told who gave which film how many stars, and nothing else: no genre, no year, no actor.
This example looks at what it made of that. It draws maps of the films with the most ratings, asks which films
are alike, and takes a recommendation apart into the ratings that carry it.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# A model, and what the films are
# -------------------------------
# Titles, years and genres are for us, to read the maps with. Most films have several genres: the kind of a
# film is the first genre of a short list that it has.

from textwrap import shorten

import matplotlib.pyplot as plt
import pandas as pd
from movielens import load_table

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import EmbeddingDisplay, explain

BLUE, RED = "#0072B2", "#D55E00"

table = load_table()
ratings = table[["userId", "movieId", "rating"]]
model = MFRecommender(random_state=0).fit(ratings)

films = table.drop_duplicates("movieId").set_index("movieId")
titles = films["title"].replace([r" \(.*", r"(.*), (The|A|An)$"], ["", r"\2 \1"], regex=True)
kinds = pd.Series("other", films.index, name="kind of film")
for genre in ["Drama", "Comedy", "Thriller", "Crime", "Action", "Children"]:  # the last one wins
    kinds[films["genres"].str.contains(genre)] = genre

most_rated = ratings["movieId"].value_counts().index
known = most_rated[:300]
print(kinds[known].value_counts().to_string())

# %%
# A map
# -----
# Of the 32 numbers of an embedding, a map shows two. The principal components are those directions in which
# the embeddings of these films differ most. Only labels that have room are drawn, most rated films first.

display = EmbeddingDisplay.from_estimator(model, ids=known, labels=titles, color=kinds)
display.ax_.set_title("300 films by what people think of them")
plt.show()

# %%
# The kinds were not told to the model, and yet they lie apart: here is where the films of each genre are on
# average, sorted by the first component. Action and adventure are at one end of it, mystery, horror and crime
# at the other; the second component sets films for children and animation apart.

genres = films.loc[known, "genres"].str.split("|").explode()
places = display.points.loc[genres.index].set_axis(["first", "second"], axis=1)
centres = places.groupby(genres.to_numpy()).agg(["mean", "size"]).droplevel(0, axis=1)
centres = centres.iloc[:, [0, 2, 1]].set_axis(["first", "second", "films"], axis=1)
print(centres[centres["films"] >= 10].sort_values("first").round(2))

# %%
# Neighbours
# ----------
# Two components hold less than half of what sets these films apart, as the shares at the axes say. t-SNE
# gives up the large distances for the sake of the small ones: films that are near each other in all 32
# dimensions are near each other on the map. Where a film is says little then, who its neighbours are says
# much.

display = EmbeddingDisplay.from_estimator(
    model, ids=known, method="tsne", labels=titles, color=kinds, random_state=0
)
display.ax_.set_title("The same films by t-SNE")
plt.show()

# %%
# A display keeps what it computed, and can be drawn again in other colours.

by_year = EmbeddingDisplay(display.points, labels=display.labels, color=films["year"][known])
by_year.plot().ax_.set_title("The same map by year")
plt.show()

# %%
# Any map loses something, so here is a question without one: for how many films is the nearest one of the
# same kind, and for how many would it be if kinds were dealt out at random?

near = model.similar_items(known, n=len(model.item_ids_))
near = near[near["neighbor"].isin(known)].drop_duplicates("movieId")
same = (kinds[near["movieId"]].to_numpy() == kinds[near["neighbor"]].to_numpy()).mean()
chance = (kinds[known].value_counts(normalize=True) ** 2).sum()
print(f"nearest film of the same kind: {same:.0%}, at random {chance:.0%}")

# %%
# Films alike
# -----------
# For some films, the three nearest of those 300.

asked = [film for film in (1, 260, 296, 858, 780) if film in known]
alike = model.similar_items(asked, n=len(model.item_ids_))
alike = alike[alike["neighbor"].isin(known)].groupby("movieId").head(3)
print(pd.DataFrame({"film": titles[alike["movieId"]].values, "is like": titles[alike["neighbor"]].values}))

# %%
# Why this film?
# --------------
# A user gets a recommendation by ratings. Given the embeddings of the films, the user's own embedding is a
# weighted sum over these ratings, and so is the predicted score:
# :func:`~sklearn_mf.inspection.explain` takes it apart into what each rating adds. The first row is where the
# film starts from, whoever the user is. All rows add up to the score.

user = 300 if (ratings["userId"] == 300).any() else ratings["userId"].iloc[0]
mine = ratings[ratings["userId"] == user]
top = model.recommend(ratings=mine, n=3, candidates=known).join(titles, on="movieId")
print(top.to_string(index=False))

parts = explain(model, user, top["movieId"][0], ratings).join(titles, on="movieId")
print(f"\n{parts.head(9).round(3).to_string(index=False)}")
print(f"\n{len(parts)} rows add up to {parts['contribution'].sum():.6f}, the score is {top['score'][0]:.6f}")

# %%
# In a picture: the ten ratings that matter most. A contribution is positive where the user liked a similar
# film better than it is liked on the whole, or an opposite one less; otherwise it is negative.

shown = parts[1:11][::-1]
names = [
    f"{shorten(t, 34, placeholder=' ...')}: {r:g}"
    for t, r in zip(shown["title"], shown["rating"], strict=True)
]
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
colors = [BLUE if value > 0 else RED for value in shown["contribution"]]
bars = ax.barh(names, shown["contribution"], color=colors)
ax.bar_label(bars, fmt="%+.2f", padding=3, fontsize="small")
ax.axvline(0, color="black", linewidth=0.8)
ax.margins(x=0.15)
ax.set(xlabel="contribution (stars)", ylabel="film: stars of the user")
fig.suptitle(f"Why {top['title'][0]}?")
plt.show()
