"""fetch_movielens with a server on loopback that serves small artificial archives, intact and damaged."""

import logging
import os
import socket
import threading

import numpy as np
import pandas as pd
import pytest

from sklearn_mf.datasets import _download, _movielens, fetch_movielens
from tests.datasets.grouplens import FILES, GENRES, HALVES, RATINGS, TITLES, Server, archive, md5

QUICK = {"delay": 1e-3}


@pytest.fixture
def server(monkeypatch):
    """GroupLens on loopback with all data sets; the known MD5 sums are those of the artificial archives."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    for name, (stem, folder, files) in FILES.items():
        content = archive(folder, files)
        server.pages[f"/{stem}.zip"] = content
        server.pages[f"/{stem}.zip.md5"] = f"MD5 ({stem}.zip) = {md5(content).upper()}\n".encode()
        release = _movielens.RELEASES[name]
        if release.md5:
            monkeypatch.setitem(_movielens.RELEASES, name, release._replace(md5=md5(content)))
    monkeypatch.setattr(_movielens, "BASE", server.address)
    yield server
    server.stop()


@pytest.fixture
def fetch(tmp_path):
    """fetch_movielens into a fresh folder."""
    return lambda name="1m", **options: fetch_movielens(name, data_home=tmp_path, **QUICK | options)


def listed(tmp_path):
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def frame(rows):
    return pd.DataFrame(rows, columns=["user", "item", "rating", "time"])


@pytest.mark.parametrize("name", FILES)
def test_each_set(server, fetch, name):
    data = fetch(name)
    expected = frame(RATINGS if name in ("100k", "1m") else HALVES)
    ratings = expected[["user", "item", "rating"]].astype({"rating": float})
    pd.testing.assert_frame_equal(data.ratings, ratings)
    times = pd.to_datetime(expected["time"], unit="s").astype("datetime64[s]")
    pd.testing.assert_series_equal(data.time, times)
    assert sorted(data) == ["DESCR", "films", "ratings", "time", "users"]
    assert data.films["item"].tolist() == [10, 20, 30]
    titles = [title.replace(",", "") for title in TITLES] if name in ("1m", "10m") else TITLES
    assert data.films["title"].tolist() == titles
    assert data.films["genres"].tolist() == GENRES
    assert "ummary" in data.DESCR.lower()
    assert (data.users is None) == (name not in ("100k", "1m"))


def test_ratings_are_ready_for_fit(server, fetch):
    from sklearn_mf import MFRecommender

    data = fetch()
    top = MFRecommender(0, random_state=0).fit(data.ratings).recommend(2, n=1)
    assert top.merge(data.films)["title"].tolist() == [TITLES[1]]


def test_tables_of_100k(server, fetch):
    data = fetch("100k")
    assert list(data.films) == ["item", "title", "genres", "release_date", "imdb_url"]
    dates = data.films["release_date"]
    assert dates[:2].tolist() == [pd.Timestamp("2001-01-01"), pd.Timestamp("2009-02-04")]
    assert pd.isna(dates[2]) and pd.isna(data.films["imdb_url"][2])
    assert data.films["genres"].str.get_dummies().loc[0, ["Comedy", "Romance"]].all()
    assert list(data.users) == ["user", "gender", "age", "occupation", "zip_code"]
    assert data.users.iloc[0].tolist() == [1, "M", 24, "technician", "08571"]


def test_users_of_1m(server, fetch):
    users = fetch("1m").users
    assert users.iloc[1].tolist() == [2, "M", 56, 16, "07072"]
    assert users["zip_code"].tolist() == ["48067", "07072", "55117-1234"]


def test_known_sums_are_those_of_the_module():
    sums = [release.md5 for release in _movielens.RELEASES.values() if release.md5]
    assert len(set(sums)) == 6 and all(len(bytes.fromhex(known)) == 16 for known in sums)
    assert _movielens.BASE == "https://files.grouplens.org/datasets/movielens/"


@pytest.mark.parametrize("name", ["1m", "latest-small"])
def test_second_call_needs_no_server(server, fetch, name):
    first = fetch(name)
    server.stop()
    again = fetch(name, download_if_missing=False)
    pd.testing.assert_frame_equal(first.ratings, again.ratings)
    pd.testing.assert_frame_equal(first.films, again.films)
    assert first.DESCR == again.DESCR


def test_second_call_reads_the_ratings_from_the_cache(server, fetch, tmp_path, monkeypatch):
    first = fetch()
    parsed, read = [], _movielens._read
    monkeypatch.setattr(
        _movielens,
        "_read",
        lambda archive, folder, file, dtype: parsed.append(file.name) or read(archive, folder, file, dtype),
    )
    pd.testing.assert_frame_equal(first.ratings, fetch().ratings)
    assert parsed == ["movies.dat", "users.dat"]


def test_another_archive_gets_another_cache(server, fetch, tmp_path):
    first = fetch("latest-small")
    stem, folder, files = FILES["latest-small"]
    files = files | {"ratings.csv": b"userId,movieId,rating,timestamp\n7,10,2.5,0\n"}
    (tmp_path / "movielens" / f"{stem}.zip").write_bytes(archive(folder, files))
    assert fetch("latest-small").ratings.to_numpy().tolist() == [[7, 10, 2.5]]
    assert len(first.ratings) == 4


def test_environment_variable_and_files(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home"))
    fetch_movielens("20m")
    zipped, arrays = sorted((tmp_path / "home" / "movielens").iterdir(), reverse=True)
    assert zipped.name == "ml-20m.zip"
    assert arrays.name.startswith("ml-20m-") and arrays.suffix == ".npz"


def test_nothing_leaves_the_folder(server, fetch, tmp_path):
    fetch("1m")
    assert [name for name in listed(tmp_path) if not name.startswith("ml-1m")] == []
    assert not any("outside" in name for name in os.listdir(tmp_path.parent))


def test_missing_without_download(fetch, tmp_path):
    with pytest.raises(OSError, match=r"`download_if_missing` is False: there is no .*ml-1m\.zip"):
        fetch(download_if_missing=False)
    assert listed(tmp_path) == []


def test_archive_put_in_the_folder_by_hand(server, fetch, tmp_path):
    (tmp_path / "movielens").mkdir()
    (tmp_path / "movielens" / "ml-1m.zip").write_bytes(server.pages["/ml-1m.zip"])
    assert len(fetch(download_if_missing=False).ratings) == 4
    assert server.requests == []


def test_logs_the_download(server, fetch, caplog):
    with caplog.at_level(logging.INFO, logger="sklearn_mf"):
        fetch()
    assert f"Downloading {server.address}ml-1m.zip" in caplog.text


# Failures of the download


def test_corrupt_archive(server, fetch, tmp_path):
    known, broken = md5(server.pages["/ml-1m.zip"]), server.pages["/ml-1m.zip"][::-1]
    server.pages["/ml-1m.zip"] = broken
    with pytest.raises(OSError, match=rf"ml-1m\.zip\.part is {md5(broken)} instead of {known}.*removed"):
        fetch()
    assert listed(tmp_path) == []


def test_archive_damaged_on_the_disk(server, fetch, tmp_path):
    fetch()
    path = tmp_path / "movielens" / "ml-1m.zip"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="removed: call again"):
        fetch()
    assert not path.exists()
    assert len(fetch().ratings) == 4


def test_interrupted_download_is_resumed(server, fetch):
    server.cuts = [100_000, 50_000]
    with pytest.warns(UserWarning, match=r"Trying .*ml-1m\.zip again, . times at most, after: cut") as caught:
        data = fetch()
    assert len(data.ratings) == 4
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert [warning.filename for warning in caught] == [__file__] * 2


def test_interrupted_download_is_resumed_in_the_next_call(server, fetch, tmp_path):
    server.cuts = [100_000, 0]
    with pytest.warns(UserWarning, match="again"), pytest.raises(OSError, match=r"tried 2 times: cut after"):
        fetch(n_retries=1)
    assert listed(tmp_path) == ["ml-1m.zip.part"]
    server.requests.clear()
    assert len(fetch().ratings) == 4
    assert server.requests == [("/ml-1m.zip", "bytes=100000-")]
    assert "ml-1m.zip.part" not in listed(tmp_path)


def test_server_without_ranges_starts_over(server, fetch):
    server.ranges, server.cuts = False, [100_000]
    with pytest.warns(UserWarning, match="again"):
        data = fetch()
    assert len(data.ratings) == 4
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-"]


def test_part_that_is_longer_than_the_archive(server, fetch, tmp_path):
    part = tmp_path / "movielens" / "ml-1m.zip.part"
    part.parent.mkdir()
    part.write_bytes(server.pages["/ml-1m.zip"] + b"more")
    server.ranges = False
    assert len(fetch().ratings) == 4


def test_part_that_is_complete(server, fetch, tmp_path):
    part = tmp_path / "movielens" / "ml-1m.zip.part"
    part.parent.mkdir()
    part.write_bytes(server.pages["/ml-1m.zip"])
    assert len(fetch().ratings) == 4
    assert len(server.requests) == 1 and not part.exists()


def test_part_of_something_else(server, fetch, tmp_path):
    part = tmp_path / "movielens" / "ml-1m.zip.part"
    part.parent.mkdir()
    part.write_bytes(b"something else")
    with pytest.raises(OSError, match="removed: call again"):
        fetch()
    assert len(fetch().ratings) == 4


def test_interrupted_download_leaves_no_archive(server, fetch, tmp_path, monkeypatch):
    def interrupt(source, target):
        target.write(source.read(1000))
        raise KeyboardInterrupt

    monkeypatch.setattr(_download.shutil, "copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    assert listed(tmp_path) == ["ml-1m.zip.part"]


def test_interrupted_cache_leaves_no_cache(server, fetch, tmp_path, monkeypatch):
    def interrupt(path, **arrays):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert listed(tmp_path) == ["ml-1m.zip"]
    assert len(fetch().ratings) == 4


def test_errors_of_the_server(server, fetch):
    server.errors = [500, 503]
    with pytest.warns(UserWarning, match="50[03]"):
        assert len(fetch().ratings) == 4


def test_no_such_file_on_the_server(server, fetch, tmp_path):
    del server.pages["/ml-1m.zip"]
    with pytest.warns(UserWarning, match="404"), pytest.raises(OSError, match=r"tried 3 times: .*404"):
        fetch(n_retries=2)
    assert [path for path, _ in server.requests] == ["/ml-1m.zip"] * 3


def test_server_that_is_down(server, fetch, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_movielens, "BASE", f"http://127.0.0.1:{free.getsockname()[1]}/")
        with pytest.warns(UserWarning, match="again") as caught, pytest.raises(OSError) as failed:
            fetch()
    assert len(caught) == 3
    assert "ml-1m.zip could not be downloaded, tried 4 times: " in str(failed.value)


def test_server_that_stops_answering(server, fetch, monkeypatch):
    monkeypatch.setattr(_download, "TIMEOUT", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(_movielens, "BASE", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.warns(UserWarning, match="timed out"), pytest.raises(OSError, match="timed out"):
            fetch(n_retries=1)


def test_sum_beside_the_archive(server, fetch, tmp_path):
    fetch("latest-small")
    assert [path for path, _ in server.requests] == ["/ml-latest-small.zip.md5", "/ml-latest-small.zip"]


def test_sum_beside_the_archive_that_differs(server, fetch, tmp_path):
    server.pages["/ml-latest-small.zip.md5"] = b"0123456789abcdef0123456789abcdef  ml-latest-small.zip\n"
    with pytest.raises(OSError, match=r"instead of 0123456789abcdef0123456789abcdef"):
        fetch("latest-small")
    assert listed(tmp_path) == []


def test_sum_beside_the_archive_that_is_none(server, fetch, tmp_path):
    server.pages["/ml-latest-small.zip.md5"] = b"<html>Please log in</html>"
    with (
        pytest.warns(UserWarning, match="again"),
        pytest.raises(OSError, match="no MD5 sum but '<html>"),
    ):
        fetch("latest-small", n_retries=1)
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "not a zip file"),
        (archive("other", FILES["latest-small"][2]), r"no item named 'ml-latest-small/ratings\.csv'"),
        (archive("ml-latest-small", FILES["latest-small"][2] | {"ratings.csv": b"a,b,c,d\n1,2,x,4\n"}), "x"),
    ],
)
def test_archive_of_something_else(server, fetch, content, message):
    server.pages["/ml-latest-small.zip"] = content
    server.pages["/ml-latest-small.zip.md5"] = md5(content).encode()
    with pytest.raises(ValueError, match=rf"ml-latest-small\.zip is not understood: .*{message}"):
        fetch("latest-small")


def test_many_at_once(server, tmp_path):
    """Processes that start together, as those of a search do, leave one complete archive."""
    results = []

    def work():
        results.append(len(fetch_movielens("1m", data_home=tmp_path, **QUICK).ratings))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [4] * 8
    assert (tmp_path / "movielens" / "ml-1m.zip").read_bytes() == server.pages["/ml-1m.zip"]


@pytest.mark.parametrize(
    "arguments",
    [{"name": "2m"}, {"n_retries": 0}, {"delay": 0}, {"data_home": 3}, {"download_if_missing": "no"}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_parameters_are_checked(arguments):
    with pytest.raises(ValueError, match=f"The '{next(iter(arguments))}' parameter of fetch_movielens"):
        fetch_movielens(**arguments)
