"""Exports as TensorFlow SavedModels answer as the estimators do."""

import itertools
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.recommenders._catalog import catalog_of
from sklearn_mf.recommenders._saved_model import content_of
from tests.conftest import low_rank_ratings

SCRIPT = Path(__file__).with_name("saved_models.py")
N = 6
BAYESIAN = {"max_iter": 12, "burn_in": 4, "n_samples": 8, "implicit_features": 2}
ESTIMATORS = {
    "ratings": MFRecommender(4, implicit_features=2, max_iter=3, random_state=0),
    "one phase": MFRecommender(4, unobserved_weight=0, max_iter=2, random_state=0),
    "without biases": MFRecommender(
        4, fit_bias=False, clip=False, unobserved_weight=0, solver="als", max_iter=2, random_state=0
    ),
    "clicks": ImplicitMFRecommender(4, max_iter=2, random_state=0),
    "linear": ImplicitMFRecommender(4, confidence="linear", fit_bias=True, max_iter=2, random_state=0),
    "counted": ImplicitMFRecommender(4, confidence=None, max_iter=2, random_state=0),
    "draws": BayesianMFRecommender(3, **BAYESIAN, random_state=0),
}
# Estimators that are written to files, with text or integers as ids of users, and the other as ids of items,
# and the ways in which their functions are called.
EXPORTED = {
    ("ratings", "text"): ["functions", "session"],
    ("clicks", "integers"): ["signatures"],
    ("draws", "text"): ["session"],
}


@pytest.fixture(scope="module")
def ratings():
    """Text users, integer items; user "u00" has rated all items but three; user u01 one item."""
    X, y = low_rank_ratings(30, 25, 400)
    X = X[X[:, 0] > 1]
    most = np.column_stack([np.zeros(22, dtype=int), np.arange(22)])
    X = np.concatenate([X, most, [[1, 5]]])
    y = np.resize(np.clip(np.abs(y), 0.5, 5), len(X))
    return pd.DataFrame({"user": pd.Series(X[:, 0]).map("u{:02d}".format), "item": X[:, 1] + 100, "y": y})


def swapped(ratings):
    """The same with integer users and text items."""
    return ratings.assign(user=ratings["user"].str[1:].astype(int), item=ratings["item"].map("i{}é".format))


@pytest.fixture(scope="module")
def fitted(ratings):
    """Estimators by name and kind of users."""
    found = {(name, "text"): fit(each, ratings) for name, each in ESTIMATORS.items() if name != "clicks"}
    found["clicks", "integers"] = fit(ESTIMATORS["clicks"], swapped(ratings))
    return found


def fit(estimator, ratings):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The chains have not converged")
        return clone(estimator).fit(ratings)


def requests_for(model):
    """One request for each signature, with unknown ids, repeated ratings and newcomers without ratings."""
    users, items = ([*map(plain, ids[:12]), unknown(ids)] for ids in model.categories_)
    pairs = list(zip(users, reversed(items), strict=True))
    strange = items[-1]
    rated = [[*items[:4], items[2], strange], [strange] * 6, [*items[6:11], strange]]
    newcomers = {"items": rated, "ratings": [[5.0, 1.0, 4.0, 2.0, 1.0, 3.0], [4.0] * 6, [1.0, 2, 3, 4, 5, 1]]}
    return {
        "serving_default": {"users": users},
        "recommend": {"users": users, "n": N},
        "predict": {"users": [pair[0] for pair in pairs], "items": [pair[1] for pair in pairs]},
        "fold_in": newcomers,
        "recommend_for_ratings": newcomers | {"n": N},
    }


def plain(value):
    return value if isinstance(value, str) else int(value)


def unknown(ids):
    return "nobody" if isinstance(ids[0], str) else 987_654


