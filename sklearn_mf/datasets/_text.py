"""What the readers of text have in common."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

SPACES = r"\s+"
MARK = "\x1f"  # the unit separator of ASCII, which text does not hold
# An archive that lacks a file raises a KeyError.
_UNREADABLE = (ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile)


@contextmanager
def naming_file_in_errors(path: PathLike[str]) -> Iterator[None]:
    """Turn the errors of a file that cannot be read into a ValueError that names the file."""
    try:
        yield
    except _UNREADABLE as error:
        raise ValueError(f"{path} is not understood: {str(error).strip()}") from error
