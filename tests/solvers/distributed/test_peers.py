"""Workers that meet and agree on their steps, in threads over the loopback address; no TensorFlow."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sklearn_mf.recommenders._workers_command import free_ports
from sklearn_mf.solvers.distributed._cluster import Cluster
from sklearn_mf.solvers.distributed._meeting import meet
from sklearn_mf.solvers.distributed._peers import run_watched


@pytest.fixture
def addresses():
    return tuple(f"127.0.0.1:{port}" for port in free_ports(3))


def outcome(function, *args):
    """Result of a call, or the error that it raises."""
    try:
        return function(*args)
    except Exception as error:
        return error


def together(*calls):
    """Outcomes of calls that run at the same time."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(lambda call: outcome(*call), calls))


def met(addresses, timeout=5.0):
    """All workers after they have met."""
    clusters = [Cluster(addresses, worker) for worker in range(len(addresses))]
    return together(*[(meet, cluster, timeout) for cluster in clusters])


def test_all_workers_learn_the_values_of_all(addresses):
    peers = met(addresses)
    for step in ("sweep 1", "sweep 2"):
        values = together(*[(each.agree, step, [str(number)]) for number, each in enumerate(peers)])
        assert values == [[["0"], ["1"], ["2"]]] * 3


def test_a_chief_that_starts_later_is_waited_for(addresses):
    with ThreadPoolExecutor(1) as thread:
        later = thread.submit(meet, Cluster(addresses[:2], 1), 5.0)
        time.sleep(0.3)
        chief = meet(Cluster(addresses[:2], 0), 5.0)
        assert chief.is_chief
        assert not later.result().is_chief


def test_a_missing_worker_is_named_to_all_others(addresses):
    started = time.monotonic()
    calls = [(meet, Cluster(addresses, worker), 1.0) for worker in (0, 2)]
    chief, other = together(*calls)
    assert time.monotonic() - started < 4
    assert isinstance(chief, TimeoutError)
    expected = f"After 1 s worker 1 ({addresses[1]}) had not started: start the missing workers"
    assert str(chief).startswith(expected)
    assert str(other).startswith(expected)


def test_a_missing_chief_is_named(addresses):
    with pytest.raises(TimeoutError, match=r"After 0.5 s worker 0 \(127.0.0.1:\d+\) had not started"):
        meet(Cluster(addresses, 1), 0.5)


def test_workers_with_other_addresses_are_refused(addresses):
    other = (addresses[0], "127.0.0.1:1", addresses[2])
    outcomes = together((meet, Cluster(addresses, 0), 5.0), (meet, Cluster(other, 1), 5.0))
    assert all("give all workers the same cluster" in str(each) for each in outcomes)


def test_two_workers_with_one_number_are_refused(addresses):
    outcomes = together(
        (meet, Cluster(addresses, 0), 5.0),
        (meet, Cluster(addresses, 1), 5.0),
        (meet, Cluster(addresses, 1), 5.0),
    )
    assert str(outcomes[0]).startswith("Two workers have the number 1")
    assert all(isinstance(each, Exception) for each in outcomes)


def test_a_worker_may_start_again_before_all_have_met(addresses):
    addresses = (*addresses[:2], "127.0.0.1:1")
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, Cluster(addresses, 0), 10.0)
        time.sleep(0.2)
        with socket.create_connection(Cluster(addresses, 0).host_and_port(0)) as connection:
            connection.sendall(json.dumps({"worker": 1, "addresses": addresses}).encode() + b"\n")
            time.sleep(0.2)
        others = together(*[(meet, Cluster(addresses, worker), 5.0) for worker in (1, 2)])
        peers = [chief.result(), *others]
    assert together(*[(each.agree, "sweep 1") for each in peers]) == [[[], [], []]] * 3


