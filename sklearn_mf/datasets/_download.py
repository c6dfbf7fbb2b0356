"""A file from the net: checked, gone on with where it was cut, and never half there under its name.

Scikit-learn's fetchers start over when a download is cut, and check SHA-256 sums, which GroupLens does not
publish.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sklearn_mf.utils._warnings import warn_user

TIMEOUT = 60.0  # seconds without a byte

T = TypeVar("T")


def download(url: str, path: Path, md5: str, n_retries: int, delay: float) -> None:
    """Download a file, or what is lacking of it.

    Parameters
    ----------
    url : str
        Where the file is.
    path : path
        Where to put it. Until it is complete and checked, it is called `path` with ".part" behind.
    md5 : str
        MD5 sum of the file.
    n_retries : int
        How often to go on after an error.
    delay : float
        Seconds before that.

    Raises
    ------
    OSError
        Where the download fails, or the sum is another.
    """
    part = path.with_name(path.name + ".part")
    retry(lambda: _go_on(url, part), url, n_retries, delay)
    try:
        verify(part, md5)
        if not path.exists():
            os.replace(part, path)
    except OSError:
        if not path.exists():  # else another process has put it there, and `part` may be that of a third
            raise


def read_text(url: str) -> str:
    """Read a small file of text.

    Parameters
    ----------
    url : str
        Where the file is.

    Returns
    -------
    text : str
        What it holds.
    """
    with urlopen(url, timeout=TIMEOUT) as response:
        return str(response.read().decode("utf-8", "replace"))


def verify(path: Path, md5: str) -> None:
    """Remove a file that is not what it should be.

    Parameters
    ----------
    path : path
        The file.
    md5 : str
        Its MD5 sum.

    Raises
    ------
    OSError
        Where the sum is another.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        path.unlink()
        raise OSError(
            f"The MD5 sum of {path} is {found}, not {md5} as it should be. The file was removed: call again "
            "to download it anew."
        )


def retry(attempt: Callable[[], T], url: str, n_retries: int, delay: float) -> T:
    """Try again after an error of the net.

    Parameters
    ----------
    attempt : callable
        What to do.
    url : str
        What to call it in warnings and errors.
    n_retries : int
        How often to try again.
    delay : float
        Seconds before that.

    Returns
    -------
    result : object
        What `attempt` returns.

    Raises
    ------
    OSError
        Where the last attempt fails.
    """
    n_left = n_retries
    while True:
        try:
            return attempt()
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and not isinstance(error, HTTPError) and error.filename:
                raise  # of the disk, not of the net
            if not n_left:
                raise OSError(
                    f"{url} could not be downloaded, tried {n_retries + 1} times: {error}"
                ) from error
            warn_user(f"Trying {url} again, {n_left} times at most, after: {error}")
        n_left -= 1
        time.sleep(delay)


def _go_on(url: str, part: Path) -> None:
    """Download what `part` lacks.

    Two processes may do so at once: both write the same bytes to the same places.
    """
    with open(part, "r+b", opener=_create) as file:
        start = file.seek(0, os.SEEK_END)
        request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            response = urlopen(request, timeout=TIMEOUT)
        except HTTPError as error:
            if (
                start and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            ):  # nothing is lacking; the sum will tell
                return
            raise
        with response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:  # the server starts over
                file.seek(0)
            end = file.tell() + int(response.headers.get("Content-Length", 0))
            shutil.copyfileobj(response, file)
        if file.tell() < end:
            raise ConnectionError(f"cut after {file.tell()} of {end} bytes")
        file.truncate()


def _create(path: str, flags: int) -> int:
    """Open a file, which is made but not emptied."""
    return os.open(path, flags | os.O_CREAT, 0o666)
