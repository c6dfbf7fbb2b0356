"""The MovieLens ratings, from GroupLens."""

import csv
import logging
import os
import re
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from sklearn_mf.datasets._download import download, read_text, retry, verify
from sklearn_mf.datasets._text import naming_file_in_errors, read_table
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, validate_params

BASE = "https://files.grouplens.org/datasets/movielens/"

RATING = ["user", "item", "rating", "time"]
FILM = ["item", "title", "genres"]
PERSON = ["user", "gender", "age", "occupation", "zip_code"]
GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
# Types of the ratings in the cache, shorter than those that are returned and as exact.
STORED = {"user": "int32", "item": "int32", "rating": "float32", "time": "int64"}
RETURNED = {"user": "int64", "item": "int64", "rating": "float64", "time": "datetime64[s]"}
# How the archives write their tables.
COMMAS: dict[str, Any] = {"sep": ",", "header": 0}
COLONS: dict[str, Any] = {"sep": "::", "header": None, "quoting": csv.QUOTE_NONE}
OLD_COLONS = COLONS | {"encoding": "latin-1"}
OLD_BARS = OLD_COLONS | {"sep": "|"}
OLD_TABS = OLD_COLONS | {"sep": "\t"}

logger = logging.getLogger(__name__)


class File(NamedTuple):
    """A table in an archive.

    Parameters
    ----------
    name : str
        Name of the file.
    columns : list of str
        Names of its columns.
    style : dict
        How it is written, for :func:`read_table`.
    """

    name: str
    columns: list[str]
    style: dict[str, Any]


class Release(NamedTuple):
    """One of the data sets.

    Parameters
    ----------
    archive : str
        Name of the archive, without its suffix.
    md5 : str or None
        MD5 sum of the archive; None where it changes over time.
    folder : str
        Folder in the archive.
    ratings, films : File
        Tables that every set has.
    users : File or None
        Table of the people.
    """

    archive: str
    md5: str | None
    folder: str
    ratings: File = File("ratings.csv", RATING, COMMAS)
    films: File = File("movies.csv", FILM, COMMAS)
    users: File | None = None


RELEASES = {
    "100k": Release(
        "ml-100k",
        "0e33842e24a9c977be4e0107933c0723",
        "ml-100k",
        File("u.data", RATING, OLD_TABS),
        File(
            "u.item",
            ["item", "title", "release_date", "video", "imdb_url", *GENRES.split("|")],
            OLD_BARS,
        ),
        File("u.user", ["user", "age", "gender", "occupation", "zip_code"], OLD_BARS),
    ),
    "1m": Release(
        "ml-1m",
        "c4d9eecfca2ab87c1945afe126590906",
        "ml-1m",
        File("ratings.dat", RATING, OLD_COLONS),
        File("movies.dat", FILM, OLD_COLONS),
        File("users.dat", PERSON, OLD_COLONS),
    ),
    "10m": Release(
        "ml-10m",
        "ce571fd55effeba0271552578f2648bd",
        "ml-10M100K",
        File("ratings.dat", RATING, COLONS),
        File("movies.dat", FILM, COLONS),
    ),
    "20m": Release("ml-20m", "cd245b17a1ae2cc31bb14903e1204af3", "ml-20m"),
    "25m": Release("ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada", "ml-25m"),
    "32m": Release("ml-32m", "d472be332d4daa821edc399621853b57", "ml-32m"),
    "latest-small": Release("ml-latest-small", None, "ml-latest-small"),
}


