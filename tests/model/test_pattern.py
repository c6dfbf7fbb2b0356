"""Features by the pattern of rated cells."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_mf.model import _rated_cells as rated
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._rated_cells import indicator, rated_cells
from sklearn_mf.ratings._ratings import Ratings
from tests.ratings.stores import write_store


def ratings_of(cells, n_ids, n_fields=2):
    """Ratings of the cells of a boolean array."""
    codes = [column.astype(np.int32) for column in np.nonzero(cells)]
    codes += [np.zeros_like(codes[0])] * (n_fields - 2)
    targets = np.random.default_rng(0).normal(size=len(codes[0]))
    return Ratings.merge(codes, targets, np.ones(len(targets)), n_ids)


def pattern_of(ratings, n_features):
    return Pattern.of(rated_cells(ratings), n_features)


@pytest.fixture
def two_groups():
    """Two groups of users rate items of their own, with exceptions; the last ids are unrated."""
    rng = np.random.default_rng(1)
    same_group = np.arange(30)[:, None] % 2 == np.arange(20) % 2
    cells = rng.random((30, 20)) < np.where(same_group, 0.7, 0.1)
    cells[-1], cells[:, -1] = False, False
    return cells


def features_of(pattern, cells, field):
    return pattern.features(field, csr_array((cells if field == 0 else cells.T).astype(float)))


@pytest.mark.parametrize("field", [0, 1])
def test_features_distinguish_the_groups_and_are_scaled(two_groups, field):
    pattern = pattern_of(ratings_of(two_groups, two_groups.shape), 3)
    features = features_of(pattern, two_groups, field)
    rated = features[:-1]
    group = np.arange(len(rated)) % 2 - 0.5
    assert max(abs(np.corrcoef(column, group)[0, 1]) for column in rated.T) > 0.9
    np.testing.assert_allclose(rated.mean(axis=0), 0, atol=1e-10)
    assert np.square(rated).mean() == pytest.approx(1)
    np.testing.assert_array_equal(features[-1], 0)


def reached_by_nine_in_ten(counts):
    return np.quantile(counts[counts > 0], 0.1, method="lower")


def test_features_are_the_scaled_left_singular_vectors(two_groups):
    pattern = pattern_of(ratings_of(two_groups, two_groups.shape), 2)
    counts = [two_groups.sum(axis=axis) for axis in (1, 0)]
    least = [reached_by_nine_in_ten(each) for each in counts]
    powers = [np.maximum(*pair) ** (1 / 3) for pair in zip(counts, least, strict=True)]
    U, s, _ = np.linalg.svd(two_groups / np.outer(*powers))
    expected, shares = (U[:, :2] * s[:2])[:-1], np.minimum(counts[0] / least[0], 1)[:-1, None]
    expected -= shares * expected.sum(axis=0) / shares.sum()
    expected /= np.sqrt(np.square(expected).mean())
    found = features_of(pattern, two_groups, 0)[:-1]
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)


def test_few_ratings_count_as_if_average_ones_followed(two_groups):
    pattern = pattern_of(ratings_of(two_groups, two_groups.shape), 2)
    full, least = two_groups[0], int(pattern.least[0])
    chosen = np.flatnonzero(full)[: least - 1]
    few = np.zeros_like(full)
    few[chosen] = True
    (features,) = features_of(pattern, few[None], 0)
    missing = pattern.centres[0] / least  # the share of one average rating
    expected = few @ pattern.loadings[1] / least ** (1 / 3) + missing - pattern.centres[0]
    np.testing.assert_allclose(features, expected)


def test_values_do_not_matter_and_further_fields_do_not_count_twice(two_groups):
    pattern = pattern_of(ratings_of(two_groups, two_groups.shape), 2)
    other = ratings_of(two_groups, (*two_groups.shape, 1), n_fields=3)
    np.testing.assert_array_equal(pattern_of(other, 2).loadings[1], pattern.loadings[1])
    repeated = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=np.int32)
    np.testing.assert_array_equal(indicator(repeated, (2, 2, 2)).toarray(), [[0, 1], [1, 0]])


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (3, 2)])
def test_ids_with_the_same_pattern_have_no_features(shape):
    cells = np.ones(shape, dtype=bool)
    pattern = pattern_of(ratings_of(cells, shape), 5)
    for field in (0, 1):
        np.testing.assert_array_equal(features_of(pattern, cells, field), 0)


def test_the_pattern_of_a_store_is_found_part_by_part_with_the_same_bits(two_groups, tmp_path, monkeypatch):
    ratings = ratings_of(two_groups, two_groups.shape)
    stored = write_store(ratings, [np.arange(n) for n in ratings.n_ids], tmp_path / "store").ratings()
    expected = pattern_of(ratings, 3)
    monkeypatch.setattr(rated, "_CHUNK", 5)
    found = pattern_of(stored, 3)
    for name in ("loadings", "centres"):
        for part, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_products_with_the_cells_are_those_of_the_matrix(two_groups, chunk, monkeypatch):
    monkeypatch.setattr(rated, "_CHUNK", chunk)
    cells = rated_cells(ratings_of(two_groups, two_groups.shape))
    rng = np.random.default_rng(0)
    scales, matrices = (
        [rng.random(n) for n in two_groups.shape],
        [rng.random((n, 3)) for n in two_groups.shape],
    )
    scaled = two_groups * np.outer(*scales)
    np.testing.assert_allclose(cells[0] @ matrices[1], two_groups @ matrices[1])
    operator = rated.scaled_operator(*cells, *scales)
    np.testing.assert_allclose(operator @ matrices[1], scaled @ matrices[1])
    np.testing.assert_allclose(operator.T @ matrices[0], scaled.T @ matrices[0])
