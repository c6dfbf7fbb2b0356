"""Every example runs, and the demo shows what it claims."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
import sklearn

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DEMO = EXAMPLES / "plot_recommend_movies.py"
PLOTS = sorted({*EXAMPLES.glob("plot_*.py")} - {DEMO})  # the demo has tests of its own
RATINGS = [(1, 10, 4), (1, 20, 3.5), (2, 10, 5), (3, 30, 1)]


@pytest.fixture
def read_ratings(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from movielens import read_ratings

    return read_ratings


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Run an example in this process, where TensorFlow has started already; what it prints."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("SKLEARN_MF_EXAMPLE_ROWS", "3800")
    matplotlib.use("Agg")

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        with plt.rc_context(), sklearn.config_context():
            runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    yield run
    plt.close("all")


LINES = "".join(f"{user},{item},{rating},978300760\n" for user, item, rating in RATINGS)


@pytest.mark.parametrize("header", ["", "user,item,stars,timestamp\n"])
def test_read_ratings(read_ratings, tmp_path, header):
    path = tmp_path / "ratings.csv"
    path.write_text(header + LINES)
    ratings, titles = read_ratings(path)
    pd.testing.assert_frame_equal(ratings, pd.DataFrame(RATINGS, columns=["userId", "movieId", "rating"]))
    assert titles.to_dict() == {10: "[10]", 20: "[20]", 30: "[30]"}


TITLES = {
    "movies.csv": 'movieId,title,genres\n10,"Amélie, or not (2001)",Comedy\n20,Up (2009),Drama\n'.encode(),
    "movies.dat": '10::Amélie, or not (2001)::Comedy\n20::Up (2009)::"Drama\n'.encode("latin-1"),
    "u.item": '10|Amélie, or not (2001)|01-Jan-2001||"url|0\n20|Up (2009)|||url|1\n'.encode("latin-1"),
}


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("text_ids", [False, True])
def test_read_ratings_with_titles(read_ratings, tmp_path, name, text_ids):
    (tmp_path / name).write_bytes(TITLES[name])
    (tmp_path / "ratings.csv").write_text(LINES + "1,ten,3,0\n" * text_ids)
    ratings, titles = read_ratings(tmp_path / "ratings.csv")
    assert titles[ratings["movieId"][:2]].tolist() == ["Amélie, or not (2001)", "Up (2009)"]
    assert titles[ratings["movieId"][3]] == "[30]"


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv"])
def test_read_ratings_names_the_file_that_it_refuses(read_ratings, tmp_path, name):
    (tmp_path / "ratings.csv").write_text(LINES)
    (tmp_path / name).write_bytes(b"1,2,3\n1,\xff,3\n")
    with pytest.raises(ValueError, match=f"{name} is not understood: .*decode"):
        read_ratings(tmp_path / "ratings.csv")


@pytest.mark.parametrize("script", PLOTS, ids=lambda script: script.stem)
@pytest.mark.usefixtures("short_fits")
def test_example_runs(script, run_here):
    assert run_here(script)
    assert plt.get_fignums(), "an example shows a picture"


def figures(printed):
    """Both figures of each row of each table that the demo prints, in order: lists first, then errors."""
    lines = re.findall(r"^(\S.*?) +(\d\.\d+) +(\d\.\d+)$", printed, flags=re.MULTILINE)
    return [(float(first), float(second)) for _, first, second in lines]


def test_demo_keeps_its_claims_and_prints_nothing_on_stderr():
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, DEMO], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "100,004 ratings of 9,066 films by 671 users" in done.stdout
    popular, implicit, lists, mean, biases, default = figures(done.stdout)
    assert min(implicit[0], lists[0]) >= 1.7 * popular[0]
    assert min(implicit[1], lists[1]) >= 1.5 * popular[1]
    assert default[0] <= biases[0] - 0.025 < mean[0]
    assert default[1] < biases[1] < mean[1]
    shown, rated = re.findall(r"user 500 .*\n.*title.*\n(?:rank.*\n)?((?:.+\n)+)", done.stdout)
    assert re.findall(r"^\d", shown, flags=re.MULTILINE) == list("12345")
    assert rated.count("\n") == 5
    assert float(re.search(r"([\d.]+)% of the films in all lists", done.stdout)[1]) < 1
    assert float(re.search(r"([\d.]+) seconds", done.stdout)[1]) < 60


def ratings_file(folder):
    path = folder / "ratings.dat"
    path.write_text(
        "".join(f"{u}::{i}::{(u * i) % 5 + 1}::0\n" for u in range(1, 21) for i in range(u % 3, 30, 2))
    )
    (folder / "movies.dat").write_text("".join(f"{i}::Film {i} (1999)::Drama\n" for i in range(1, 30)))
    return path


def test_demo_reads_a_file(tmp_path, run_here):
    printed = run_here(DEMO, "--ratings", ratings_file(tmp_path), "--user", 7)
    assert re.search(r"^1 +Film \d+ \(1999\) +\d+ +\d\.\d+$", printed, flags=re.MULTILINE)
    assert plt.get_fignums(), "the demo shows a picture"


def test_demo_takes_the_first_user_where_500_is_not(tmp_path, run_here):
    assert "user 1 would like to be shown" in run_here(DEMO, "--ratings", ratings_file(tmp_path))


@pytest.mark.parametrize(
    ("name", "user", "message"),
    [("ratings.dat", 500, "no ratings of user 500"), ("none.csv", 7, "none.csv")],
)
def test_demo_says_what_it_lacks(tmp_path, run_here, capsys, name, user, message):
    ratings_file(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run_here(DEMO, "--ratings", tmp_path / name, "--user", user)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
