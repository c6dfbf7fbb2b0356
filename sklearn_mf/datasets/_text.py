"""Tables of text, which pandas reads fast whatever stands between the fields."""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO, Any

import pandas as pd

SPACES = r"\s+"
MARK = "\x1f"  # the separator of units in ASCII, which text does not hold
# KeyError: what an archive lacks.
_UNREADABLE = (ValueError, KeyError, EOFError, csv.Error, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


@contextmanager
def naming_file_in_errors(path: PathLike[str]) -> Iterator[None]:
    """Turn the errors of a file that cannot be read into a ValueError that names it.

    Parameters
    ----------
    path : path
        The file.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    ValueError
        Where the block fails on what the file holds.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise ValueError(f"{path} is not understood: {str(error).strip()}") from error


def read_table(file: IO[bytes], sep: str, **options: Any) -> pd.DataFrame:
    """Read a table of text. Only what is empty is missing: "NA" is text.

    Parameters
    ----------
    file : binary file
        Opened for reading.
    sep : str
        What stands between two fields: one character, several, or `SPACES`.
    **options : dict
        Passed to :func:`pandas.read_csv`.

    Returns
    -------
    table : DataFrame
        The table.
    """
    if len(sep) > 1 and sep != SPACES:  # several characters would take the slow parser of pandas
        file, sep = io.BytesIO(file.read().replace(sep.encode(), MARK.encode())), MARK
    return pd.read_csv(file, sep=sep, keep_default_na=False, na_values=[""], **options)