@pytest.fixture(scope="module")
def answers(fitted, tmp_path_factory):
    """Answers of SavedModels in a process without the package, by estimator and kind of users."""
    folder, asked = tmp_path_factory.mktemp("exported"), {}
    for name, ways in EXPORTED.items():
        asked["-".join(name)] = {"ways": ways, "requests": requests_for(fitted[name])}
        fitted[name].to_saved_model(folder / "-".join(name), 4)
    (folder / "requests.json").write_text(json.dumps(asked), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "requests.json"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return {name: found["-".join(name)] for name in EXPORTED}


def lists_of(table, users, n):
    """Items, scores and ranks of a table of recommend, one row for each user, filled up."""
    item = table.columns[1]
    padding = -1 if table[item].dtype.kind == "i" else ""
    found = {"items": [], "scores": [], "ranks": []}
    for user in users:
        rows = table[table[table.columns[0]] == user]
        missing = n - len(rows)
        found["items"].append([*rows[item], *[padding] * missing])
        found["scores"].append([*rows["score"], *[0.0] * missing])
        found["ranks"].append([*rows["rank"], *[0] * missing])
    return found


def newcomers_of(model, request):
    """A table of the ratings of newcomers, numbered."""
    first = len(model.categories_[0]) + 1000
    numbers = [first + row for row, items in enumerate(request["items"]) for _ in items]
    users = numbers if model.categories_[0].dtype.kind == "i" else list(map(str, numbers))
    items, values = (list(itertools.chain(*request[name])) for name in ("items", "ratings"))
    names = [*model.feature_names_in_, "y"]
    return pd.DataFrame(dict(zip(names, (users, items, values), strict=True)))


def check_lists(found, table, users, n):
    expected = lists_of(table, users, n)
    assert found["items"] == expected["items"]
    assert found["ranks"] == expected["ranks"]
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0, atol=1e-9)


def check_answers(model, found, length=N):
    """All answers to `requests_for` are those of the estimator."""
    requests = requests_for(model)
    users = requests["recommend"]["users"]
    check_lists(found["recommend"], model.recommend(users, N), users, N)
    assert sorted(map(sum, found["recommend"]["ranks"]))[0] == 6  # ranks 1 to 3
    pairs = pd.DataFrame(requests["predict"]).set_axis(model.feature_names_in_, axis=1)
    np.testing.assert_allclose(found["predict"]["predictions"], model.predict(pairs), rtol=0, atol=1e-6)
    new = newcomers_of(model, requests["fold_in"])
    folded = model.fold_in(new)
    for name, rows in found["fold_in"].items():
        np.testing.assert_allclose(rows, folded[name], rtol=0, atol=1e-9)
    assert {name for name in folded if "samples" not in name} == {*found["fold_in"], "ids"}
    table = model.recommend(ratings=new, n=N)
    check_lists(found["recommend_for_ratings"], table, folded.ids, N)


CASES = [(name, way) for name, ways in EXPORTED.items() for way in ways]


@pytest.mark.parametrize(("name", "way"), CASES, ids=str)
def test_a_process_without_the_package_gives_the_same_answers(name, way, fitted, answers):
    model, found = fitted[name], answers[name][way]
    check_answers(model, found)
    users = requests_for(model)["serving_default"]["users"]
    check_lists(found["serving_default"], model.recommend(users, 4), users, 4)


def served(model, rank_by="auto"):
    """Functions of an export, called without graphs and files."""
    from sklearn_mf.solvers.export._saved_model import Served

    content = content_of(model, catalog_of(model, "to_saved_model"), rank_by)
    return Served(content).functions(4, content.predicts)


def answer(functions, name, **request):
    """Outputs of a function as lists."""
    import tensorflow as tf

    function, types = functions[name]
    outputs = function(**{each.name: tf.constant(request[each.name], each.dtype) for each in types})
    return {key: listed(value.numpy()) for key, value in outputs.items()}


def listed(value):
    return np.vectorize(bytes.decode)(value).tolist() if value.dtype == object else value.tolist()


@pytest.mark.parametrize("name", ["one phase", "without biases", "linear", "counted"])
def test_every_kind_of_model_gives_the_answers_of_the_estimator(name, fitted):
    model = fitted[name, "text"]
    functions = served(model)
    requests = requests_for(model)
    check_answers(model, {each: answer(functions, each, **requests[each]) for each in requests})


