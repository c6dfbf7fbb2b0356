"""Features, the pattern of ratings and ordered ratings in BayesianMFRecommender."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.recommenders._chain_state import posterior_of

# Short chains, and an unknown user whose predictions are those of the average user.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The chains have not converged"),
    pytest.mark.filterwarnings("ignore:Every id of 'user' is unknown"),
]

N_USERS, N_ITEMS = 40, 30
SHORT = {"max_iter": 60, "burn_in": 20, "n_chains": 1, "random_state": 0}


@pytest.fixture(scope="module")
def genres():
    """Genre of each item; the last five items have no ratings."""
    return pd.DataFrame(
        {"genre": np.array(["a", "b", "c"])[np.arange(N_ITEMS) % 3]}, index=np.arange(N_ITEMS)
    )


@pytest.fixture(scope="module")
def ratings(genres):
    """Ratings that depend on the genre: 2, 3 and 4 on average."""
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((N_USERS, N_ITEMS - 5)) < 0.4)
    means = 2.0 + cells[:, 1] % 3
    y = np.clip(np.rint(means + 0.6 * rng.normal(size=len(cells))), 1, 5)
    return pd.DataFrame({"user": cells[:, 0], "item": cells[:, 1], "rating": y})


@pytest.fixture(scope="module")
def featured(ratings, genres):
    return BayesianMFRecommender(2, features={"item": genres}, **SHORT).fit(ratings)


@pytest.fixture(scope="module")
def ordinal(ratings):
    return BayesianMFRecommender(2, likelihood="ordinal", **SHORT).fit(ratings)


def of_items(model, items):
    return model.predict(pd.DataFrame({"user": -1, "item": items}))


def test_features_predict_items_without_ratings(featured):
    unrated = np.arange(N_ITEMS - 5, N_ITEMS)
    np.testing.assert_allclose(of_items(featured, unrated), 2.0 + unrated % 3, atol=0.4)
    effects = featured.feature_effects("item").set_index("feature")["rating"]
    assert effects["genre=c"] - effects["genre=a"] == pytest.approx(2.0, abs=0.5)


def test_items_without_ratings_are_less_certain(featured):
    X = pd.DataFrame({"user": 0, "item": [N_ITEMS - 1, 2]})
    _, (unrated, rated) = featured.predict(X, return_std=True)
    assert unrated > rated


def test_unseen_items_are_ranked_by_their_features(featured):
    unseen = pd.DataFrame({"genre": ["a", "c", "b"]}, index=[101, 102, 103])
    for by in ("mean", "upper", "sample"):
        table = featured.recommend(-1, candidates=unseen, by=by, random_state=0)
        assert len(table) == 3
        if by == "mean":
            assert table["item"].tolist() == [102, 103, 101]
            np.testing.assert_allclose(table["score"], of_items(featured, [2, 1, 0]), atol=0.5)


def test_a_prior_mean_of_features_is_shared_by_fold_in(ratings):
    """Users of the second group rate higher; a new user of a group is predicted like the group."""
    groups = pd.DataFrame({"group": np.arange(N_USERS) % 2 * 10.0}, index=np.arange(N_USERS))
    y = ratings["rating"] + 2 * (ratings["user"] % 2)
    model = BayesianMFRecommender(2, features={"user": groups}, **SHORT).fit(ratings[["user", "item"]], y)
    new = pd.DataFrame({"group": [0.0, 10.0]}, index=[100, 101])
    folded = model.fold_in(None, features=new)
    assert folded.bias_samples.shape == (len(model.noise_std_samples_), 2)
    difference = model.scale_ * (folded.biases[1] - folded.biases[0])
    assert difference == pytest.approx(2.0, abs=0.6)


def test_the_pattern_helps_with_items_that_have_few_ratings():
    """Users of two groups rate items of their group; the ratings of one group are higher."""
    rng = np.random.default_rng(1)
    same = np.arange(200)[:, None] % 2 == np.arange(100) % 2
    cells = np.argwhere(rng.random((200, 100)) < np.where(same, 0.05, 0.002))
    means = np.where(np.arange(100) % 2, 4.0, 2.0)
    y = means[cells[:, 1]] + 2.0 * rng.normal(size=len(cells))
    errors = {}
    for n in (0, 4):
        model = BayesianMFRecommender(0, implicit_features=n, **SHORT).fit(cells, y)
        everyone = np.stack([np.full(len(model.item_ids_), -1), model.item_ids_], axis=1)
        errors[n] = np.abs(model.predict(everyone) - means[model.item_ids_]).mean()
    assert errors[4] < 0.93 * errors[0]


def test_features_of_the_pattern_change_predictions_and_not_those_of_one_field(ratings):
    X, y = ratings[["user", "item"]], ratings["rating"]
    model = BayesianMFRecommender(2, max_iter=6, random_state=0)
    with_pattern, without = (clone(model).set_params(implicit_features=n).fit(X, y) for n in (8, 0))
    assert not np.array_equal(with_pattern.predict(X), without.predict(X))
    one = [clone(model).set_params(implicit_features=n).fit(X[["item"]], y) for n in (8, 0)]
    np.testing.assert_array_equal(one[0].predict(X[["item"]]), one[1].predict(X[["item"]]))


def test_ids_without_ratings_have_the_spread_of_the_pattern_too(ratings):
    model = BayesianMFRecommender(2, implicit_features=8, **SHORT).fit(ratings)
    posterior = posterior_of(model)
    conditional, marginal = (
        np.linalg.inv(each) for each in (posterior.prior_precisions, posterior.unrated_precisions)
    )
    shares = np.linalg.eigvalsh(marginal - conditional)
    assert shares.min() > -1e-9
    assert shares.max() > 1e-6


def test_probabilities_of_ordered_ratings(ordinal, ratings):
    X = ratings[["user", "item"]]
    probabilities = ordinal.predict_distribution(X)
    assert probabilities.columns.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.to_numpy() >= 0).all()
    mean, std = ordinal.predict(X, return_std=True)
    np.testing.assert_allclose(mean, probabilities @ np.arange(1, 6))
    np.testing.assert_allclose(std**2, probabilities @ np.arange(1, 6) ** 2 - mean**2, rtol=1e-6)
    np.testing.assert_allclose(ordinal.predict(X), mean)
    observed = ratings["rating"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(probabilities.mean(), observed, atol=0.04)


def test_intervals_of_ordered_ratings_are_ratings_and_hold_them(ordinal, ratings):
    lower, upper = ordinal.predict_interval(ratings[["user", "item"]], coverage=0.8).T
    assert set(lower) | set(upper) <= {1, 2, 3, 4, 5}
    assert ((lower <= ratings["rating"]) & (ratings["rating"] <= upper)).mean() >= 0.8


def test_thresholds_are_sorted_and_the_outer_ones_fixed(ordinal):
    assert (np.diff(ordinal.threshold_samples_, axis=1) > 0).all()
    np.testing.assert_allclose(ordinal.threshold_samples_[:, [0, -1]], np.tile([1.5, 4.5], (40, 1)))
    assert (ordinal.threshold_samples_[:, 1].std() > 0) and ordinal.threshold_samples_[:, 2].std() > 0


def test_uneven_thresholds_are_found():
    """Ratings are intervals of a normal value; the middle one is much wider than the others."""
    rng, thresholds = np.random.default_rng(3), np.array([1.5, 1.9, 4.1, 4.5])
    cells = np.argwhere(np.ones((50, 40), dtype=bool))
    latent = 3 + rng.normal(size=50)[cells[:, 0]] + 0.5 * rng.normal(size=40)[cells[:, 1]]
    y = 1.0 + np.searchsorted(thresholds, latent + 0.7 * rng.normal(size=len(cells)))
    model = BayesianMFRecommender(0, likelihood="ordinal", implicit_features=0, **SHORT).fit(cells, y)
    np.testing.assert_allclose(model.threshold_samples_[20:].mean(axis=0), thresholds, atol=0.1)
    assert model.noise_std_ == pytest.approx(0.7, abs=0.06)


def test_only_ordered_ratings_have_a_distribution(featured):
    assert not hasattr(featured, "predict_distribution")
    with pytest.raises(AttributeError) as error:
        _ = featured.predict_distribution
    assert "set likelihood='ordinal'" in str(error.value.__cause__)


@pytest.mark.parametrize("choice", [{"likelihood": "ordinal"}, {}, {"features": True}])
def test_a_warm_start_continues_coefficients_and_thresholds(choice, ratings, genres):
    choice = {**choice, "features": {"item": genres}} if "features" in choice else choice
    model = BayesianMFRecommender(2, burn_in=0, n_chains=2, random_state=0, **choice)
    whole = clone(model).set_params(max_iter=8).fit(ratings)
    parts = clone(model).set_params(max_iter=4, warm_start=True).fit(ratings).fit(ratings)
    np.testing.assert_array_equal(parts._coefficient_draws[1][-1], whole._coefficient_draws[1][-1])
    np.testing.assert_array_equal(parts.embeddings_[0].shape, whole.embeddings_[0].shape)
    np.testing.assert_array_equal(parts.embedding_samples_[0][-1], whole.embedding_samples_[0][-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"likelihood": "ordinal"}, "cannot change likelihood from 'normal' to 'ordinal'"),
        ({"implicit_features": 0}, "cannot change implicit_features to 0"),
    ],
)
def test_a_warm_start_refuses_other_knowledge(change, message, ratings):
    model = BayesianMFRecommender(2, max_iter=2, warm_start=True, random_state=0).fit(ratings)
    before = model.predict(ratings[["user", "item"]])
    with pytest.raises(ValueError, match=message):
        model.set_params(**change).fit(ratings)
    np.testing.assert_array_equal(model.predict(ratings[["user", "item"]]), before)


def test_a_warm_start_refuses_other_levels(ratings):
    model = BayesianMFRecommender(2, max_iter=2, warm_start=True, likelihood="ordinal", random_state=0)
    model.fit(ratings)
    with pytest.raises(ValueError, match="cannot change the distinct ratings"):
        model.fit(ratings[ratings["rating"] > 1])
