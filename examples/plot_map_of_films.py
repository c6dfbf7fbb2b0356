"""
==================================
Maps of films and their neighbours
==================================

A factorization is trained on users, films and stars, and on nothing else: no genre, no year, no actor. This
example shows the structure that it has learnt. It draws maps of the films with the most ratings, finds
similar films, and splits a recommendation into the contributions of the ratings.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# A model and the kinds of films
# ------------------------------
# Titles, years and genres only serve to read the maps. Most films have several genres. The code below assigns
# one kind to each film, from a short list of genres.

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
# A map shows two of the 32 dimensions of an embedding. The principal components are the directions in which
# the embeddings of these films differ most. Labels are drawn where there is room, for the most rated films
# first.

display = EmbeddingDisplay.from_estimator(model, ids=known, labels=titles, color=kinds)
display.ax_.set_title("300 films by what people think of them")
plt.show()

# %%
# The model does not know the kinds, but they are in different regions. This table contains the mean position
# of the films of each genre, sorted by the first component. Mystery, horror and crime are at one end of it,
# and musicals and romances at the other. The second component separates action, adventure and science fiction
# from the rest.

genres = films.loc[known, "genres"].str.split("|").explode()
places = display.points.loc[genres.index].set_axis(["first", "second"], axis=1)
centres = places.groupby(genres.to_numpy()).agg(["mean", "size"]).droplevel(0, axis=1)
centres = centres.iloc[:, [0, 2, 1]].set_axis(["first", "second", "films"], axis=1)
print(centres[centres["films"] >= 10].sort_values("first").round(2))

# %%
# Neighbours
# ----------
# Two components contain less than half of the variance, as the shares at the axes show. t-SNE preserves small
# distances instead of large ones: films that are near each other in all 32 dimensions are near each other on
# the map. On such a map the position of a film means little, but its neighbours mean much.

display = EmbeddingDisplay.from_estimator(
    model, ids=known, method="tsne", labels=titles, color=kinds, random_state=0
)
display.ax_.set_title("The same films by t-SNE")
plt.show()

# %%
# A display stores its data, so it can be drawn again in other colours.

by_year = EmbeddingDisplay(display.points, labels=display.labels, color=films["year"][known])
by_year.plot().ax_.set_title("The same map by year")
plt.show()

# %%
# Every map loses information. The following measure needs no map: the share of films whose nearest film has
# the same kind, compared with the share for kinds that are assigned at random.

near = model.similar_items(known, n=len(model.item_ids_))
near = near[near["neighbor"].isin(known)].drop_duplicates("movieId")
same = (kinds[near["movieId"]].to_numpy() == kinds[near["neighbor"]].to_numpy()).mean()
chance = (kinds[known].value_counts(normalize=True) ** 2).sum()
print(f"nearest film of the same kind: {same:.0%}, at random {chance:.0%}")

# %%
# Similar films
# -------------
# This table contains the three nearest films among the 300, for some films.

asked = [film for film in (1, 260, 296, 858, 780) if film in known]
alike = model.similar_items(asked, n=len(model.item_ids_))
alike = alike[alike["neighbor"].isin(known)].groupby("movieId").head(3)
print(pd.DataFrame({"film": titles[alike["movieId"]].values, "is like": titles[alike["neighbor"]].values}))

# %%
# The ratings behind a recommendation
# -----------------------------------
# A recommendation depends on the ratings of the user. With the films held fixed, the embedding of the user is
# a weighted sum over these ratings, and so is the predicted score.
# :func:`~sklearn_mf.inspection.explain` splits the score into the contributions of the ratings. The first row
# is the part of the film, which is the same for all users. All rows add up to the score.

user = 300 if (ratings["userId"] == 300).any() else ratings["userId"].iloc[0]
mine = ratings[ratings["userId"] == user]
top = model.recommend(ratings=mine, n=3, candidates=known).join(titles, on="movieId")
print(top.to_string(index=False))

parts = explain(model, user, top["movieId"][0], ratings).join(titles, on="movieId")
print(f"\n{parts.head(9).round(3).to_string(index=False)}")
print(f"\n{len(parts)} rows add up to {parts['contribution'].sum():.6f}, the score is {top['score'][0]:.6f}")

# %%
# The plot shows the ten ratings with the largest contributions. A contribution is positive if the user liked
# a similar film better than other people do, or liked an opposite film less; otherwise it is negative.

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
