"""Several chains: the same bits in any number of threads, kept draws, warm starts."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._training import GibbsOptions, train
from sklearn_mf.solvers.gibbs._chains import GibbsChains
from tests.conftest import low_rank_ratings
from tests.solvers.problems import Silent

pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")


def fit(X, y, **parameters):
    choice = {"embedding_dim": 2, "max_iter": 6, "burn_in": 2, "n_chains": 3, "random_state": 0, **parameters}
    return BayesianMFRecommender(**choice).fit(X, y)


@pytest.fixture(scope="module")
def rows():
    return low_rank_ratings(n_ratings=200)


def chains_of(rows, kept_after, n_chains=2):
    X, y = rows
    codes = [np.unique(column, return_inverse=True)[1].astype(np.int32) for column in X.T]
    ratings = Ratings.merge(codes, y, np.ones(len(y)), tuple(int(column.max()) + 1 for column in codes))
    start = fresh_start(ratings, float(y.mean()), float(y.std()), 2, 0, 0.1)
    return GibbsChains(ratings, None, start, GibbsOptions(0, True, kept_after, n_chains=n_chains))


def test_draws_are_kept_chain_after_chain(rows):
    with chains_of(rows, (0, 2)) as chains:
        precisions = []
        for number in range(4):
            chains.run_epoch(number)
            precisions.append([chain.noise.precision for chain in chains.chains])
    kept = np.array(precisions)[[0, 2]].T.ravel()
    np.testing.assert_array_equal(chains.posterior().noise_precisions, kept)


def test_the_measure_is_the_mean_log_likelihood_of_the_chains(rows):
    with chains_of(rows, ()) as chains, chains_of(rows, ()) as others:
        value, _ = chains.run_epoch(0)
        assert value == np.mean([chain.sweep() for chain in others.chains])


def test_chains_stopped_before_a_draw_is_kept_have_their_present_draws(rows):
    class Stop(Silent):
        def end(self, number, value, rmse, snapshot):
            return True

    with chains_of(rows, (3,)) as chains:
        draws, history = train(chains, 9, Stop())
    assert history.n_iter == 1
    np.testing.assert_array_equal(chains.posterior().noise_precisions, [d.noise.precision for d in draws])


def test_chains_stopped_early_have_the_draws_kept_so_far(rows):
    with chains_of(rows, (0, 2, 3)) as chains:
        precisions = []
        for number in range(3):
            chains.run_epoch(number)
            precisions.append([chain.noise.precision for chain in chains.chains])
    posterior = chains.posterior()
    np.testing.assert_array_equal(posterior.noise_precisions, np.array(precisions)[[0, 2]].T.ravel())
    assert [part.shape[1] for part in posterior.embeddings] == [4, 4]


def test_threads_change_no_bit(rows):
    with threadpool_limits(1):
        alone = fit(*rows)
    for _ in range(2):
        with threadpool_limits(2):
            together = fit(*rows)
        np.testing.assert_equal(together.embedding_samples_, alone.embedding_samples_)
        np.testing.assert_equal(together.noise_std_samples_, alone.noise_std_samples_)


def test_the_first_chains_do_not_depend_on_how_many_follow(rows):
    one, three = fit(*rows, n_chains=1, n_samples=4), fit(*rows, n_samples=12)
    np.testing.assert_equal(three.noise_std_samples_[:4], one.noise_std_samples_)
    assert len(np.unique(three.noise_std_samples_)) == 12


@pytest.mark.parametrize(("n_samples", "n_kept"), [(100, 12), (7, 6), (2, 3)])
def test_draws_are_counted_over_all_chains(rows, n_samples, n_kept):
    assert len(fit(*rows, n_samples=n_samples).noise_std_samples_) == n_kept


def test_a_warm_start_continues_every_chain(rows):
    whole = fit(*rows, max_iter=8, burn_in=0)
    parts = fit(*rows, max_iter=4, burn_in=0, warm_start=True)
    first = parts.noise_std_samples_.reshape(3, 4)
    parts.fit(*rows)
    together = np.hstack([first, parts.noise_std_samples_.reshape(3, 4)])
    np.testing.assert_equal(together, whole.noise_std_samples_.reshape(3, 8))
    np.testing.assert_equal(parts._end_embeddings, whole._end_embeddings)


def test_a_warm_start_cannot_change_the_number_of_chains(rows):
    model = fit(*rows, warm_start=True)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="cannot change n_chains from 3 to 2: set warm_start=False"):
        model.set_params(n_chains=2).fit(*rows)
    assert all(vars(model)[name] is value for name, value in before.items() if name != "n_chains")


def test_one_chain_of_several_that_diverges_ends_the_fit(rows):
    with chains_of(rows, ()) as chains:
        chains.chains[1].noise = chains.chains[1].noise._replace(precision=np.nan)
        with pytest.raises(ValueError, match="A chain diverged in sweep 1"):
            train(chains, 2, Silent())