def test_ratings_rank_where_the_export_says_so(fitted):
    model = fitted["ratings", "text"]
    users = model.user_ids_[:5].tolist()
    found = answer(served(model, "rating"), "recommend", users=users, n=N)
    check_lists(found, model.recommend(users, N, rank_by="rating"), users, N)
    assert found["items"] != answer(served(model), "recommend", users=users, n=N)["items"]


def test_items_of_equal_score_are_in_order_of_their_ids(ratings):
    model = fit(ESTIMATORS["one phase"], ratings)
    model.embeddings_[1][2:20], model.biases_[1][2:20] = model.embeddings_[1][2], 3.0
    users = model.user_ids_.tolist()
    found = answer(served(model), "recommend", users=users, n=9)
    check_lists(found, model.recommend(users, 9), users, 9)
    assert len({tuple(row[:3]) for row in found["scores"]}) == len(users)
    assert sum(len(set(row)) < 9 for row in found["scores"]) > 5


def test_each_user_may_have_a_length(fitted):
    model = fitted["one phase", "text"]
    users = model.user_ids_[3:6].tolist()
    found = answer(served(model), "recommend", users=users, n=[2, 5, 1])
    for row, n in enumerate([2, 5, 1]):
        cut = {key: [value[row]] for key, value in found.items()}
        check_lists(cut, model.recommend(users[row], n), [users[row]], 5)


def test_more_items_than_there_are_give_all_of_them(fitted):
    functions = served(fitted["one phase", "text"])
    assert np.shape(answer(functions, "recommend", users=["nobody"], n=10_000)["items"]) == (1, 25)


@pytest.mark.parametrize("n", [3, []])
def test_no_users_have_no_lists(n, fitted):
    import tensorflow as tf

    function, _ = served(fitted["one phase", "text"])["recommend"]
    types = tf.TensorSpec([None], tf.string), tf.TensorSpec(None, tf.int32)
    found = tf.function(function, types)(tf.constant([], tf.string), tf.constant(n, tf.int32))
    assert {key: len(value) for key, value in found.items()} == {"items": 0, "scores": 0, "ranks": 0}


def test_products_of_float32_stay_on_the_processor(fitted):
    import tensorflow as tf

    function, _ = served(fitted["one phase", "text"])["recommend"]
    types = tf.TensorSpec([None], tf.string), tf.TensorSpec(None, tf.int32)
    graph = tf.function(function, types).get_concrete_function().graph.as_graph_def()
    products = [node for each in graph.library.function for node in each.node_def if node.op == "MatMul"]
    assert [node.device for node in products] == ["/device:CPU:*"]


def test_no_embeddings_but_draws(ratings):
    model = fit(BayesianMFRecommender(0, max_iter=3, n_samples=2, random_state=0), ratings)
    users = model.user_ids_[:3].tolist()
    check_lists(answer(served(model), "recommend", users=users, n=N), model.recommend(users, N), users, N)


def test_bad_requests_are_errors(fitted):
    from tensorflow.errors import InvalidArgumentError

    with pytest.raises(InvalidArgumentError, match="n must be at least 1"):
        answer(served(fitted["one phase", "text"]), "recommend", users=["u01"], n=0)
    with pytest.raises(InvalidArgumentError, match="users and items must be equally many"):
        answer(served(fitted["one phase", "text"]), "predict", users=["u01", "u02"], items=[101])
    strict = clone(ESTIMATORS["one phase"]).set_params(handle_unknown="error").fit(pd.DataFrame(TABLE))
    with pytest.raises(InvalidArgumentError, match="users contains an unknown id"):
        answer(served(strict), "recommend", users=["nobody"], n=1)


@pytest.mark.parametrize(
    ("name", "stars", "message"),
    [
        ("one phase", [[np.nan, 1.0]], "ratings must be finite numbers"),
        ("one phase", [[5.0, 1.0], [5.0, 1.0]], "items and ratings must have the same shape"),
        ("counted", [[-1.0, 1.0]], "ratings must be finite numbers of at least 0"),
    ],
)
def test_bad_ratings_of_newcomers_are_errors(name, stars, message, fitted):
    from tensorflow.errors import InvalidArgumentError

    functions = served(fitted[name, "text"])
    for asked in ("fold_in", "recommend_for_ratings"):
        with pytest.raises(InvalidArgumentError, match=message):
            answer(functions, asked, items=[[101, 102]], ratings=stars, n=2)


