"""partial_fit: rows follow further ratings; all or nothing, the same whatever the order of the rows."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn.base import clone

from sklearn_mf import (
    BayesianMFRecommender,
    ImplicitMFRecommender,
    MFEmbedding,
    MFRecommender,
    prepare_ratings,
)
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

COLUMNS = ["user", "item"]
MODELS = {
    "two phases": MFRecommender(3, max_iter=4, implicit_features=5, random_state=0),
    "relevance and sgd": MFRecommender(3, max_iter=4, alpha=0.05, random_state=0),
    "als": MFRecommender(3, solver="als", max_iter=3, **OBSERVED_ALONE, random_state=0),
    "lasso": MFRecommender(3, penalty="l1", max_iter=3, **OBSERVED_ALONE, random_state=0),
    "positive": MFRecommender(3, positive=True, max_iter=3, random_state=0),
    "no bias": MFRecommender(3, fit_bias=False, max_iter=8, unobserved_weight=0, random_state=0),
    "no embeddings": MFRecommender(0, max_iter=3, random_state=0),
    "no penalty": MFRecommender(3, penalty=None, solver="als", max_iter=2, **OBSERVED_ALONE, random_state=0),
    "implicit": ImplicitMFRecommender(3, max_iter=3, random_state=0),
}


def split(ratings):
    """Ratings of the first fit, and a chunk that has new users and new items."""
    is_late = ratings["user"].isin(["u00", "u17"]) | ratings["item"].isin([101, 115])
    is_late |= np.arange(len(ratings)) % 5 == 0
    return ratings[~is_late], ratings[is_late]


@pytest.fixture(scope="module")
def ratings(frame):
    """Positive ratings: they are strengths of interactions too."""
    return frame.rename(columns={"film": "item"}).assign(stars=frame["stars"].clip(lower=0.5))


@pytest.fixture(scope="module")
def parts(ratings):
    return split(ratings)


@pytest.fixture(scope="module")
def fitted(parts):
    """Models on the first part, each fitted once."""
    cache = {}

    def of(kind):
        if kind not in cache:
            cache[kind] = copy.deepcopy(MODELS[kind]).fit(parts[0])
        return copy.deepcopy(cache[kind])

    return of


@pytest.fixture(params=MODELS)
def model(request, fitted):
    return fitted(request.param)


@pytest.fixture(params=["two phases", "als", "no bias", "implicit"])
def some_model(request, fitted):
    return fitted(request.param)


def assert_equal(left, right, name=""):
    """Equal attributes, arrays to the bit."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), name
        for key in left:
            assert_equal(left[key], right[key], f"{name}.{key}")
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right), name
        for one, other in zip(left, right, strict=True):
            assert_equal(one, other, name)
    else:
        np.testing.assert_array_equal(left, right, err_msg=name)


def rmse(model, ratings):
    return float(np.sqrt(np.mean((model.predict(ratings[COLUMNS]) - ratings.iloc[:, 2]) ** 2)))


def test_new_ids_take_their_sorted_places(some_model, parts, ratings):
    old = some_model.categories_
    assert not {"u00", "u17"} & set(old[0])
    assert some_model.partial_fit(parts[1]) is some_model
    for field, column in enumerate(COLUMNS):
        np.testing.assert_array_equal(some_model.categories_[field], np.unique(ratings[column]))
    sizes = {len(ids) for ids in old} - {len(ids) for ids in some_model.categories_}
    assert not any(
        len(array) in sizes for value in vars(some_model).values() if isinstance(value, list)
        for array in value if isinstance(array, np.ndarray) and array.ndim
    )  # fmt: skip


def test_it_learns_the_chunk_and_keeps_the_rest(model, parts):
    if isinstance(model, ImplicitMFRecommender):
        before = model.predict(parts[1][COLUMNS]).mean()
        assert model.partial_fit(parts[1]).predict(parts[1][COLUMNS]).mean() > before + 0.05
        return
    first, second = rmse(model, parts[0]), rmse(model, parts[1])
    model.partial_fit(parts[1])
    assert rmse(model, parts[1]) < 0.95 * second
    assert rmse(model, parts[0]) < (1.1 if model.penalty else 1.8) * first


