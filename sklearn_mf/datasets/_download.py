"""Resumable, checksum-verified and atomic download.

The fetchers of scikit-learn and pooch start again after an interrupted download.
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
    """Download a file to `path`, under the name `path` + ".part" until its MD5 sum is verified."""
    part = path.with_name(path.name + ".part")
    retry(lambda: _resume(url, part), url, n_retries, delay)
    try:
        verify(part, md5)
        if not path.exists():
            os.replace(part, path)
    except OSError:
        if not path.exists():  # else another process has finished, and `part` may belong to a third
            raise


def read_text(url: str) -> str:
    """Text of a small file."""
    with urlopen(url, timeout=TIMEOUT) as response:
        return str(response.read().decode("utf-8", "replace"))


def verify(path: Path, md5: str) -> None:
    """Remove a file and raise an OSError if its MD5 sum is not `md5`."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        path.unlink()
        raise OSError(
            f"The MD5 sum of {path} is {found} instead of {md5}, and the file was removed: call again to "
            "download it once more."
        )


def retry(attempt: Callable[[], T], url: str, n_retries: int, delay: float) -> T:
    """Result of `attempt`, which is repeated after network errors at most `n_retries` times."""
    n_left = n_retries
    while True:
        try:
            return attempt()
        except (OSError, HTTPException) as error:
            if isinstance(error, OSError) and not isinstance(error, HTTPError) and error.filename:
                raise  # an error of the disk
            if not n_left:
                raise OSError(
                    f"{url} could not be downloaded, tried {n_retries + 1} times: {error}"
                ) from error
            warn_user(f"Trying {url} again, {n_left} times at most, after: {error}")
        n_left -= 1
        time.sleep(delay)


def _resume(url: str, part: Path) -> None:
    """Download the rest of `part`; two processes may write the same bytes at the same time."""
    with open(part, "r+b", opener=_create) as file:
        start = file.seek(0, os.SEEK_END)
        request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            response = urlopen(request, timeout=TIMEOUT)
        except HTTPError as error:
            if start and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # the part is complete, or the checksum will show that it is not
            raise
        with response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:  # the server sends the whole file
                file.seek(0)
            end = file.tell() + int(response.headers.get("Content-Length", 0))
            shutil.copyfileobj(response, file)
        if file.tell() < end:
            raise ConnectionError(f"cut after {file.tell()} of {end} bytes")
        file.truncate()


def _create(path: str, flags: int) -> int:
    """Open a file, and create it if necessary, without emptying it."""
    return os.open(path, flags | os.O_CREAT, 0o666)
