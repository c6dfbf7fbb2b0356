"""The example service answers over HTTP without TensorFlow, and changes to a new model without a failure."""

import copy
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from sklearn_mf import MFRecommender
from sklearn_mf.recommenders._workers_command import free_ports
from tests.conftest import low_rank_ratings

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples" / "service"
# The service where `import tensorflow` fails, and which looks for another model ten times a second.
RUN = """
import sys; sys.modules["tensorflow"] = None
import uvicorn, service; service.SECONDS_BETWEEN_LOOKS = 0.1
uvicorn.run(service.app, port={port}, log_level="error")
"""
WAIT = 60.0


@pytest.fixture(scope="module")
def models():
    """Models of the same ratings, with ids of several kinds."""
    X, y = low_rank_ratings()
    table = pd.DataFrame(X, columns=["user", "film"])
    kinds = {"numbers": table, "text": table.map("ä/{} b".format), "array of text": X.astype(str)}
    short = MFRecommender(2, max_iter=2, random_state=0)
    found = {name: clone(short).fit(ids, y) for name, ids in kinds.items()}
    found["next"] = clone(short).set_params(random_state=1).fit(table, y)
    found["strict"] = copy.deepcopy(found["numbers"]).set_params(handle_unknown="error")
    return found


class Running:
    """The service in a process of its own, and the file that it reads."""

    def __init__(self, folder, models):
        self.path, self.models, self.published = folder / "model.skops", models, None
        self.write("numbers")
        (port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        environment = os.environ | {"MODEL_FILE": str(self.path), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", RUN.format(port=port)]
        self.process = subprocess.Popen(command, cwd=SERVICE, env=environment)
        self.wait_for(lambda health: health["status"] == "ok")

    def get(self, path, body=None):
        """Status and JSON of an answer."""
        data = None if body is None else body.encode()
        request = Request(self.address + path, data, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=WAIT) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def wait_for(self, is_reached):
        """The state of the service once it is as wanted."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the service has ended"
            try:
                status, health = self.get("/healthz")
            except URLError:
                health, status = {}, 0
            if status == 200 and is_reached(health):
                return health
            time.sleep(0.05)
        raise AssertionError(f"the service did not get there: {health}")

    def write(self, name):
        """Write a model, or any bytes, under the name of the file at once."""
        new = self.path.with_suffix(".new")
        if isinstance(name, bytes):
            new.write_bytes(name)
        else:
            skops.io.dump(self.models[name], new)
        os.replace(new, self.path)
        self.published = name

    def publish(self, name):
        """Answer from a model; the model."""
        if self.published != name:
            loaded = self.get("/healthz")[1]["loaded"]
            self.write(name)
            self.wait_for(lambda health: health["loaded"] != loaded)
        return self.models[name]


@pytest.fixture(scope="module")
def service(tmp_path_factory, models):
    running = Running(tmp_path_factory.mktemp("service"), models)
    yield running
    running.process.terminate()
    assert running.process.wait(WAIT) in (0, -15, 1)  # 1 on Windows


def rows(table):
    names = zip(table["film" if "film" in table else "item"].tolist(), table["score"].tolist(), strict=True)
    return [{"item": item, "score": score} for item, score in names]


@pytest.mark.parametrize(("name", "user"), [("numbers", 7), ("text", "ä/7 b"), ("array of text", "7")])
def test_list_of_a_user_is_that_of_recommend(service, name, user):
    model = service.publish(name)
    assert service.get(f"/recommend/{quote(str(user), safe='')}?n=3") == (
        200,
        {"user": user, "known": True, "items": rows(model.recommend(user, 3)), "unknown_items": []},
    )


@pytest.mark.parametrize(("name", "user"), [("numbers", 777), ("text", "777")])
def test_unknown_user_gets_the_list_of_the_average_user_and_the_answer_says_so(service, name, user):
    model = service.publish(name)
    status, answer = service.get(f"/recommend/{user}?n=3")
    assert (status, answer["user"], answer["known"]) == (200, user, False)
    with pytest.warns(UserWarning, match="Every id"):
        expected = rows(model.recommend(user, 3))
    assert answer["items"] == expected


@pytest.mark.parametrize(("name", "items"), [("numbers", [3, 4, "5"]), ("array of text", ["3", "4", "5"])])
def test_list_of_a_newcomer_follows_from_the_ratings(service, name, items):
    model = service.publish(name)
    stars = [5, 1.5, 2]
    body = [{"item": item, "rating": rating} for item, rating in zip(items, stars, strict=True)]
    status, answer = service.get("/recommend?n=4", json.dumps([*body, {"item": 999, "rating": 3}]))
    assert status == 200
    ratings = [["x", item, rating] for item, rating in zip(items, stars, strict=True)]
    if name == "numbers":
        ratings = pd.DataFrame(ratings, columns=["user", "film", "rating"]).astype({"film": int})
    assert answer == {
        "user": None,
        "known": False,
        "items": rows(model.recommend(ratings=ratings, n=4)),
        "unknown_items": [999],
    }


ONE_RATING = '[{"item": 3, "rating": 5}]'


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/recommend/ann", None, "Ids of the model are int64, got 'ann'"),
        ("/recommend/9999999999999999999999", None, "Ids of the model are int64"),
        ("/recommend/7?n=0", None, "query.n: Input should be greater than or equal to 1"),
        ("/recommend/7?n=many", None, "query.n: Input should be a valid integer"),
        ("/recommend?n=1001", ONE_RATING, "query.n: Input should be less than or equal to 1000"),
        ("/recommend", "[]", "body: List should have at least 1 item"),
        ("/recommend", "{", "JSON decode error"),
        ("/recommend", '[{"item": 3}]', "body.0.rating: Field required"),
        ("/recommend", '[{"item": 3, "rating": "good"}]', "body.0.rating: Input should be a valid number"),
        ("/recommend", '[{"item": 3, "rating": NaN}]', "body.0.rating: Input should be a finite number"),
        ("/recommend", '[{"item": 3, "rating": 1e200}]', "Ratings must be finite numbers of at most 1e+100"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(service, path, body, says):
    service.publish("numbers")
    status, answer = service.get(path, body)
    assert status == 422
    assert says in answer["detail"]
    assert answer["detail"].endswith(".") and "\n" not in answer["detail"]


def test_a_strict_model_refuses_unknown_ids(service):
    service.publish("strict")
    for call in [("/recommend/777",), ("/recommend", '[{"item": 777, "rating": 5}]')]:
        status, answer = service.get(*call)
        assert status == 422
        assert "777" in answer["detail"]
    assert service.get("/recommend/7")[0] == 200


def test_no_request_fails_while_models_are_replaced(service):
    service.publish("numbers")
    expected = [rows(service.models[name].recommend(7, 3)) for name in ("numbers", "next")]
    assert expected[0] != expected[1]
    found, end = [], threading.Event()

    def ask():
        while not end.is_set():
            found.append(service.get("/recommend/7?n=3"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        service.publish("next")
        service.publish("numbers")
    finally:
        end.set()
        for thread in threads:
            thread.join(WAIT)
    assert len(found) > 4
    assert {status for status, _ in found} == {200}
    lists = [answer["items"] for _, answer in found]
    assert all(each in lists for each in expected)
    assert all(each in expected for each in lists)


def test_a_broken_file_leaves_the_old_model_and_healthz_says_so(service):
    service.publish("numbers")
    before = service.get("/healthz")[1]
    assert before["status"] == "ok" and (before["users"], before["items"]) == (40, 30)
    service.write(b"no model")
    broken = service.wait_for(lambda health: health["error"] is not None)
    assert broken["status"] == "old model" and broken["loaded"] == before["loaded"]
    assert broken["error"].startswith("model.skops was not loaded: ")
    assert service.get("/recommend/7")[1]["known"]
    service.path.unlink()
    service.wait_for(lambda health: "No such file" in health["error"])
    service.publish("numbers")
    assert service.get("/healthz")[1]["error"] is None


def test_a_file_that_is_moved_away_and_back_is_no_error(service):
    service.publish("numbers")
    away = service.path.with_suffix(".away")
    service.path.rename(away)
    service.wait_for(lambda health: health["status"] == "old model")
    away.rename(service.path)
    assert service.wait_for(lambda health: health["status"] == "ok")["error"] is None


def test_a_joblib_file_is_mapped_into_memory(models, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # the module sets it where it is missing
    monkeypatch.syspath_prepend(SERVICE)
    import service

    joblib.dump(models["numbers"], tmp_path / "model.joblib")
    loaded = service.Loaded(tmp_path / "model.joblib")
    assert isinstance(loaded.model.embeddings_[0], np.memmap)
    assert loaded.recommend(3, users=7) == rows(models["numbers"].recommend(7, 3))