def test_connections_of_other_programs_are_ignored(addresses):
    addresses = addresses[:2]
    with ThreadPoolExecutor(1) as thread:
        chief = thread.submit(meet, Cluster(addresses, 0), 5.0)
        for content in (b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", json.dumps({"worker": "1"}).encode() + b"\n"):
            time.sleep(0.1)
            with socket.create_connection(Cluster(addresses, 0).host_and_port(0)) as connection:
                connection.sendall(content)
        worker = meet(Cluster(addresses, 1), 5.0)
        assert together((chief.result().agree, "a", ["1"]), (worker.agree, "a")) == [[["1"], []]] * 2


def test_a_port_that_is_taken_is_reported(addresses):
    cluster = Cluster(addresses, 0)
    with (
        socket.create_server(cluster.host_and_port(0)),
        pytest.raises(ValueError, match=r"Port \d+ of 127.0.0.1 is taken"),
    ):
        meet(cluster, 1.0)


def test_a_chief_of_another_kind_is_reported(addresses):
    with socket.create_server(Cluster(addresses, 0).host_and_port(0)) as server:

        def answer():
            server.accept()[0].sendall(b"PRI * HTTP/2.0\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(ConnectionError, match="no other program uses its address"):
            meet(Cluster(addresses, 1), 1.0)


def test_workers_out_of_step_raise_on_all_and_name_both_steps(addresses):
    peers = met(addresses)
    steps = ["sweep 7, field 1", "sweep 7, field 1", "sweep 8, field 0"]
    errors = together(*[(each.agree, step) for each, step in zip(peers, steps, strict=True)])
    assert len({str(error) for error in errors}) == 1
    assert isinstance(errors[1], RuntimeError)
    assert "is at 'sweep 7, field 1' and worker 2" in str(errors[0])
    assert "at 'sweep 8, field 0'" in str(errors[0])


def test_a_slow_worker_is_named_to_all_others(addresses):
    peers = met(addresses, timeout=1.0)
    chief, other = together((peers[0].agree, "sweep 3"), (peers[1].agree, "sweep 3"))
    assert isinstance(chief, TimeoutError)
    assert str(chief).startswith(f"Worker 2 ({addresses[2]}) did not reach 'sweep 3' within 1 s")
    assert str(other) == str(chief)
    assert str(outcome(peers[2].agree, "sweep 3")) == str(chief)


def test_a_worker_that_has_gone_is_named_to_all_others(addresses):
    peers = met(addresses)
    peers[2].links[0].close()
    chief, other = together((peers[0].agree, "sweep 3"), (peers[1].agree, "sweep 3"))
    assert isinstance(chief, ConnectionError)
    assert str(chief).startswith(f"Worker 2 ({addresses[2]}) has ended or cannot be reached")
    assert str(other) == str(chief)


def test_the_error_of_a_worker_reaches_all_others(addresses):
    peers = met(addresses)
    peers[1].fail(ValueError("no room"))
    errors = together((peers[0].agree, "sweep 3"), (peers[2].agree, "sweep 3"))
    expected = f"Worker 1 ({addresses[1]}) failed: ValueError: no room"
    assert [str(error) for error in errors] == [expected] * 2


def test_after_a_failure_nothing_goes_on(addresses):
    peers = met(addresses)
    peers[0].fail(ValueError("no room"))
    with pytest.raises(RuntimeError, match=r"start all of them again: worker 0 .*no room"):
        peers[0].agree("sweep 4")


def test_a_failed_operation_is_explained_by_the_worker_that_has_gone(addresses):
    peers = met(addresses)
    peers[1].links[0].close()
    failed = OSError("connection reset\nand so on")
    errors = together((peers[0].explain, failed, "sweep 3"), (peers[2].explain, failed, "sweep 3"))
    assert {str(error)[:9] for error in errors} == {"Worker 1 "}


def test_waiting_for_tensorflow_ends_where_another_worker_fails(addresses):
    peers = met(addresses[:2])
    peers[1].fail(RuntimeError("no memory"))
    with pytest.raises(RuntimeError, match=r"Worker 1 \(.*\) failed: RuntimeError: no memory"):
        run_watched(peers[0], lambda: False, "TensorFlow's servers did not connect")


def test_waiting_for_tensorflow_ends_after_the_timeout(addresses):
    peers = met(addresses[:2], timeout=0.3)
    with pytest.raises(TimeoutError, match=r"TensorFlow's servers did not connect within 0.3 s"):
        run_watched(peers[0], lambda: False, "TensorFlow's servers did not connect")
    with pytest.raises(RuntimeError, match=r"Worker 0 \(.*\) failed: TimeoutError: TensorFlow's servers"):
        peers[1].agree("the start of TensorFlow")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}},
            (("a:1", "b:2"), 1),
        ),
        (
            {"cluster": {"chief": ["c:3"], "worker": ["a:1"]}, "task": {"type": "worker", "index": "0"}},
            (("c:3", "a:1"), 1),
        ),
        ({"cluster": {"chief": ["c:3"]}, "task": {"type": "chief", "index": 0}}, (("c:3",), 0)),
    ],
)
def test_tf_config_gives_addresses_and_number(config, expected):
    assert Cluster.of({"TF_CONFIG": json.dumps(config)}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_an_invalid_tf_config_raises(text):
    with pytest.raises(ValueError, match="The environment variable TF_CONFIG is not valid"):
        Cluster.of({"TF_CONFIG": text})


def test_a_missing_tf_config_raises():
    with pytest.raises(ValueError, match="TF_CONFIG is not set: set it in each worker"):
        Cluster.of({})
