"""
==================================
Matrix factorization, step by step
==================================

This example first implements :class:`~sklearn_mf.MFRecommender` by hand: a sparse tensor of ratings, two
tables of random numbers U and V, a loss over the observed cells, and stochastic gradient descent. Then it
uses the estimator, and compares the embeddings under a ridge and a lasso penalty.

The ratings come from `MovieLens <https://grouplens.org/datasets/movielens/>`_ (F. M. Harper and J. A.
Konstan, 2015).
"""

# %%
# A sparse tensor of ratings
# --------------------------
# The rows of a matrix are users, its columns are films, and most cells are empty. An empty cell is not a
# rating of 0; it is an unknown rating. A ``tf.SparseTensor`` stores only the observed cells.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from movielens import load_demo
from quiet_tensorflow import tensorflow as tf  # import tensorflow as tf, without its start-up lines
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import TrainingCurveDisplay

ratings, titles = load_demo()
rows, user_ids = pd.factorize(ratings["userId"], sort=True)
columns, film_ids = pd.factorize(ratings["movieId"], sort=True)
shape = len(user_ids), len(film_ids)
film_titles = titles[film_ids].reset_index(drop=True)  # by column of the matrix

cells, test_cells, stars, test_stars = train_test_split(
    np.column_stack([rows, columns]), ratings["rating"].to_numpy(), test_size=0.1, random_state=0
)
feedback = tf.sparse.reorder(tf.SparseTensor(cells, stars, shape))
print(f"{shape[0]} users x {shape[1]} films, {len(stars) / np.prod(shape):.2%} of the cells observed")

# %%
# A model predicts a rating by the inner product of the rows ``U[u]`` and ``V[i]``. These products are
# distributed around 0 and the ratings around 3.5. So the ratings are standardised first, ``z = (y - mean) /
# std``. A film with an embedding near 0 is then an average film, not the worst of all.

mean, std = stars.mean(), stars.std()
A = feedback.with_values(tf.cast((feedback.values - mean) / std, tf.float32))

# %%
# Random embeddings, masked loss, penalty
# ---------------------------------------
# The loss uses only the observed cells. It gathers the two rows of each cell and never forms the matrix
# :math:`U V^T`. The loss of a rating is half its squared error plus a penalty on its two rows t: ridge,
# :math:`\tfrac{\alpha}{2} \|t\|_2^2`, or lasso, :math:`\alpha \|t\|_1`. The start is small, so that the
# strongest directions of taste grow first, and random, since zeros would stay zeros.

EMBEDDING_DIM, ALPHA, EPOCHS, BATCH = 16, 0.05, 20, 256


def random_embeddings():
    return [tf.Variable(tf.random.stateless_normal([n, EMBEDDING_DIM], [0, n], stddev=0.01)) for n in shape]


def ridge(table):
    return tf.reduce_sum(table**2) / 2


def lasso(table):
    return tf.reduce_sum(tf.abs(table))


def objective(U, V, cells, z, penalty, alpha):
    u, v = tf.gather(U, cells[:, 0]), tf.gather(V, cells[:, 1])
    errors = z - tf.reduce_sum(u * v, axis=1)
    return tf.reduce_sum(errors**2) / 2 + alpha * (penalty(u) + penalty(v))


# %%
# Stochastic gradient descent
# ---------------------------
# Each step uses a few cells in random order and moves both tables along the negative gradient. The steps
# become shorter from one epoch (one visit to each cell) to the next.


@tf.function
def descend(U, V, cells, z, rate, penalty, alpha):
    with tf.GradientTape() as tape:
        loss = objective(U, V, cells, z, penalty, alpha)
    for table, slope in zip((U, V), tape.gradient(loss, (U, V)), strict=True):
        table.scatter_sub(tf.IndexedSlices(rate * slope.values, slope.indices))


def factorize(U, V, penalty, alpha):
    cells, z, rng = A.indices.numpy(), A.values.numpy(), np.random.default_rng(0)
    losses = []
    for epoch in range(EPOCHS):
        rate, order = tf.constant(0.06 * 0.87**epoch), rng.permutation(len(z))
        for picked in np.split(order, range(BATCH, len(z), BATCH)):
            descend(U, V, cells[picked], z[picked], rate, penalty, alpha)
        losses.append(objective(U, V, cells, z, penalty, alpha) / len(z))
    return losses


U, V = random_embeddings()
losses = factorize(U, V, ridge, ALPHA)
by_hand = mean + std * np.einsum("nk,nk->n", U.numpy()[test_cells[:, 0]], V.numpy()[test_cells[:, 1]])

# %%
# The same with MFRecommender
# ---------------------------
# ``fit`` accepts the sparse tensor; row and column numbers are the ids. With ``fit_bias=False`` and
# standardised ratings the estimator minimises the objective above with similar steps. By default it
# standardises the ratings itself and adds a bias, one number for each user and film. The embeddings then
# only have to represent taste, and the predictions are better.
# :class:`~sklearn_mf.inspection.TrainingCurveDisplay` draws the objective after each epoch.

