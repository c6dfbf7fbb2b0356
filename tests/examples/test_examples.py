"""Every example runs, and the demo shows what it claims."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PLOTS = sorted(EXAMPLES.glob("plot_*.py"))
RATINGS = [(1, 10, 4), (1, 20, 3.5), (2, 10, 5), (3, 30, 1)]


@pytest.fixture
def read_ratings(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from movielens import read_ratings

    return read_ratings


def run(script, *arguments, **environment):
    environment = {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


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
def test_example_runs(script):
    done = run(script, SKLEARN_MF_EXAMPLE_ROWS="8000")
    assert done.returncode == 0, done.stderr


def errors(printed):
    """RMSE and MAE by model, as the demo prints them."""
    lines = re.findall(r"^(\S.*?) +(\d\.\d+) +(\d\.\d+)$", printed, flags=re.MULTILINE)
    return {name: (float(rmse), float(mae)) for name, rmse, mae in lines}


def test_demo_keeps_its_claims():
    done = run(EXAMPLES / "plot_recommend_movies.py")
    assert done.returncode == 0, done.stderr
    assert "100,004 ratings of 9,066 films by 671 users" in done.stdout
    mean, biases, default = errors(done.stdout).values()
    assert default[0] <= biases[0] - 0.015 < mean[0]
    assert default[1] < biases[1] < mean[1]
    assert len(re.findall(r"^ +500 +\d+ +[1-5] ", done.stdout, flags=re.MULTILINE)) == 5
    assert float(re.search(r"([\d.]+) seconds", done.stdout)[1]) < 60


def ratings_file(folder):
    path = folder / "ratings.dat"
    path.write_text(
        "".join(f"{u}::{i}::{(u * i) % 5 + 1}::0\n" for u in range(1, 21) for i in range(u % 3, 30, 2))
    )
    (folder / "movies.dat").write_text("".join(f"{i}::Film {i} (1999)::Drama\n" for i in range(1, 30)))
    return path


def test_demo_reads_a_file(tmp_path):
    done = run(EXAMPLES / "plot_recommend_movies.py", "--ratings", ratings_file(tmp_path), "--user", 7)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ +7 +\d+ +1 .* Film \d+ \(1999\)$", done.stdout, flags=re.MULTILINE)


def test_demo_takes_the_first_user_where_500_is_not(tmp_path):
    done = run(EXAMPLES / "plot_recommend_movies.py", "--ratings", ratings_file(tmp_path))
    assert "user 1 would like most" in done.stdout


def test_demo_says_what_it_lacks(tmp_path):
    path = ratings_file(tmp_path)
    done = run(EXAMPLES / "plot_recommend_movies.py", "--ratings", path, "--user", 500)
    assert done.returncode == 2
    assert "no ratings of user 500" in done.stderr
    done = run(EXAMPLES / "plot_recommend_movies.py", "--ratings", tmp_path / "none.csv")
    assert done.returncode == 2
    assert "none.csv" in done.stderr
