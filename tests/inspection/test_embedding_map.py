"""The map shows the embeddings of the ids that were asked for."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import EmbeddingDisplay
from sklearn_mf.inspection._plotting import GREY


def test_principal_components_of_the_most_rated(train, model):
    display = EmbeddingDisplay.from_estimator(model, n_ids=20)
    counts = train["item"].value_counts()
    assert len(display.points) == 20
    assert counts[display.points.index].is_monotonic_decreasing
    assert counts[display.points.index].min() >= counts.drop(display.points.index).max()
    rows = model.item_embeddings_[np.searchsorted(model.item_ids_, display.points.index)]
    np.testing.assert_allclose(display.points, PCA(2).fit_transform(rows.astype(float)), rtol=1e-6)
    shares = PCA(2).fit(rows.astype(float)).explained_variance_ratio_
    assert display.ax_.get_xlabel() == f"principal component 1 ({shares[0]:.0%} of the variance)"
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), display.points)


def test_chosen_ids_of_users_and_of_a_pipeline(model, train):
    display = EmbeddingDisplay.from_estimator(model, field="user", ids=[60, 50, 40, 60])
    assert display.points.index.tolist() == [60, 50, 40]
    pipeline = make_pipeline(MFRecommender(4, early_stopping=True, random_state=0))
    pipeline.fit(train[["user", "item"]], train["rating"])
    same = EmbeddingDisplay.from_estimator(pipeline, field="user", ids=pd.Index([60, 50, 40]))
    pd.testing.assert_frame_equal(same.points, display.points)


def test_the_draws_of_a_bayesian_model_are_one_embedding(models):
    display = EmbeddingDisplay.from_estimator(models["Bayesian"], random_state=0)
    rows = models["Bayesian"].item_embeddings_[np.searchsorted(range(60), display.points.index)]
    far = np.linalg.norm(rows[0] - rows, axis=1)
    assert (np.linalg.norm(display.points.to_numpy()[0] - display.points, axis=1) < far + 1e-6).all()


def test_tsne_keeps_neighbours_and_is_reproducible(model):
    display = EmbeddingDisplay.from_estimator(model, method="tsne", random_state=0)
    again = EmbeddingDisplay.from_estimator(model, method="tsne", random_state=0)
    assert display.points.columns.tolist() == ["t-SNE 1", "t-SNE 2"]
    pd.testing.assert_frame_equal(display.points, again.points)
    near = model.similar_items(display.points.index.tolist(), n=3)
    points = display.points.to_numpy()
    places = pd.Series(range(len(points)), index=display.points.index)
    far = np.linalg.norm(points[:, None] - points, axis=2)
    between = far[places[near["item"]], places[near["neighbor"]]]
    assert np.median(between) < 0.5 * np.median(far)


def test_labels_do_not_overlap_and_keep_inside(model):
    labels = {item: f"item number {item} of a long title" for item in model.item_ids_ if item != 3}
    display = EmbeddingDisplay.from_estimator(model, labels=labels, n_labels=60)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.texts_]
    assert 5 < len(boxes) < len(model.item_ids_)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    frame = display.ax_.get_window_extent().padded(0.5)
    assert all(frame.contains(*corner) for box in boxes for corner in box.get_points())
    assert display.labels[3] == "3"
    assert display.labels[4] == labels[4]
    assert max(len(text.get_text()) for text in display.texts_) <= 26
    assert len(display.plot(n_labels=4).texts_) == 4
    assert display.plot(n_labels=0).texts_ == []


def test_categories_have_a_legend_and_the_rest_is_other(model):
    groups = {item: f"group {min(item // 5, 9)}" for item in model.item_ids_ if item > 1}
    display = EmbeddingDisplay.from_estimator(model, color=pd.Series(groups, name="kind"))
    legend = display.ax_.get_legend()
    assert legend.get_title().get_text() == "kind"
    texts = [text.get_text() for text in legend.get_texts()]
    assert len(texts) == 8
    assert texts[0] == "other"
    assert len({tuple(scatter.get_facecolor()[0]) for scatter in display.scatters_}) == 8
    assert sum(len(scatter.get_offsets()) for scatter in display.scatters_) == len(display.points)
    assert display.colorbar_ is None
    few = EmbeddingDisplay.from_estimator(model, color={item: item % 3 == 0 for item in model.item_ids_})
    assert [text.get_text() for text in few.ax_.get_legend().get_texts()] == ["False", "True"]


def test_numbers_have_a_bar_and_missing_ones_are_grey(model):
    numbers = pd.Series(model.item_ids_ / 2, index=model.item_ids_, name="year").drop([3, 4])
    display = EmbeddingDisplay.from_estimator(model, color=numbers)
    missing, shown = display.scatters_
    assert len(missing.get_offsets()) == 2
    assert tuple(missing.get_facecolor()[0][:3]) == plt.matplotlib.colors.to_rgb(GREY)
    np.testing.assert_array_equal(shown.get_array(), display.color.dropna())
    assert display.colorbar_.ax.get_ylabel() == "year"


def test_given_axes_and_keywords(model):
    _, ax = plt.subplots()
    display = EmbeddingDisplay.from_estimator(
        model, ax=ax, scatter_kwargs={"s": 50, "c": "red"}, text_kwargs={"fontsize": 5}
    )
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.scatters_[0].get_sizes().tolist() == [50]
    assert {text.get_fontsize() for text in display.texts_} == {5}


def test_bad_input_says_so(train, model):
    draw = EmbeddingDisplay.from_estimator
    with pytest.raises(ValueError, match="field must be 'user' or 'item', got 'film'"):
        draw(model, field="film")
    with pytest.raises(ValueError, match="method must be 'pca' or 'tsne', got 'umap'"):
        draw(model, method="umap")
    with pytest.raises(ValueError, match="items not known from fit: -5"):
        draw(model, ids=[1, 2, -5])
    with pytest.raises(ValueError, match="at least three ids, got 2"):
        draw(model, n_ids=2)
    with pytest.raises(ValueError, match="color has id 7 more than once"):
        draw(model, color=pd.Series([1, 2], index=[7, 7]))
    with pytest.raises(ValueError, match="two dimensions or more, these have 0"):
        draw(MFRecommender(0, max_iter=1, random_state=0).fit(train))
    with pytest.raises(TypeError, match="needs a recommender, got DummyRegressor"):
        draw(DummyRegressor().fit([[0]], [1]))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_embeddings_without_a_difference_have_no_map(train, method):
    zeros = MFRecommender(4, penalty="l1", alpha=5, random_state=0).fit(train)
    assert not zeros.item_embeddings_.any()
    with pytest.raises(ValueError, match="are all equal"):
        EmbeddingDisplay.from_estimator(zeros, method=method)


def test_colours_go_by_id(model):
    with pytest.raises(TypeError, match="color must be a Series or dict by id, got list"):
        EmbeddingDisplay.from_estimator(model, color=["red"] * len(model.item_ids_))
    texts = pd.Series("red", index=model.item_ids_.astype(str))
    with pytest.raises(ValueError, match="of none of the ids to show"):
        EmbeddingDisplay.from_estimator(model, color=texts)