def test_rows_of_other_ids_predict_as_before(fitted, parts):
    """The mean and the scale of all ratings change; the predictions of rows without new ratings do not."""
    model = fitted("als")
    rows = parts[0][(parts[0]["user"] != "u03") & (parts[0]["item"] != 104)]
    before, scale = model.predict(rows[COLUMNS]), model.scale_
    model.partial_fit(pd.DataFrame([["u03", 104]], columns=COLUMNS), [9.0])
    assert model.scale_ > scale
    np.testing.assert_allclose(model.predict(rows[COLUMNS]), before, rtol=1e-5)


def test_mean_scale_and_weights_are_those_of_all_ratings(fitted, parts, ratings):
    model, whole = fitted("als").partial_fit(parts[1]), copy.deepcopy(MODELS["als"]).fit(ratings)
    assert model.intercept_ == pytest.approx(whole.intercept_)
    assert model.scale_ == pytest.approx(whole.scale_)
    np.testing.assert_allclose(model.target_range_, whole.target_range_)
    for one, other in zip(model._id_weights, whole._id_weights, strict=True):
        np.testing.assert_allclose(one, other)


def test_the_order_of_the_rows_and_rows_of_weight_0_do_not_matter(some_model, parts):
    chunk = parts[1]
    other = copy.deepcopy(some_model).partial_fit(chunk)
    extra = pd.concat([chunk.sample(frac=1, random_state=0), chunk.iloc[:3].assign(stars=4.0)])
    weights = np.append(np.ones(len(chunk)), np.zeros(3))
    some_model.partial_fit(extra[COLUMNS], extra.iloc[:, 2], weights)
    assert_equal(vars(some_model), vars(other))


def test_a_row_of_weight_2_is_the_row_twice(some_model, parts):
    chunk = parts[1]
    other = copy.deepcopy(some_model).partial_fit(pd.concat([chunk, chunk.iloc[:7]]))
    some_model.partial_fit(chunk[COLUMNS], chunk.iloc[:, 2], 1.0 + (np.arange(len(chunk)) < 7))
    assert_equal(vars(some_model), vars(other))


@pytest.mark.parametrize("kind", ["two phases", "implicit"])
def test_the_first_call_is_a_fit(kind, parts):
    fresh = copy.deepcopy(MODELS[kind]).partial_fit(parts[0])
    assert_equal(vars(fresh), vars(copy.deepcopy(MODELS[kind]).fit(parts[0])))


@pytest.mark.parametrize("kind", ["two phases", "als", "no bias", "implicit"])
def test_one_rating_at_first_is_enough(kind, ratings):
    model = copy.deepcopy(MODELS[kind]).partial_fit(ratings.iloc[:1])
    for first in (1, 2, 40):
        model.partial_fit(ratings.iloc[first : first + 40])
    if kind != "implicit":
        spread = ratings.iloc[:, 2].std()
        assert rmse(model, ratings.iloc[:80]) < 1.3 * spread
    assert np.isfinite(model.predict(ratings[COLUMNS])).all()


