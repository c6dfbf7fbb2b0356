"""Features of ids: from the constructor to the solver, and an estimator that holds tables."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.inspection import explain
from sklearn_mf.recommenders._features import features_of
from tests.conftest import low_rank_ratings

RATINGS = pd.DataFrame(
    {
        "user": ["ann", "ann", "bob", "bob", "cat", "cat", "dan"],
        "film": ["up", "alien", "up", "heat", "alien", "heat", "up"],
        "stars": [5.0, 1.0, 4.0, 2.0, 3.0, 5.0, 4.0],
    }
)
X = RATINGS[["user", "film"]]
FILMS = pd.DataFrame(
    {"year": [1979, 1995, 2009, 2015], "genres": ["horror|scifi", "crime", "family", "family|scifi"]},
    index=["alien", "heat", "up", "wall-e"],
)
PEOPLE = pd.DataFrame({"user": ["ann", "bob", "cat", "dan"], "age": [20, 30, 40, 50]})


def task_of(estimator, *ratings):
    """The input of the solver, and the estimator as it is then."""
    found = {}

    class Caught(Exception):
        pass

    class Catcher(type(estimator)):
        def _make_solver(self, task):
            found.update(task=task, fitted=self)
            raise Caught

    catcher = copy.copy(estimator)
    catcher.__class__ = Catcher
    with pytest.raises(Caught):
        catcher.fit(*ratings)
    return found["task"], found["fitted"]


@pytest.mark.parametrize(
    ("features", "ratings"),
    [
        ({"film": FILMS}, (RATINGS,)),
        ({1: FILMS}, (RATINGS,)),
        ({"film": FILMS.rename_axis("film").reset_index()}, (RATINGS,)),
        ({1: FILMS.rename_axis("film").reset_index()}, (RATINGS,)),
        ({1: FILMS}, (RATINGS[["user", "film"]].to_numpy(), RATINGS["stars"])),
        ({"item": FILMS}, (RATINGS[["user", "film"]].to_numpy(), RATINGS["stars"])),
    ],
)
@pytest.mark.parametrize("estimator", [MFRecommender, ImplicitMFRecommender])
def test_features_reach_the_solver_for_all_ids(estimator, features, ratings):
    task, fitted = task_of(estimator(features=features), *ratings)
    users, films = task.features
    assert users is None
    assert fitted.item_ids_.tolist() == ["alien", "heat", "up", "wall-e"]
    year = FILMS["year"].to_numpy()
    scaled = (year - year[:3].mean()) / year[:3].std()
    half = 0.5**0.5
    expected = [[0, half, 0, half], [0.0, 0, 1, 0][::-1], [0, 0, 1, 0], [0, 0, half, half]]
    expected[0], expected[1] = [0, 0, half, half], [1, 0, 0, 0]  # crime, family, horror, scifi
    expected[2], expected[3] = [0, 1, 0, 0], [0, half, 0, half]
    np.testing.assert_allclose(films.toarray(), np.column_stack([np.ones(4), scaled, expected]))
    assert task.ratings.n_ids == (4, 4)


def test_a_sparse_matrix_takes_the_numbers_of_its_rows_and_columns():
    A = csr_array([[5, 1, 0, 0], [4, 0, 2, 0]])
    matrix = csr_array(np.diag([1.0, 2.0, 3.0]))
    features = {0: ([1, 0], np.array([[1.0], [2.0]])), 1: ([0, 2, 5], matrix)}
    with pytest.warns(UserWarning, match="no row for 1 of the 3"):
        task, fitted = task_of(MFRecommender(features=features), A)
    assert fitted.item_ids_.tolist() == [0, 1, 2, 3, 5]
    assert (np.diff(task.features[1].indptr) > 0).tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(task.features[0].toarray()[:, 0], 1)
    assert task.features[0][0, 1] == 2 * task.features[0][1, 1] > 0


def test_no_features_reach_the_solver_without_tables():
    for features in (None, {}):
        task, fitted = task_of(MFRecommender(features=features), RATINGS)
        assert task.features == ()
        assert not hasattr(fitted, "_features")


def test_ids_are_compared_as_numbers():
    ratings = RATINGS.assign(film=[1, 2, 1, 3, 2, 3, 1])
    table = pd.DataFrame({"year": [1, 2, 3]}, index=[1.0, 2.0, 3.0])
    _, fitted = task_of(MFRecommender(features={"film": table}), ratings)
    assert fitted.item_ids_.dtype == np.int64


def test_ids_without_features_are_counted():
    problem = "no row for 1 of the 3 ids of its column of X, the first is 'alien'"
    with pytest.warns(UserWarning, match=problem):
        task, _ = task_of(MFRecommender(features={"film": FILMS.tail(3)}), RATINGS)
    assert (np.diff(task.features[1].indptr) == 0).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"title": FILMS}, r"a table for 'title', but the columns of X are \['user', 'film'\]"),
        ({2: FILMS}, "a table for 2, but the columns"),
        ({"film": FILMS, 1: FILMS}, "two tables for column 1 of X"),
        ({"film": FILMS.reset_index(drop=True)}, "none of the 3 ids of its column of X, which holds 'up'"),
        ({"film": pd.concat([FILMS, FILMS])}, "more than one row of id 'alien'"),
        ({"film": FILMS.assign(year=np.inf)}, "contains inf"),
        ({"film": FILMS.assign(x=["a", ["b"], "c", "d"])}, "mixes types"),
        ([FILMS], "must be an instance of 'dict' or None"),
    ],
)
def test_bad_features_are_refused_in_fit_and_the_estimator_stays(features, problem):
    model = MFRecommender(1, max_iter=1, random_state=0).fit(RATINGS)
    before = vars(model).copy()
    model.features = features
    with pytest.raises(ValueError, match=problem):
        model.fit(RATINGS)
    after = vars(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before if name != "features")


def test_tables_are_shared_by_clones_and_shown_by_sizes():
    model = MFRecommender(features={"film": FILMS, "user": PEOPLE})
    for other in (clone(model), clone(clone(model)), clone(Pipeline([("mf", model)]))[-1], copy.copy(model)):
        assert other.features["film"] is FILMS
        assert other.features["user"] is PEOPLE
    shown = "MFRecommender(features={'film': 4 x 2 table, 'user': 4 x 2 table})"
    assert repr(model) == repr(clone(model)) == shown
    assert "4 x 2 table" in " ".join(repr(Pipeline([("mf", model)])).split())
    assert "1979" not in model._repr_html_()
    assert model.set_params(features=None).features is None


def test_a_search_shares_the_tables():
    seen = []

    class Watched(MFRecommender):
        def fit(self, X, y=None):
            seen.append(self.features["film"])
            return super().fit(X, y)

    model = Watched(1, solver="als", max_iter=1, features={"film": FILMS}, random_state=0)
    GridSearchCV(model, {"alpha": [0.1, 0.2]}, cv=2).fit(pd.concat([X] * 4), np.tile(RATINGS["stars"], 4))
    assert len(seen) == 5
    assert all(table is FILMS for table in seen)


def test_it_can_be_stored():
    skops = pytest.importorskip("skops.io")
    model = MFRecommender(
        2, max_iter=2, features={"film": FILMS, 0: (["ann"], np.array([[1.0]]))}, random_state=0
    )
    with pytest.warns(UserWarning, match="no row for 3 of the 4"):
        model.fit(RATINGS)
    stored = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=stored)
    assert trusted == ["sklearn_mf.recommenders._mf.MFRecommender"]
    for loaded in (pickle.loads(pickle.dumps(model)), skops.loads(stored, trusted=trusted)):
        pd.testing.assert_frame_equal(loaded.features["film"], FILMS)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        with pytest.warns(UserWarning, match="no row for 3 of the 4"):
            again = clone(loaded).fit(RATINGS)
        np.testing.assert_array_equal(again.item_embeddings_, model.item_embeddings_)


def test_a_warm_start_keeps_the_encoders_and_the_features_of_earlier_ids():
    later = pd.DataFrame({"user": ["eve", "eve"], "film": ["heat", "new"], "stars": [1.0, 5.0]})
    films = pd.DataFrame({"year": [1995, 2020], "genres": ["crime", "western|family"]}, index=["heat", "new"])
    model = MFRecommender(1, max_iter=1, features={"film": FILMS}, warm_start=True, random_state=0).fit(
        RATINGS
    )
    first, _ = task_of(MFRecommender(features={"film": FILMS}), RATINGS)
    task, fitted = task_of(model.set_params(features={"film": films}), pd.concat([RATINGS.head(0), later]))
    assert fitted.item_ids_.tolist() == ["alien", "heat", "new", "up", "wall-e"]
    rows, old = task.features[1].toarray(), first.features[1].toarray()
    np.testing.assert_allclose(rows[[0, 1, 3, 4]], old)
    np.testing.assert_array_equal(rows[2, 2:], [0, 1, 0, 0])  # family; western is not known


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (None, {"film": FILMS}, "cannot add features of column 1"),
        ({"film": FILMS}, None, "cannot leave out features of column 1"),
        ({"film": FILMS}, {"film": FILMS[["year"]]}, r"lacks the columns \['genres'\]"),
    ],
)
def test_a_warm_start_needs_the_columns_of_the_last_fit(before, after, problem):
    model = MFRecommender(1, max_iter=1, features=before, warm_start=True, random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match=problem):
        model.set_params(features=after).fit(RATINGS)


@pytest.fixture(scope="module")
def ratings():
    """Ratings of 60 users and 40 items that genres and ages explain."""
    rng = np.random.default_rng(0)
    table = make_ratings(60, 40, 1500, random_state=0)[["user", "item"]]
    genre, old = table["item"] % 4, table["user"] % 2
    means = np.array([2.0, 3.0, 4.0, 5.0])[genre] + np.where((genre < 2) & (old == 1), 1.0, 0.0)
    return table.assign(rating=means + 0.3 * rng.standard_normal(len(table)))


GENRES = pd.DataFrame({"genre": [f"g{number % 4}" for number in range(44)]}, index=np.arange(44))
RATED = pd.DataFrame({"user": [1], "item": [2], "rating": [3.0]})
AGES = pd.DataFrame({"age": ["young", "old"] * 32}, index=np.arange(64))


@pytest.fixture(scope="module", params=["phases", "als", "implicit", "bayesian"])
def model(request, ratings):
    tables = {"item": GENRES.head(42), "user": AGES.head(62)}
    kinds = {
        "phases": MFRecommender(4, features=tables, random_state=0),
        "als": MFRecommender(4, solver="als", unobserved_weight=0, features=tables, random_state=0),
        "implicit": ImplicitMFRecommender(4, features=tables, random_state=0),
        "bayesian": BayesianMFRecommender(4, max_iter=60, burn_in=20, features=tables, random_state=0),
    }
    return kinds[request.param].fit(ratings)


def prior_means(model, kind=""):
    coefficients = getattr(model, f"_{kind}coefficients")
    return [rows @ B for rows, B in zip(features_of(model), coefficients, strict=True)]


@pytest.mark.parametrize("kind", ["", "relevance_"])
def test_ids_of_the_tables_without_ratings_have_the_rows_that_features_predict(model, kind):
    if not hasattr(model, f"{kind}embeddings_"):
        return
    assert (model.user_ids_.max(), model.item_ids_.max()) == (61, 41)
    for field, unrated in enumerate((slice(60, 62), slice(40, 42))):
        rows = np.column_stack(
            [getattr(model, f"{kind}{name}_")[field][unrated] for name in ("embeddings", "biases")]
        )
        np.testing.assert_allclose(rows, prior_means(model, kind)[field][unrated], rtol=1e-5, atol=1e-6)
    assert np.abs(prior_means(model, kind)[1]).max() > 0.05


def test_unrated_ids_stand_in_lists_and_among_neighbours(model):
    lists = model.recommend([0, 61], n=42, exclude_seen=False)
    assert set(lists["item"]) == set(range(42))
    neighbours = model.similar_items([41], n=3)["neighbor"]
    if getattr(model, "solver", "") == "als":  # the rows that rank have learnt the genres alone
        assert (neighbours % 4 == 1).all()
    assert len(neighbours) == 3
    predicted = model.predict(pd.DataFrame({"user": [61, 0], "item": [0, 41]}))
    assert np.isfinite(predicted).all()


def test_features_change_what_is_predicted_for_unrated_items(model, ratings):
    if isinstance(model, ImplicitMFRecommender):
        return
    predicted = model.predict(pd.DataFrame({"user": [1, 1], "item": [40, 41]}))  # genres 0 and 1
    np.testing.assert_allclose(predicted, [3.0, 4.0], atol=0.4)


def test_new_items_are_ranked_among_known_ones_by_their_features(model):
    before = vars(model).copy()
    new = pd.DataFrame({"item": [100, 3, 101, 41], "genre": ["g3", "g0", "g0", "g1"], "title": "?"})
    table = model.recommend([1, 60], n=9, candidates=new, exclude_seen=False)
    assert table.groupby("user")["item"].apply(set).tolist() == [{100, 3, 101, 41}] * 2
    twins = model.recommend([1, 60], n=9, candidates=[3, 40, 41], exclude_seen=False)
    scores = table.set_index(["user", "item"])["score"]
    expected = twins.set_index(["user", "item"])["score"]
    for user in (1, 60):
        assert scores[user, 101] == pytest.approx(expected[user, 40], rel=1e-5)  # unrated, the same genre
        assert scores[user, 41] == expected[user, 41]  # the features of known ids are those of fit
        assert scores[user, 3] == expected[user, 3]
    assert all(vars(model)[name] is value for name, value in before.items())


def test_new_items_may_be_seen_by_nobody_and_excluded(model):
    new = GENRES.tail(2)
    alone = model.recommend(1, candidates=new)
    assert set(alone["item"]) == {42, 43}
    assert model.recommend(1, candidates=new, exclude=[43])["item"].tolist() == [42]
    seen = model.recommend(1, candidates=pd.concat([GENRES.head(40), new]), n=50)
    assert {42, 43} < set(seen["item"])
    assert set(seen["item"]) - {42, 43} <= set(model.recommend(1, n=50)["item"])


@pytest.mark.parametrize("by", ["upper", "sample"])
def test_new_items_have_draws(model, by):
    if isinstance(model, BayesianMFRecommender):
        table = model.recommend([1, 60], candidates=GENRES.tail(3), by=by, random_state=0)
        assert set(table["item"]) == {41, 42, 43}
        assert table["score"].nunique() == len(table)


def test_new_users_get_lists_by_their_features(model):
    people = pd.DataFrame({"user": [200, 61, 201], "age": ["old", "old", "young"]})
    table = model.recommend(people, n=5, exclude_seen=False)
    assert table["user"].unique().tolist() == [200, 61, 201]
    lists = table.groupby("user")["item"].apply(list)
    assert lists[200] == lists[61] == model.recommend(61, n=5, exclude_seen=False)["item"].tolist()
    assert lists[201] == model.recommend(60, n=5, exclude_seen=False)["item"].tolist()
    folded = model.fold_in(features=people.set_index("user"))
    assert folded.ids.tolist() == [61, 200, 201]
    np.testing.assert_allclose(folded.embeddings[0], model.user_embeddings_[61], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(folded.embeddings[0], folded.embeddings[1])


def test_features_are_the_prior_mean_of_new_users_with_ratings(model, ratings):
    few = pd.DataFrame({"user": [200] * 2, "item": [0, 1], "rating": [3.0, 3.0]})
    people = {age: pd.DataFrame({"age": [age]}, index=[200]) for age in ("old", "young")}
    folded = {age: model.fold_in(few, features=table) for age, table in people.items()}
    lists = {age: model.recommend(ratings=few, features=table, n=9) for age, table in people.items()}
    assert np.abs(folded["old"].embeddings - folded["young"].embeddings).max() > 1e-3
    assert not lists["old"]["score"].equals(lists["young"]["score"])
    means = prior_means(model)[0][[61, 60]]
    for age, mean in zip(("old", "young"), means, strict=True):
        many = model.fold_in(few, sample_weight=[1e-9, 1e-9], features=people[age])
        if getattr(model, "solver", "") == "als":  # others learn from the items that were chosen, too
            np.testing.assert_allclose(np.append(many.embeddings, many.biases), mean, atol=0.02)


def test_users_of_fit_keep_their_features_in_fold_in(model):
    few = pd.DataFrame({"user": [61, 300], "item": [0, 0], "rating": [3.0, 3.0]})
    people = pd.DataFrame({"age": ["old"]}, index=[300])
    known, new = model.fold_in(few, features=people).embeddings
    np.testing.assert_allclose(known, new, rtol=1e-9)
    changed = model.fold_in(few, features=pd.DataFrame({"age": ["young", "old"]}, index=[61, 300]))
    assert np.abs(changed.embeddings[0] - new).max() > 1e-3


@pytest.mark.parametrize("item", [3, 41])
def test_explain_adds_the_part_of_the_features(model, ratings, item):
    for rank_by in ("auto", "rating") if isinstance(model, MFRecommender) else ("auto",):
        own = ratings[ratings["user"] == 4]
        table = explain(model, 4, item, own, rank_by=rank_by)
        assert table["item"].tolist()[:2] == [item, item]
        assert np.isnan(table["rating"].iloc[:2]).all()
        by = {"rank_by": rank_by} if isinstance(model, MFRecommender) else {}
        score = model.recommend(ratings=own, candidates=item, exclude_seen=False, **by)["score"][0]
        assert table["contribution"].sum() == pytest.approx(score, rel=1e-6)
        assert table["contribution"].iloc[1] != 0


def test_feature_effects(model):
    effects = model.feature_effects("item")
    assert effects.columns.tolist() == ["feature", "rating", "embedding", "n_ids"]
    assert set(effects["feature"]) == {"genre=g0", "genre=g1", "genre=g2", "genre=g3"}
    assert effects.set_index("feature")["n_ids"].to_dict() == {f"genre=g{n}": 11 - (n > 1) for n in range(4)}
    assert effects["rating"].abs().is_monotonic_decreasing
    if not isinstance(model, ImplicitMFRecommender):
        rating = effects.set_index("feature")["rating"]
        assert rating.sort_index().is_monotonic_increasing
        assert 1.3 < rating["genre=g3"] - rating["genre=g0"] < 2.6  # 2.5, shrunk
    pd.testing.assert_frame_equal(model.feature_effects(1), effects)
    with pytest.raises(ValueError, match="a table for 'film', but the columns of X are"):
        model.feature_effects("film")


def test_forgotten_ids_have_no_features(model):
    fewer = copy.copy(model).forget(users=[0, 61], items=[41])
    assert [rows.shape[0] for rows in features_of(fewer)] == [60, 41]
    again = fewer.recommend(60, candidates=GENRES.tail(4), exclude_seen=False)
    assert set(again["item"]) == {40, 41, 42, 43}
    expected = model.recommend(60, candidates=[41], exclude_seen=False)["score"][0]
    assert again.set_index("item")["score"][41] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"candidates": pd.DataFrame({"genre": ["g1", "g2"]}, index=[100, 100])},
            "more than one row of id 100",
        ),
        (
            {"users": pd.DataFrame({"age": [3]}, index=[100]), "features": 3},
            "features are those of the users",
        ),
        ({"ratings": RATED, "features": pd.DataFrame({"x": [3]}, index=[1])}, r"lacks the columns"),
    ],
)
def test_bad_tables_of_newcomers(model, arguments, problem):
    with pytest.raises(ValueError, match=problem):
        model.recommend(**arguments)


@pytest.mark.parametrize("n_fields", [1, 3])
@pytest.mark.parametrize("kind", [MFRecommender, BayesianMFRecommender])
def test_any_number_of_fields(kind, n_fields):
    X, y = low_rank_ratings(n_fields=n_fields, n_ratings=200)
    field = n_fields - 1
    ids = np.arange(X[:, field].max() + 3)
    table = pd.DataFrame({"even": ids % 2 == 0, "rank": ids}, index=ids)
    model = kind(2, max_iter=4, features={field: table}, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert len(model.categories_[field]) == len(ids)
    assert np.isfinite(model.predict(np.column_stack([X[:3, :field], ids[-3:]]))).all()
    assert model.feature_effects(field)["feature"].tolist() != []


def test_biases_alone_have_effects():
    model = MFRecommender(0, features={"film": FILMS}, random_state=0).fit(RATINGS)
    assert (model.feature_effects("film")["embedding"] == 0).all()
    assert model.recommend("bob", candidates=FILMS.tail(1))["film"].tolist() == ["wall-e"]


def test_matrices_of_new_items():
    matrix = csr_array(np.diag([1.0, 2.0, 3.0]))
    model = MFRecommender(2, features={"film": (["up", "alien", "heat"], matrix)}, random_state=0).fit(
        RATINGS
    )
    table = model.recommend("bob", candidates=(["dune", "alien"], matrix[:2]))
    assert set(table["film"]) == {"dune", "alien"}
    assert set(model.feature_effects("film")["feature"]) == {"0", "1", "2"}
    with pytest.raises(ValueError, match="candidates must be a pair of ids and a matrix of 3 columns"):
        model.recommend("bob", candidates=(["dune"], np.ones((1, 2))))


def test_all_kinds_of_columns_can_be_stored():
    skops = pytest.importorskip("skops.io")
    kinds = FILMS.assign(
        kind=pd.Categorical(["a", "b", "a", None]),
        lists=[["x"], ("y", "x"), None, ["z"]],
        day=pd.date_range("2020-01-01", periods=4).date,
        seen=pd.array([True, None, False, True], dtype="boolean"),
    )
    model = MFRecommender(1, max_iter=1, features={"film": kinds}, random_state=0).fit(RATINGS)
    trusted = ["sklearn_mf.recommenders._mf.MFRecommender"]
    loaded = skops.loads(skops.dumps(model), trusted=trusted)
    again = clone(loaded).fit(RATINGS)
    assert again.feature_effects("film").equals(model.feature_effects("film"))
    new = kinds.rename(index={"wall-e": "new"})
    pd.testing.assert_frame_equal(
        loaded.recommend("bob", candidates=new), model.recommend("bob", candidates=new)
    )


def test_a_model_without_features_says_what_it_needs():
    model = MFRecommender(1, max_iter=1, random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match="features needs a model that knows features of 'user'"):
        model.fold_in(RATINGS, features=PEOPLE)
    with pytest.raises(ValueError, match="fold_in got neither ratings nor features"):
        model.fold_in()
    with pytest.raises(ValueError, match="'film' had no features in fit"):
        model.feature_effects("film")
    with pytest.raises(ValueError, match="positive=True cannot be combined with features"):
        MFRecommender(positive=True, features={"film": FILMS}).fit(RATINGS)