plain = MFRecommender(EMBEDDING_DIM, alpha=ALPHA, fit_bias=False, random_state=0).fit(A)
model = MFRecommender(EMBEDDING_DIM, alpha=ALPHA, random_state=0).fit(feedback)

display = TrainingCurveDisplay.from_estimator(
    {"MFRecommender(fit_bias=False)": plain, "MFRecommender(), with biases": model}
)
display.ax_.plot(range(1, EPOCHS + 1), losses, lw=5, color="silver", zorder=0, label="by hand")
display.ax_.set_title("One descent, by hand and by the estimator")
display.ax_.legend()


def rmse(predicted):
    return root_mean_squared_error(test_stars, predicted)


errors = {
    "predict the mean": rmse(np.full(len(test_stars), mean)),
    "by hand": rmse(by_hand),
    "MFRecommender(fit_bias=False)": rmse(mean + std * plain.predict(test_cells)),
    "MFRecommender(), with biases": rmse(model.predict(test_cells)),
}
print(pd.Series(errors, name="RMSE").round(4))

# %%
# The embeddings
# --------------
# Each film is now a point in 16 dimensions. These are the first coordinates of the films with most ratings:

most_rated = pd.Series(columns).value_counts().index[:5]
print(pd.DataFrame(model.item_embeddings_[most_rated, :6], index=film_titles[most_rated]).round(2))

# %%
# Films whose points lie in the same direction are liked by the same people. The inner product also prefers
# long embeddings, which films with many ratings have.

alike = model.similar_items(most_rated[0], n=5, metric="dot").join(film_titles, on="neighbor")
print(f"Nearest to {film_titles[most_rated[0]]}:\n{alike.to_string(index=False)}")

# %%
# These are the five films that user 500 would most like to be shown, among films not rated yet. They are
# ranked by a second set of embeddings, which is learnt from the cells without a rating too. The row and
# column numbers are replaced by ids:

top = model.recommend(user_ids.searchsorted(500), n=5).join(film_titles, on="item")
top = top.assign(user=user_ids[top["user"]], item=film_ids[top["item"]])
print(top.to_string(index=False))

# %%
# Ridge and lasso
# ---------------
# The derivative of the lasso penalty is as large near 0 as far from it, so lasso drives coordinates to
# exactly 0. Plain gradient steps only oscillate around 0. MFRecommender uses proximal steps, which stop at 0.

lasso_tables = [tf.Variable(table) for table in (U, V)]  # starts from ridge: a start near 0 would shrink to 0
factorize(*lasso_tables, lasso, ALPHA)
proximal = MFRecommender(EMBEDDING_DIM, penalty="l1", alpha=ALPHA, fit_bias=False, random_state=0).fit(A)


def zeros(embeddings):
    return np.mean(np.concatenate(embeddings) == 0)


shares = zeros(lasso_tables), zeros(proximal.embeddings_)
print("Coordinates that are exactly 0: by hand {:.0%}, by MFRecommender {:.0%}".format(*shares))

# %%
# With growing alpha, ridge makes all coordinates smaller and none 0. Lasso makes more and more of
# them 0, until whole embeddings vanish and only the biases are left. On these ratings ridge predicts
# better; the best lasso is about as good as the biases.

alphas = [0.003, 0.01, 0.02, 0.03, 0.05, 0.1]
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")

for penalty, label, color in [("l2", "ridge", "tab:blue"), ("l1", "lasso", "tab:orange")]:
    grid = [MFRecommender(EMBEDDING_DIM, penalty=penalty, alpha=alpha, random_state=0) for alpha in alphas]
    models = [model.fit(feedback) for model in grid]
    coordinates = models[2].item_embeddings_.ravel()
    left.hist(coordinates, np.linspace(-1, 1, 61), histtype="step", lw=1.5, color=color, label=label)
    middle.plot(alphas, [100 * zeros(model.embeddings_) for model in models], "o-", color=color, label=label)
    right.plot(alphas, [rmse(model.predict(test_cells)) for model in models], "o-", color=color, label=label)
biases_only = MFRecommender(0, random_state=0).fit(feedback)
right.axhline(rmse(biases_only.predict(test_cells)), color="grey", ls=":", label="biases only")

left.set(title=f"Coordinates of films, alpha {alphas[2]}", xlabel="coordinate", ylabel="count", yscale="log")
middle.set(title="Coordinates that are exactly 0", xlabel="alpha", ylabel="%", xscale="log")
right.set(title="Error on held-out ratings", xlabel="alpha", ylabel="RMSE (stars)", xscale="log")
for ax in (left, middle, right):
    ax.legend()
plt.show()
