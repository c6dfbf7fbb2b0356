"""The MovieLens ratings of GroupLens."""

import csv
import io
import logging
import os
import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal, NamedTuple
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from sklearn_mf.datasets._download import download, read_text, retry, verify
from sklearn_mf.datasets._text import MARK, naming_file_in_errors
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, validate_params

BASE = "https://files.grouplens.org/datasets/movielens/"

RATING = ["user", "item", "rating", "time"]
FILM = ["item", "title", "genres"]
PERSON = ["user", "gender", "age", "occupation", "zip_code"]
GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
# Types of the ratings in the cache, which are shorter than the returned ones and as exact.
STORED = {"user": "int32", "item": "int32", "rating": "float32", "time": "int64"}
RETURNED = {"user": "int64", "item": "int64", "rating": "float64", "time": "datetime64[s]"}

logger = logging.getLogger(__name__)


class Format(NamedTuple):
    """Format of a table in an archive, as :func:`pandas.read_csv` takes it.

    Parameters
    ----------
    sep : str
        Delimiter.
    header : int or None
        Row of the header.
    quoting : {0, 3}
        Meaning of quotation marks: `csv.QUOTE_MINIMAL` or `csv.QUOTE_NONE`.
    encoding : str
        Encoding.
    """

    sep: str
    header: int | None = None
    quoting: Literal[0, 3] = csv.QUOTE_NONE
    encoding: str = "latin-1"


COMMAS = Format(",", 0, csv.QUOTE_MINIMAL, "utf-8")
COLONS = Format("::", encoding="utf-8")
OLD_COLONS, OLD_BARS, OLD_TABS = Format("::"), Format("|"), Format("\t")


class File(NamedTuple):
    """A table in an archive.

    Parameters
    ----------
    name : str
        Name of the file.
    columns : list of str
        Names of its columns.
    format : Format
        Its format.
    """

    name: str
    columns: list[str]
    format: Format


class Release(NamedTuple):
    """One of the data sets.

    Parameters
    ----------
    archive : str
        Name of the archive, without its suffix.
    md5 : str or None
        MD5 sum of the archive; None if it changes over time.
    folder : str
        Folder in the archive.
    ratings, films : File
        Tables of every data set.
    users : File or None
        Table of the users.
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
    """Load the MovieLens ratings of films, and download them from GroupLens if necessary.

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

    "latest-small" changes over time; the table shows the edition of 2018.

    The data sets are not part of this package. GroupLens allows their use in research if the use is
    acknowledged [1]_ and no endorsement by the University of Minnesota or by GroupLens is implied. Commercial
    use requires permission, and so does the redistribution of "100k", "1m" and "10m"; the other data sets may
    be redistributed under the same terms. The `DESCR` of each data set holds its terms.

    Parameters
    ----------
    name : {"100k", "1m", "10m", "20m", "25m", "32m", "latest-small"}, default="100k"
        Name of the data set.
    data_home : str or path-like, default=None
        Folder of data sets; the archive is stored in its folder "movielens". None is the folder of
        :func:`sklearn.datasets.get_data_home`: the environment variable SCIKIT_LEARN_DATA, or else
        "~/scikit_learn_data".
    download_if_missing : bool, default=True
        If False, raise an OSError if the archive is not in the folder.
    n_retries : int, default=3
        Number of retries when the download fails. A retry, or a later call, resumes the download where it
        was interrupted.
    delay : float, default=1.0
        Number of seconds between retries.

    Returns
    -------
    data : Bunch
        - ratings : DataFrame of shape (n_ratings, 3), with the columns "user" and "item" (int64) and
          "rating" (float64), ready for `fit(data.ratings)`
        - time : Series of shape (n_ratings,), datetime64[s], the time of each rating in UTC, ready for the
          `groups` of a splitter
        - films : DataFrame with "item", "title" and "genres" ("Comedy|Drama") of each film; for "100k" also
          with "release_date" and "imdb_url"
        - users : DataFrame with "user", "gender", "age", "occupation" and "zip_code" of each user, or None
          if the data set has no such table; the `DESCR` of "1m" explains its codes
        - DESCR : str, the description by GroupLens

    Raises
    ------
    OSError
        If the last retry fails, if the MD5 sum of the archive differs from that of GroupLens, or if the
        archive is missing and `download_if_missing` is False.
    ValueError
        If the archive is not understood.

    See Also
    --------
    load_ratings : Load ratings from a file.
    make_ratings : Generate ratings of a known low rank.

    Notes
    -----
    The archive is kept as it was downloaded, and is not unpacked. A second file beside it caches the ratings
    as arrays, which later calls read faster. An archive that was put in the folder by hand is verified and
    used like a downloaded one.

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

    Without a network:

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
    return Bunch(ratings=ratings, time=time, films=films, users=users, DESCR=description)