@validate_params(
    {
        "name": [StrOptions(set(RELEASES))],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "n_retries": [Interval(Integral, 1, None, closed="left")],
        "delay": [Interval(Real, 0.0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_movielens(
    name: str = "100k",
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load MovieLens ratings of films, downloading them from GroupLens if necessary.

    ============== ========== ======= ====== ============== ===== =================
    name              ratings   users  films stars          users archive
    ============== ========== ======= ====== ============== ===== =================
    "100k"            100,000     943  1,682 1 to 5         yes   5 MB, 1998
    "1m"            1,000,209   6,040  3,883 1 to 5         yes   6 MB, 2003
    "10m"          10,000,054  69,878 10,681 0.5 to 5       no    66 MB, 2009
    "20m"          20,000,263 138,493 27,278 0.5 to 5       no    199 MB, 2016
    "25m"          25,000,095 162,541 62,423 0.5 to 5       no    262 MB, 2019
    "32m"          32,000,204 200,948 87,585 0.5 to 5       no    239 MB, 2024
    "latest-small"    100,836     610  9,742 0.5 to 5       no    1 MB, 2018
    ============== ========== ======= ====== ============== ===== =================

    "latest-small" changes over time; the row above is that of the edition of 2018.

    The data sets are not part of this package. GroupLens lets anyone use them for research, as long as the
    use is acknowledged [1]_ and no endorsement by the University of Minnesota or by GroupLens is implied.
    Commercial use takes their permission, and so does passing on "100k", "1m" and "10m"; the others may be
    passed on under the same terms. The terms of each set are in its `DESCR`.

    Parameters
    ----------
    name : {"100k", "1m", "10m", "20m", "25m", "32m", "latest-small"}, default="100k"
        Which data set.
    data_home : str or path-like, default=None
        Folder of data sets; the archive goes to its folder "movielens". None is the one of
        :func:`sklearn.datasets.get_data_home`, "~/scikit_learn_data" or the environment variable
        SCIKIT_LEARN_DATA.
    download_if_missing : bool, default=True
        False raises an OSError where the archive is not in the folder.
    n_retries : int, default=3
        How often to try again where the download fails. It goes on where it was cut, in a later call too.
    delay : float, default=1.0
        Seconds before it tries again.

    Returns
    -------
    data : Bunch
        - ratings : DataFrame of shape (n_ratings, 3), with the columns "user" and "item" (int64) and
          "rating" (float64), ready for `fit(data.ratings)`
        - time : Series of shape (n_ratings,), datetime64[s], when each rating was given (UTC), ready for the
          `groups` of a splitter
        - items : DataFrame with "item", "title" and "genres" ("Comedy|Drama") of each film; for "100k" also
          with "release_date" and "imdb_url". Read it as `data["items"]`, or as `data.films`: a Bunch is a
          dict, whose method is `data.items`
        - users : DataFrame with "user", "gender", "age", "occupation" and "zip_code" of each user, or None
          where the set has no such table; `DESCR` explains the numbers in that of "1m"
        - DESCR : str, what GroupLens says of the set

    Raises
    ------
    OSError
        Where the download fails in the end, the archive has another MD5 sum than GroupLens gives for it, or
        `download_if_missing` is False and it is not there.
    ValueError
        Where the archive is not understood.

    See Also
    --------
    load_ratings : Ratings from a file.
    make_ratings : Ratings whose truth is known.

    Notes
    -----
    The archive stays in the folder as it was downloaded, and nothing is unpacked from it. Its ratings are
    kept beside it as arrays, so that the next call reads them in a moment. Where the download does not work,
    an archive that is put there by hand is checked and used like a downloaded one.

    References
    ----------
    .. [1] F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM Transactions on
       Interactive Intelligent Systems 5(4), article 19, 2015. https://doi.org/10.1145/2827872

    Examples
    --------
    >>> from sklearn_mf.datasets import fetch_movielens
    >>> data = fetch_movielens("100k")  # doctest: +SKIP
    >>> data.ratings.head(2)  # doctest: +SKIP
       user  item  rating
    0   196   242     3.0
    1   186   302     3.0
    >>> data.films["title"][0]  # doctest: +SKIP
    'Toy Story (1995)'

    Without a network, say so:

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     fetch_movielens("32m", data_home=folder, download_if_missing=False)
    Traceback (most recent call last):
    OSError: Data not found and `download_if_missing` is False: there is no ...ml-32m.zip.
    """
    release = RELEASES[name]
    path = Path(get_data_home(data_home), "movielens", f"{release.archive}.zip")
    _provide(path, release.md5, download_if_missing, n_retries, delay)
    with naming_file_in_errors(path), ZipFile(path) as archive:
        cache = _cached_ratings(archive, release, path)
        films, users, description = _read_rest(archive, release)
    with naming_file_in_errors(cache), np.load(cache) as stored:
        columns = {name: stored[name].astype(dtype) for name, dtype in RETURNED.items()}
    time = pd.Series(columns.pop("time"), name="time", copy=False)
    ratings = pd.DataFrame(columns, copy=False)
    tables = {"ratings": ratings, "time": time, "items": films, "films": films, "users": users}
    return Bunch(**tables, DESCR=description)


def _provide(path: Path, md5: str | None, download_if_missing: bool, n_retries: int, delay: float) -> None:
    """Make sure that the archive is there and whole."""
    if path.exists():
        if md5:
            verify(path, md5)
        return
    if not download_if_missing:
        raise OSError(f"Data not found and `download_if_missing` is False: there is no {path}.")
    path.parent.mkdir(exist_ok=True)
    url = BASE + path.name
    logger.info("Downloading %s to %s", url, path.parent)
    md5 = md5 or retry(lambda: _published_md5(url + ".md5"), url + ".md5", n_retries, delay)
    download(url, path, md5, n_retries, delay)


def _published_md5(url: str) -> str:
    """The sum that GroupLens publishes beside an archive, "MD5 (ml-1m.zip) = c4d9..."."""
    text = read_text(url)
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if not found:
        raise OSError(f"it holds no MD5 sum but {text[:80]!r}")
    return found[0].lower()


def _cached_ratings(archive: ZipFile, release: Release, path: Path) -> Path:
    """File of the ratings as arrays, made where it is missing; its name changes with the ratings."""
    checksum = archive.getinfo(f"{release.folder}/{release.ratings.name}").CRC
    cache = path.with_name(f"{release.archive}-{checksum:08x}.npz")
    if not cache.exists():
        table = _read(archive, release.folder, release.ratings, STORED)
        with TemporaryDirectory(dir=path.parent) as scratch:  # no half file under the name of a whole one
            arrays: Any = {name: table[name].to_numpy() for name in STORED}
            np.savez(Path(scratch, cache.name), **arrays)
            os.replace(Path(scratch, cache.name), cache)
    return cache


def _read_rest(archive: ZipFile, release: Release) -> tuple[pd.DataFrame, pd.DataFrame | None, str]:
    """Films, users and description."""
    films = _read(archive, release.folder, release.films, {"title": str, "genres": str})
    if "genres" not in films:
        films = _with_genres(films)
    users = None
    if release.users is not None:
        users = _read(archive, release.folder, release.users, {"zip_code": str})[PERSON]
    readmes = [name for name in archive.namelist() if name.startswith(f"{release.folder}/README")]
    return films, users, "".join(archive.read(name).decode("utf-8", "replace") for name in readmes)


def _read(archive: ZipFile, folder: str, file: File, dtype: dict[str, Any]) -> pd.DataFrame:
    with archive.open(f"{folder}/{file.name}") as stream:
        return read_table(stream, names=file.columns, dtype=dtype, **file.style)


def _with_genres(films: pd.DataFrame) -> pd.DataFrame:
    """The films of "100k", with their genres as one text in the place of 19 columns of 0 and 1."""
    names = GENRES.split("|")
    joined = films[names].to_numpy(object) @ np.array([f"{name}|" for name in names], object)
    genres = pd.Series(joined, dtype=str).str.rstrip("|")
    dates = pd.to_datetime(films["release_date"], format="%d-%b-%Y")
    return films[["item", "title"]].assign(genres=genres, release_date=dates, imdb_url=films["imdb_url"])
