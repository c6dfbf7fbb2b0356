"""predict as ONNX: the runtime gives what the estimator predicts, alone and at the end of a pipeline."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.recommenders import _onnx
from tests.conftest import low_rank_ratings

pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")  # short ones

RECOMMENDERS = {
    "mf": MFRecommender(3, max_iter=2, random_state=0),
    "mf without clip": MFRecommender(3, max_iter=2, clip=False, random_state=0),
    "biases": MFRecommender(0, random_state=0),
    "implicit": ImplicitMFRecommender(3, max_iter=2, random_state=0),
    "bayesian": BayesianMFRecommender(3, max_iter=8, random_state=0),
    "dummy": DummyRecommender(),
}
BASELINE = DummyRecommender()
ONE = MFRecommender(2, max_iter=1, random_state=0)
CHAINS = BayesianMFRecommender(2, max_iter=4, random_state=0)
KINDS = {"int": int, "str": "id{}".format, "float": float, "bool": lambda number: number > 3}
TYPES = {"tensor(string)": object, "tensor(int64)": np.int64, "tensor(double)": np.float64}


def ratings(kind="int", n_fields=2):
    """Ids of fit, of a kind, and ratings from 0 on."""
    X, y = low_rank_ratings(n_ratings=300, n_fields=max(n_fields, 2))
    X = pd.DataFrame(X[:, :n_fields], columns=["user", "film", "hour"][:n_fields])
    return X.map(KINDS[kind]), y - y.min()


def with_unknown(X, kind="int"):
    """Rows of fit, and rows with unknown ids in one of the columns and in all."""
    rows, unknown = [X[:40]], KINDS[kind](1000)
    for columns in [*X.columns, list(X.columns)]:
        rows.append(X[:3].assign(**dict.fromkeys(np.atleast_1d(columns), unknown)))
    return pd.concat(rows, ignore_index=True)


def run(model, X):
    """Predictions by the runtime, from a file or a model of ONNX, (n, 1)."""
    session = onnxruntime.InferenceSession(model if isinstance(model, str) else model.SerializeToString())
    fed = {each.name: X[[each.name]].to_numpy(TYPES[each.type]) for each in session.get_inputs()}
    return session.run(None, fed)[0]


def assert_same(model, estimator, X):
    """Equal to 1e-6 of the scale of the ratings, which is about 1."""
    found = run(model, X)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[:, 0], estimator.predict(X), rtol=0, atol=1e-6)


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "model.onnx")


@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("name", RECOMMENDERS)
def test_predicts_as_the_estimator(name, kind, file):
    X, y = ratings(kind)
    model = RECOMMENDERS[name].fit(X, y)
    model.to_onnx(file)
    assert_same(file, model, with_unknown(X, kind))
    (output,) = onnxruntime.InferenceSession(file).get_outputs()
    assert output.name == "prediction" and output.shape[1] == 1


@pytest.mark.parametrize("kind", ["float", "bool"])
def test_ids_that_are_other_numbers(kind, file):
    X, y = ratings(kind)
    model = ONE.fit(X, y)
    model.to_onnx(file)
    assert_same(file, model, with_unknown(X, kind))
    if kind == "float":
        assert_same(file, model, pd.concat([X, X + 0.5]))  # between two ids is an unknown id


@pytest.mark.parametrize(("model", "n_fields"), [(ONE, 3), (CHAINS, 3), (BASELINE, 1)], ids=str)
def test_any_number_of_fields(model, n_fields, file):
    X, y = ratings(n_fields=n_fields)
    model.fit(X, y).to_onnx(file)
    assert_same(file, model, with_unknown(X))


def test_each_draw_is_clipped(file):
    """Many predictions are beyond the range, and the mean of clipped draws is not the clipped mean."""
    X, y = ratings()
    model = BayesianMFRecommender(3, max_iter=8, random_state=0).fit(X, np.clip(y, 3, 4))
    model.to_onnx(file)
    assert_same(file, model, with_unknown(X))


def test_an_id_that_predict_refuses_has_no_prediction(file):
    X, y = ratings()
    model = MFRecommender(2, max_iter=1, handle_unknown="error", random_state=0).fit(X, y)
    model.to_onnx(file)
    asked = with_unknown(X)
    known = (asked < 1000).all(axis=1).to_numpy()
    np.testing.assert_array_equal(np.isnan(run(file, asked)[:, 0]), ~known)
    assert_same(file, model, asked[known])


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    def write_half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left")

    X, y = ratings()
    model, path = BASELINE.fit(X, y), tmp_path / "model.onnx"
    model.to_onnx(path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="no space left"):
        model.to_onnx(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_has_numbered_inputs(file):
    X, y = ratings()
    BASELINE.fit(X.to_numpy(), y).to_onnx(file)
    assert [each.name for each in onnxruntime.InferenceSession(file).get_inputs()] == ["x0", "x1"]


IDENTITY, ENCODER = (
    FunctionTransformer(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
)
CHOICE = ColumnTransformer([("ids", "passthrough", ["film", "user"])])


@pytest.mark.parametrize(
    ("before", "kind"),
    [(IDENTITY, "int"), (ENCODER, "str"), (ENCODER, "int"), (CHOICE, "str"), (CHOICE, "int")],
)
def test_converts_at_the_end_of_a_pipeline(before, kind):
    X, y = ratings(kind)
    pipeline = make_pipeline(before, MFRecommender(2, max_iter=1, random_state=0)).fit(X, y)
    assert_same(skl2onnx.to_onnx(pipeline, X[:1]), pipeline, with_unknown(X, kind))


def test_converts_a_bayesian_recommender_in_a_pipeline():
    X, y = ratings("str")
    pipeline = make_pipeline(ENCODER, CHAINS).fit(X, y)
    assert_same(skl2onnx.to_onnx(pipeline, X[:1]), pipeline, with_unknown(X, "str"))


def test_one_input_with_all_columns():
    X, y = ratings()
    model = ONE.fit(X.to_numpy(), y)
    session = onnxruntime.InferenceSession(skl2onnx.to_onnx(model, X.to_numpy()).SerializeToString())
    (found,) = session.run(None, {"X": with_unknown(X).to_numpy()})
    np.testing.assert_allclose(found[:, 0], model.predict(with_unknown(X).to_numpy()), atol=1e-6)


def test_inputs_of_one_axis():
    X, y = ratings()
    model = ONE.fit(X, y)
    types = skl2onnx.common.data_types.Int64TensorType([None])
    converted = skl2onnx.convert_sklearn(model, "ids", [("user", types), ("film", types)])
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    (found,) = session.run(None, {name: X[name].to_numpy() for name in X})
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=0, atol=1e-6)


REFUSED = {
    "dates": pd.to_datetime(["2020", "2021"]),
    "fractions": [0.5, 1.5],
    "mixed": ["a", 1],
    "large": [2**63, 1],
}


@pytest.mark.parametrize("ids", REFUSED.values(), ids=REFUSED)
def test_refuses_ids_that_onnx_cannot_look_up(ids, file):
    X = pd.DataFrame({"user": ids, "film": [1, 2]})
    with pytest.raises(ValueError, match=r"column 'user' are .* convert them to text"):
        BASELINE.fit(X, [1, 2]).to_onnx(file)


def test_refuses_inputs_that_do_not_fit():
    X, y = ratings()
    model = BASELINE.fit(X, y)
    with pytest.raises(ValueError, match=r"Column 'user' has ids as 0, but the input .* kind 'str'"):
        skl2onnx.to_onnx(model, X[:1].astype(str))
    with pytest.raises(ValueError, match=r"3 column\(s\), but fit saw 2"):
        skl2onnx.to_onnx(model, X[:1].assign(hour=1))


def test_refuses_a_recommender_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        skl2onnx.to_onnx(MFRecommender(), np.array([[1, 7]]))


def test_refuses_ordered_categories(file):
    X, y = ratings()
    X, y = X[:3], [1, 2, 3]
    model = BayesianMFRecommender(1, max_iter=4, likelihood="ordinal", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="likelihood='ordinal'"):
        model.to_onnx(file)


def test_refuses_a_column_with_the_name_of_the_output(file):
    X, y = ratings()
    with pytest.raises(ValueError, match="Column 'prediction' of X has the name that the output has"):
        BASELINE.fit(X.rename(columns={"film": "prediction"}), y).to_onnx(file)


def test_refuses_more_than_a_file_can_hold(file, monkeypatch):
    monkeypatch.setattr(_onnx, "_LARGEST_FILE", 100)
    X, y = ratings()
    with pytest.raises(ValueError, match=r"at most 2 GB, but the embeddings take 0\.0 GB"):
        BASELINE.fit(X, y).to_onnx(file)


def test_names_what_is_not_installed(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    X, y = ratings()
    with pytest.raises(ModuleNotFoundError, match=r"skl2onnx, which is not installed: .*\[onnx\]"):
        BASELINE.fit(X, y).to_onnx(file)