def _provide(path: Path, md5: str | None, download_if_missing: bool, n_retries: int, delay: float) -> None:
    """Verify the archive if it has a known MD5 sum, or download it if it is missing."""
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
    """The MD5 sum that GroupLens publishes beside an archive, as "MD5 (ml-1m.zip) = c4d9..."."""
    text = read_text(url)
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if not found:
        raise OSError(f"it holds no MD5 sum but {text[:80]!r}")
    return found[0].lower()


def _cached_ratings(archive: ZipFile, release: Release, path: Path) -> Path:
    """File of the ratings as arrays, written if it is missing; its name contains their checksum."""
    checksum = archive.getinfo(f"{release.folder}/{release.ratings.name}").CRC
    cache = path.with_name(f"{release.archive}-{checksum:08x}.npz")
    if not cache.exists():
        table = _read(archive, release.folder, release.ratings, STORED)
        with TemporaryDirectory(dir=path.parent) as scratch:  # an interruption leaves no incomplete file
            user, item, rating, time = (table[name].to_numpy() for name in STORED)
            np.savez(Path(scratch, cache.name), user=user, item=item, rating=rating, time=time)
            os.replace(Path(scratch, cache.name), cache)
    return cache


def _read_rest(archive: ZipFile, release: Release) -> tuple[pd.DataFrame, pd.DataFrame | None, str]:
    """Table of the films, table of the users, and description."""
    films = _read(archive, release.folder, release.films, {"title": str, "genres": str})
    if "genres" not in films:
        films = _with_genres(films)
    users = None
    if release.users is not None:
        users = _read(archive, release.folder, release.users, {"zip_code": str})[PERSON]
    readmes = [name for name in archive.namelist() if name.startswith(f"{release.folder}/README")]
    return films, users, "".join(archive.read(name).decode("utf-8", "replace") for name in readmes)


def _read(archive: ZipFile, folder: str, file: File, dtype: Mapping[str, str | type[str]]) -> pd.DataFrame:
    """A table of an archive, in which only an empty field is missing."""
    sep, header, quoting, encoding = file.format
    with archive.open(f"{folder}/{file.name}") as zipped:
        stream: IO[bytes] = zipped
        if len(sep) > 1:  # pandas has only a slow parser for several characters
            stream, sep = io.BytesIO(zipped.read().replace(sep.encode(), MARK.encode())), MARK
        return pd.read_csv(
            stream,
            sep=sep,
            header=header,
            names=file.columns,
            dtype=dtype,
            quoting=quoting,
            encoding=encoding,
            keep_default_na=False,
            na_values=[""],
        )


def _with_genres(films: pd.DataFrame) -> pd.DataFrame:
    """Films of "100k", whose 19 columns of 0 and 1 for the genres become one column of text."""
    names = GENRES.split("|")
    joined = films[names].to_numpy(object) @ np.array([f"{name}|" for name in names], object)
    genres = pd.Series(joined, dtype=str).str.rstrip("|")
    dates = pd.to_datetime(films["release_date"], format="%d-%b-%Y")
    return films[["item", "title"]].assign(genres=genres, release_date=dates, imdb_url=films["imdb_url"])