TABLE = {"user": ["ann", "ann", "bob"], "item": [7, 8, 7], "y": [5.0, 1.0, 4.0]}


def test_non_negative_embeddings_have_no_newcomers_and_ordered_ratings_no_predictions(ratings):
    positive = ImplicitMFRecommender(2, positive=True, max_iter=1).fit(ratings)
    assert set(served(positive)) == {"serving_default", "recommend", "predict"}
    ordinal = BayesianMFRecommender(2, max_iter=2, n_samples=2, likelihood="ordinal", random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The chains have not converged")
        functions = served(ordinal.fit(ratings.round().drop_duplicates(["user", "item"])))
    assert set(functions) == {"serving_default", "recommend", "fold_in", "recommend_for_ratings"}


@pytest.fixture
def small():
    return MFRecommender(1, unobserved_weight=0, max_iter=1, random_state=0).fit(pd.DataFrame(TABLE))


def test_a_folder_with_content_is_left_alone(small, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ValueError, match=r"needs a new or empty folder .* pass another") as refusal:
        small.to_saved_model(tmp_path)
    assert f"but {str(tmp_path)!r} is not" in str(refusal.value)
    with pytest.raises(ValueError, match="new or empty folder"):
        small.to_saved_model(tmp_path / "notes")
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_the_current_folder_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"other than the current one, but '\.' is not: pass another"):
        small.to_saved_model(".")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_gets_the_usual_permissions_also_by_a_link(small, tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.saved_model, "save", lambda module, folder, signatures: None)
    monkeypatch.setattr(os, "umask", None)  # it is that of all threads
    usual, folder = tmp_path / "usual", tmp_path / "model"
    usual.mkdir()
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    small.to_saved_model(tmp_path / "link", n=10**10)
    assert folder.stat().st_mode == usual.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model", "usual"]


def test_an_export_that_fails_leaves_nothing(small, tmp_path, monkeypatch):
    import tensorflow as tf

    def fail(module, folder, signatures):
        Path(folder, "saved_model.pb").touch()
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        small.to_saved_model(tmp_path / "model" / "1")
    assert list((tmp_path / "model").iterdir()) == []


def test_an_export_without_tensorflow_says_what_to_install(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModuleNotFoundError, match="to_saved_model needs TensorFlow, which is not installed"):
        small.to_saved_model(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("users", "strange"), [([1.5, 2.5, 2.5], "2.5"), (["ann", 3, 3], "3"), ([2**63, 2**63, 1], str(2**63))]
)
def test_ids_of_other_types_are_refused(users, strange, tmp_path):
    table = pd.DataFrame(TABLE | {"user": users})
    model = MFRecommender(1, unobserved_weight=0, max_iter=1).fit(table)
    with pytest.raises(ValueError, match=rf"column 'user' has {strange}: convert the column to text"):
        model.to_saved_model(tmp_path)


def test_whole_numbers_in_a_column_of_objects_are_int64(small):
    table = pd.DataFrame(TABLE).astype({"item": object})
    model = clone(small).fit(table)
    found = answer(served(model), "recommend", users=["bob"], n=1)
    assert model.categories_[1].dtype == object and found["items"] == [[8]]


def test_unsuitable_estimators_are_refused(tmp_path):
    with pytest.raises(NotFittedError):
        MFRecommender().to_saved_model(tmp_path)
    three = MFRecommender(1, max_iter=1).fit([[1, 2, 3], [1, 3, 4], [2, 2, 4]], [1, 2, 3])
    with pytest.raises(ValueError, match="to_saved_model needs a model of two fields"):
        three.to_saved_model(tmp_path)
    with pytest.raises(AttributeError, match="has no attribute 'to_saved_model'"):
        _ = DummyRecommender().to_saved_model
    with pytest.raises(ValueError, match="rank_by must be"):
        MFRecommender(1, max_iter=1).fit(pd.DataFrame(TABLE)).to_saved_model(tmp_path, rank_by="best")
    assert list(tmp_path.iterdir()) == []