@pytest.mark.parametrize("change", [
    lambda y: np.full_like(y, 4.0), lambda y: y * 1e7, lambda y: y * 1e-9, lambda y: np.where(y > 3, 1e5, y),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["two phases", "als", "no penalty", "no bias"])
def test_odd_chunks_do_not_make_it_diverge(kind, change, fitted, parts):
    model, chunk = fitted(kind), parts[1]
    y = change(chunk.iloc[:, 2].to_numpy())
    for _ in range(8):
        model.partial_fit(chunk[COLUMNS], y)
    low, high = model.target_range_
    model.clip = False
    predicted = model.predict(chunk[COLUMNS])
    assert (np.abs(predicted) < 3 * max(abs(low), abs(high))).all()
    assert np.sqrt(np.mean((predicted - y) ** 2)) < 1.1 * (y.std() + 0.3 * abs(high))


def test_an_update_that_overflows_is_refused_and_keeps_the_state(fitted, parts, monkeypatch):
    model = fitted("als")
    before = copy.deepcopy(vars(model))
    monkeypatch.setattr("sklearn_mf.model._chunk.FieldProblems.solutions", lambda *_: np.inf)
    with pytest.raises(ValueError, match="partial_fit is not finite"):
        model.partial_fit(parts[1])
    assert_equal(vars(model), before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_call_leaves_the_estimator_as_it_was(some_model, parts, monkeypatch, error):
    before = copy.deepcopy(vars(some_model))

    def stop(*_, **__):
        raise error

    monkeypatch.setattr("sklearn_mf.recommenders._partial_fit.replace_attributes", stop)
    with pytest.raises(error):
        some_model.partial_fit(parts[1])
    assert_equal(vars(some_model), before)


@pytest.mark.parametrize(("X", "y", "match"), [
    ([["u01", 104, 3]], [1.0], "feature names should match"),
    ([["u01", 104]], [np.nan], "Ratings must be finite"),
    ([["u01", "104"]], [3.0], "partial_fit cannot change the type of the ids in column 'item'"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(fitted, X, y, match):
    model = fitted("als")
    columns = COLUMNS if len(X[0]) == 2 else [*COLUMNS, "more"]
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match=match):
        model.partial_fit(pd.DataFrame(X, columns=columns), y)
    assert_equal(vars(model), before)


def test_changed_parameters_are_refused(fitted, parts):
    with pytest.raises(ValueError, match="partial_fit cannot change embedding_dim from 3 to 4: call fit"):
        fitted("als").set_params(embedding_dim=4).partial_fit(parts[1])
    with pytest.raises(ValueError, match="partial_fit cannot leave out the biases"):
        fitted("als").set_params(fit_bias=False).partial_fit(parts[1])


@pytest.mark.parametrize("kind", ["two phases", "implicit"])
def test_new_ratings_are_seen_items(kind, fitted, parts):
    model = fitted(kind).partial_fit(parts[1])
    rated = pd.concat(parts).query("user == 'u17'")["item"]
    shown = model.recommend("u17", 100)["item"]
    assert set(shown) == set(model.item_ids_) - set(rated)


@pytest.mark.parametrize("kind", ["two phases", "als", "implicit"])
def test_other_methods_work_afterwards(kind, fitted, parts, ratings):
    model = fitted(kind).partial_fit(parts[1])
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(ratings[COLUMNS]), model.predict(ratings[COLUMNS]))
    folded = model.fold_in(ratings[ratings["user"] == "u17"])
    assert np.isfinite(folded.embeddings).all()
    assert np.isfinite(model.similar_items(101)["score"]).all()
    loaded.forget("u17", [101]).partial_fit(parts[1])
    np.testing.assert_array_equal(loaded.user_ids_, model.user_ids_)
    assert np.isfinite(loaded.predict(ratings[COLUMNS])).all()


@pytest.mark.parametrize("kind", ["two phases", "als"])
def test_a_fit_starts_anew_and_a_warm_start_continues(kind, fitted, parts, ratings):
    model = fitted(kind).partial_fit(parts[1])
    warm = copy.deepcopy(model).set_params(warm_start=True).fit(ratings)
    model.fit(parts[0])
    assert_equal(vars(model), vars(fitted(kind)))
    assert rmse(warm, ratings) < 1.1 * rmse(copy.deepcopy(MODELS[kind]).fit(ratings), ratings)


def test_standard_deviations_fall_with_more_ratings(fitted, parts):
    model = fitted("two phases")
    rows = parts[1][parts[1]["user"].isin(["u17", "u03"])][COLUMNS]
    is_new = rows["user"] == "u17"
    unknown = model.predict(rows, return_std=True)[1]
    model.partial_fit(parts[1])
    first = model.predict(rows, return_std=True)[1]
    for _ in range(10):
        model.partial_fit(parts[1])
    assert (first < unknown)[is_new].all()
    assert (model.embedding_variances_[0][model.user_ids_ == "u17"] > 0).all()
    assert model.predict(rows, return_std=True)[1].mean() < first.mean()


def test_it_needs_no_tensorflow(some_model, parts, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    assert "u17" in some_model.partial_fit(parts[1]).user_ids_


@pytest.mark.parametrize("n_fields", [1, 3])
def test_any_number_of_fields(n_fields):
    X, y = low_rank_ratings(n_fields=n_fields)
    early = np.arange(len(X)) % 3 > 0
    model = MFRecommender(2, max_iter=3, random_state=0).fit(X[early], y[early])
    before = np.mean((model.predict(X[~early]) - y[~early]) ** 2)
    model.partial_fit(X[~early], y[~early])
    assert np.mean((model.predict(X[~early]) - y[~early]) ** 2) < before


@pytest.mark.parametrize("kind", ["two phases", "implicit"])
def test_a_dataset_on_disk_gives_the_bits_of_memory(kind, fitted, parts):
    model, chunk = fitted(kind), parts[1]
    in_memory = copy.deepcopy(model).partial_fit(chunk)
    model.partial_fit(ds.dataset(pa.Table.from_pandas(chunk, preserve_index=False)))
    assert_equal(vars(model), vars(in_memory))


def test_a_matrix_may_have_more_rows_and_columns(parts):
    from scipy.sparse import coo_array

    model = MFRecommender(2, max_iter=2, random_state=0)
    model.fit(coo_array(([5.0, 1.0, 3.0], ([0, 1, 1], [0, 0, 1])))).partial_fit(
        coo_array(([4.0], ([3], [2])))
    )
    assert [len(ids) for ids in model.categories_] == [4, 3]
    assert np.isfinite(model.embeddings_[0]).all()


TABLE = pd.DataFrame({"genre": ["a", "b"] * 15}, index=pd.Index(range(100, 130), name="item"))


@pytest.mark.parametrize("kind", ["two phases", "als", "implicit"])
def test_new_items_start_from_their_features(kind, parts, recwarn):
    """Genre a is rated high and b low, or rarely; one of the three items that come has no rating yet."""
    ratings = parts[0].assign(stars=lambda each: np.where(each["item"] % 2 == 0, 5.0, 1.0))
    if kind == "implicit":
        ratings = ratings[(ratings["stars"] > 1) | (np.arange(len(ratings)) % 5 == 0)]
    table = TABLE[TABLE.index.isin(ratings["item"].unique())]
    model = copy.deepcopy(MODELS[kind]).set_params(features={"item": table}).fit(ratings)
    new = pd.DataFrame({"genre": ["a", "b", "b"]}, index=[200, 201, 202])
    model.set_params(features={"item": new})
    middle = 1.0 if kind == "implicit" else 3.0
    pairs = pd.DataFrame([["u05", 200], ["u06", 201]], columns=COLUMNS)
    model.partial_fit(pairs, [middle, middle])
    means = model._coefficients[1]
    unrated = np.append(model.item_embeddings_[-1], model.item_biases_[-1])
    np.testing.assert_allclose(unrated, means[0] + means[-1], atol=1e-6)  # the constant, and genre b
    if kind != "implicit":
        high, low = model.predict(pd.DataFrame({"user": "u07", "item": [200, 201]}))
        assert high > low + 0.4 * model.scale_
    assert not [each for each in recwarn if "has no row" in str(each.message)]
    with pytest.warns(UserWarning, match="no row for 1 of the 2 ids"):
        model.partial_fit(pairs.assign(item=[200, 300]), [middle, middle])
    with pytest.raises(ValueError, match="partial_fit cannot leave out features"):
        model.set_params(features=None).partial_fit(pairs, [middle, middle])


@pytest.mark.parametrize(("confidence", "added"), [(None, 3.0), ("linear", 1.5)])
def test_strengths_of_a_cell_add_up(confidence, added):
    """The weight of a cell is 1 + r, or its number of rows; further strength adds r alone."""
    plays = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "plays": [1.0, 2.0, 3.0]})
    if confidence is None:
        plays = plays[COLUMNS]
    model = ImplicitMFRecommender(1, confidence=confidence, random_state=0).fit(plays)
    weights = model._id_weights[0].copy()
    more = pd.DataFrame({"user": [2] * 3, "item": [1] * 3, "plays": [1.0, 1.0, 1.0]})
    model.partial_fit(more if confidence else more[COLUMNS])
    mean_strength = (6 + 3) / 3 if confidence else 1
    expected = 3 / mean_strength if confidence else added
    np.testing.assert_allclose(model._id_weights[0] - weights, [0, expected])


def test_strengths_grow_the_more_slowly_with_log_the_more_there_are():
    plays = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "plays": [1.0, 2.0, 3.0]})
    model = ImplicitMFRecommender(1, random_state=0).fit(plays)
    weights = model._id_weights[0].copy()
    model.partial_fit(pd.DataFrame([[2, 1], [2, 2]], columns=COLUMNS), [3.0, 3.0])
    seen, new = np.log1p(1.0 + 3 / 3) - np.log1p(1.0), 1 + np.log1p(3 / 3)
    np.testing.assert_allclose(model._id_weights[0] - weights, [0, seen + new])


