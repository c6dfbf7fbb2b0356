"""Agreement of the chains of BayesianMFRecommender: table, warning, and export."""

import copy
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.model._diagnostics import ess_bulk, r_hat
from sklearn_mf.recommenders._chain_diagnostics import store_diagnostics

pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")
NAMES = ["expected_rating", "noise_std", "user_std", "item_std", "interaction_std"]


def fit(ratings, **parameters):
    choice = {"embedding_dim": 3, "max_iter": 40, "n_chains": 3, "random_state": 0, **parameters}
    return BayesianMFRecommender(**choice).fit(ratings)


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(n_users=80, n_items=60, n_ratings=1500, random_state=0)


@pytest.fixture(scope="module")
def model(ratings):
    return fit(ratings, implicit_features=0)


def test_the_summary_has_a_row_for_each_identified_quantity(model):
    table = model.summarize_chains()
    assert table.index.tolist() == NAMES
    assert table.columns.tolist() == ["mean", "sd", "5%", "95%", "r_hat", "ess_bulk", "ess_tail"]
    assert (table["5%"] < table["mean"]).all() and (table["mean"] < table["95%"]).all()
    assert model.r_hat_ == table.loc["expected_rating", "r_hat"]


def test_the_row_of_the_noise_describes_its_draws(model):
    noise = model.noise_std_samples_
    row = model.summarize_chains().loc["noise_std"]
    expected = [noise.mean(), noise.std(), *np.quantile(noise, [0.05, 0.95])]
    np.testing.assert_allclose(row[:4], expected, rtol=1e-12)
    by_chain = noise.reshape(1, 3, -1)
    np.testing.assert_allclose(row[["r_hat", "ess_bulk"]], [r_hat(by_chain)[0], ess_bulk(by_chain)[0]])


def test_spreads_of_effects_and_interactions_are_those_of_simulated_ids(model):
    """Ids drawn from the priors of every draw, beside average ids of the other column."""
    rng, means = np.random.default_rng(0), model.prior_means_.swapaxes(0, 1)
    covariances = np.linalg.inv(model.prior_precisions_.swapaxes(0, 1))
    users, items = (
        np.stack([rng.multivariate_normal(*each, 20_000) for each in zip(*field, strict=True)], axis=1)
        for field in zip(means, covariances, strict=True)
    )
    user_mean, item_mean = means
    effects = {
        "user_std": (users[..., :-1] * item_mean[:, :-1]).sum(2) + users[..., -1],
        "item_std": (items[..., :-1] * user_mean[:, :-1]).sum(2) + items[..., -1],
        "interaction_std": ((users - user_mean) * (items - item_mean))[..., :-1].sum(2),
    }
    table = model.summarize_chains()
    for name, values in effects.items():
        np.testing.assert_allclose(table.loc[name, "mean"], model.scale_ * values.std(0).mean(), rtol=0.02)


def test_the_mean_rating_does_not_depend_on_the_number_of_chains_but_the_draws_do(model, ratings):
    one = fit(ratings, implicit_features=0, n_chains=1)
    pairs = ratings[["user", "item"]]
    assert np.abs(one.predict(pairs) - model.predict(pairs)).max() > 0
    assert np.corrcoef(one.predict(pairs), model.predict(pairs))[0, 1] > 0.95


def test_few_draws_give_nan_and_no_warning(ratings, recwarn):
    model = fit(ratings[:200], max_iter=3)
    assert np.isnan(model.r_hat_)
    assert not [each for each in recwarn if issubclass(each.category, ConvergenceWarning)]


def test_chains_stuck_in_different_places_warn_and_say_what_to_do(model):
    stuck = copy.deepcopy(model)
    stuck.noise_std_samples_ = np.sort(model.noise_std_samples_)  # chain after chain
    advice = r"converged, R-hat of noise_std is .* after 40 sweeps: raise max_iter=40 and burn_in=30\.$"
    with pytest.warns(ConvergenceWarning, match=advice):
        store_diagnostics(stuck, 0)
    assert stuck.diagnostics_["noise_std"]["r_hat"] > 1.5


def test_one_field_and_biases_alone_have_fewer_rows(ratings):
    biases = fit(ratings, embedding_dim=0).summarize_chains()
    assert biases.index.tolist() == NAMES[:-1]
    one = BayesianMFRecommender(2, max_iter=12, random_state=0).fit(ratings[["user"]], ratings["rating"])
    assert one.summarize_chains().index.tolist() == NAMES[:3]


def test_an_estimator_that_is_not_fitted_says_so():
    for method in ("summarize_chains", "to_arviz"):
        with pytest.raises(NotFittedError):
            getattr(BayesianMFRecommender(), method)()


def test_arviz_gets_the_draws_by_chain_and_id(model):
    arviz = pytest.importorskip("arviz")
    posterior = model.to_arviz().posterior
    assert dict(posterior["item_embedding"].sizes) == {"chain": 3, "draw": 20, "item": 60, "dimension": 3}
    ids = model.item_ids_[:5]
    picked = posterior["item_bias"].sel(chain=1, item=ids)
    np.testing.assert_array_equal(picked, model.bias_samples_[1][20:40, :5])
    noise = posterior["noise_std"]
    row = model.summarize_chains().loc["noise_std"]
    np.testing.assert_allclose(float(arviz.rhat(noise.to_dataset())["noise_std"]), row["r_hat"], rtol=1e-6)
    for kind, name in (("bulk", "ess_bulk"), ("tail", "ess_tail")):
        size = float(arviz.ess(noise.to_dataset(), method=kind)["noise_std"])
        np.testing.assert_allclose(size, row[name], rtol=1e-6)


def test_without_arviz_the_error_names_it(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_arviz needs ArviZ, .*: run `pip install arviz`\."):
        model.to_arviz()


def test_forget_keeps_the_draws_of_the_others(ratings):
    model = fit(ratings, warm_start=True)
    before = pd.Series(list(model.bias_samples_[0].T), index=model.user_ids_)
    gone = model.user_ids_[:3]
    model.forget(users=gone)
    np.testing.assert_array_equal(model.bias_samples_[0].T, np.stack(before.drop(gone).tolist()))
    assert model.fit(ratings[~ratings["user"].isin(gone)]).noise_std_ > 0