@pytest.mark.parametrize("estimator", [BayesianMFRecommender(), MFEmbedding()])
def test_others_have_none(estimator):
    assert not hasattr(estimator, "partial_fit")


def test_a_frame_with_a_column_twice_is_refused_in_one_sentence(fitted, parts):
    X, y = parts[1][COLUMNS], parts[1]["stars"]
    with pytest.raises(ValueError, match=r"^Column 'user' stands in X more than once: rename it\.$"):
        fitted("als").partial_fit(X[["user", "item", "user"]], y)


@pytest.mark.parametrize(("names", "message"), [
    ([0, 1], "X does not have valid feature names"),
    (None, "X has feature names, but"),
])  # fmt: skip
def test_names_that_only_one_fit_has_are_warned_of_once(fitted, parts, names, message):
    """They were checked before the ids and again after them, with the same warning."""
    model, X = fitted("als"), parts[1][COLUMNS]
    if names is None:
        model = clone(model).fit(parts[0][COLUMNS].to_numpy(), parts[0]["stars"])
    with pytest.warns(UserWarning, match=message) as caught:
        model.partial_fit(X if names is None else X.set_axis(names, axis=1), parts[1]["stars"])
    assert len(caught) == 1


@pytest.mark.parametrize("kind", ["als", "implicit"])
def test_a_store_without_ratings_gives_the_warning_of_fit(kind, fitted, parts, tmp_path):
    store = prepare_ratings(pa.Table.from_pandas(parts[1][COLUMNS], preserve_index=False), tmp_path / "store")
    caught = []
    for method in ("fit", "partial_fit"):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            getattr(fitted(kind), method)(store)
        caught.append([str(each.message) for each in record])
    assert caught[0] == caught[1]
    assert ["ratings are 1: MFRecommender learns" in each for each in caught[1]] == [True] * (kind == "als")


def test_few_equal_ratings_on_disk_are_a_chunk_like_others(fitted, parts, tmp_path):
    chunk = pa.Table.from_pandas(parts[1].head(3).assign(stars=5.0), preserve_index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("als").partial_fit(prepare_ratings(chunk, tmp_path / "store"))


def test_an_infinite_penalty_is_refused_without_warnings_of_numpy(fitted, parts):
    model = fitted("als").set_params(alpha=np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ValueError, match="result of partial_fit is not finite: the ratings, the sample w"
        ):
            model.partial_fit(parts[1])
