"""Lines of delimited text, brought to one form: a single delimiter and no quotation marks around fields."""

import csv
import functools
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.datasets._text import MARK, SPACES

DELIMITERS = ("::", "\t", ";", ",", "|", SPACES)
RFC_4180 = (",", ";")  # delimiters of files in which a quotation mark before a field opens a quotation
BREAK = "\x1e"  # a line break inside a quoted field, so that a line is a rating
QUOTATION = rb'"[^"]*(?:""[^"]*)*"'
_MARK, _BREAK = MARK.encode(), BREAK.encode()


class Table(NamedTuple):
    """Lines of text whose fields have `MARK` between them.

    Parameters
    ----------
    text : bytes
        The lines in UTF-8, blank ones included, each with "\\n" at its end.
    starts : ndarray of shape (n_lines,)
        Position in `text` of each line that is not blank.
    widths : ndarray of shape (n_lines,)
        Number of fields in each of these lines.
    delimiter : str
        The delimiter in the file.
    """

    text: bytes
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    delimiter: str

    def fields(self, line: int) -> list[str]:
        """Fields of one of the lines that are not blank."""
        start = self.starts[line]
        text = self.text[start : self.text.index(b"\n", start)]
        return [field.strip() for field in text.decode().replace(BREAK, "\n").split(MARK)]

    def number(self, position: int | np.int64) -> int:
        """Number in the file, from 1, of the line at a position in the text."""
        return 1 + sum(self.text.count(end, 0, int(position)) for end in (b"\n", _BREAK))


def read_lines(text: bytes, delimiter: str | None) -> Table:
    """Table of a text with a known delimiter, or with the one that its first lines suggest."""
    if not text.strip():
        raise ValueError("it is empty.")
    delimiter = (delimiter.strip(" ") or SPACES) if delimiter else _guess_delimiter(text)
    if delimiter == SPACES:
        text = re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", text)
    if _is_quoted(text, delimiter):
        text = "".join(_without_quotation_marks(text, delimiter)).encode()
    elif delimiter == SPACES:
        text = re.sub(rb"[ \t]+", _MARK, text)
    elif len(delimiter.encode()) == 1:
        text = text.translate(bytes.maketrans(delimiter.encode(), _MARK))  # faster than replace
    else:
        text = text.replace(delimiter.encode(), _MARK)
    return Table(text, *_measure(text), delimiter)


def is_number(text: str) -> bool:
    """Whether a text looks like a number."""
    return re.fullmatch(r"[-+]?\.?\d[\d.eE+-]*", text) is not None


def check_widths(table: Table, header: list[str] | None) -> None:
    """Refuse a line with another number of fields than the header has, or else most of the lines."""
    n_skipped = int(header is not None)
    starts, widths = table.starts[n_skipped:], table.widths[n_skipped:]
    expected = len(header) if header else _most_frequent(widths)
    if (widths == expected + 1).all() and _all_end_in_delimiter(table, starts):
        return
    wrong = np.flatnonzero(widths != expected)
    if len(wrong):
        line = int(wrong[0]) + n_skipped
        source = f"its header {header} names" if header else "most of its lines have"
        delimiter = "a space" if table.delimiter == SPACES else repr(table.delimiter)
        raise ValueError(
            f"its line {table.number(table.starts[line])} has {table.widths[line]} fields, "
            f"{table.fields(line)[:9]}, but {source} {expected}: name all columns, quote fields that contain "
            f"{delimiter}, and write numbers with a decimal point and no thousands separator."
        )


def check_breaks(table: Table, width: int, rating: int) -> None:
    """Refuse a field over several lines if one of them is a rating by itself.

    Such a field more likely lies between two unbalanced quotation marks.
    """
    start = table.text.find(_BREAK)
    while start != -1:
        start = table.text.rfind(b"\n", 0, start) + 1
        end = table.text.index(b"\n", start)
        for line in table.text[start:end].decode().split(BREAK)[1:]:
            fields = line.replace(MARK, table.delimiter).split(table.delimiter)
            if len(fields) == width and is_number(fields[rating].strip()):
                raise ValueError(_unbalanced(table.number(start)))
        start = table.text.find(_BREAK, end)


def _guess_delimiter(text: bytes) -> str:
    """The delimiter that cuts the most of the first lines into three fields or more."""
    lines = _first_lines(text)
    n_cut = {sep: sum(len(_split(line, sep)) > 2 for line in lines) for sep in DELIMITERS}
    best = max(DELIMITERS, key=lambda sep: n_cut[sep])
    if not n_cut[best]:
        raise ValueError(
            f"its first lines, such as {lines[0].decode()[:80]!r}, are not user, item, rating between tabs, "
            "commas, semicolons, bars, spaces or '::': pass sep, the delimiter."
        )
    return best


def _first_lines(text: bytes, n: int = 20) -> list[bytes]:
    """The first lines that are not blank."""
    lines = (line.rstrip(b"\n") for line in io.BytesIO(text) if line.strip())
    return [line for line, _ in zip(lines, range(n), strict=False)]


@functools.cache
def _delimiter_pattern(delimiter: str) -> re.Pattern[bytes]:
    """A quotation, which is the first group, or a delimiter."""
    pattern = rb"[ \t]+" if delimiter == SPACES else re.escape(delimiter.encode())
    return re.compile(b"(" + QUOTATION + b")|" + pattern)


def _mark(text: bytes, delimiter: str) -> bytes:
    """Put `MARK` in the place of each delimiter outside quotations."""
    return _delimiter_pattern(delimiter).sub(lambda match: match[1] or _MARK, text)


def _split(line: bytes, delimiter: str) -> list[bytes]:
    """Fields of a line, with their quotation marks."""
    return [field.strip(b" \n") for field in _mark(line, delimiter).split(_MARK)]


def _is_quoted(text: bytes, delimiter: str) -> bool:
    """Whether quotation marks enclose fields, as RFC 4180 has it.

    In files with commas or semicolons they always do. In other files they do if every field with quotation
    marks is well formed, and every column is quoted either throughout or only where a field holds a delimiter
    or a quotation mark. Otherwise they are ordinary characters, such as those of a title.
    """
    if b'"' not in text or delimiter in RFC_4180:
        return b'"' in text
    quoted: set[int] = set()  # columns with a quoted field that needs no quotation marks
    bare: set[int] = set()
    for number, row in enumerate(_split(line, delimiter) for line in io.BytesIO(text) if line.strip()):
        marked = {place for place, field in enumerate(row) if b'"' in field}
        if not all(re.fullmatch(QUOTATION, row[place]) for place in marked):
            return False
        if number:
            bare |= {place for place, field in enumerate(row) if field not in (b"", b"NA")} - marked
        elif len(marked) == len(row):
            continue  # a header, whose columns may be numbers
        quoted |= {place for place in marked if not _needs_quotation(row[place], delimiter)}
        if quoted & bare:
            return False
    return True


def _needs_quotation(field: bytes, delimiter: str) -> bool:
    """Whether a quoted field holds a quotation mark or a delimiter."""
    return b'"' in field[1:-1] or _delimiter_pattern(delimiter).search(field[1:-1]) is not None


def _without_quotation_marks(text: bytes, delimiter: str) -> Iterator[str]:
    """Lines with `MARK` between the fields, whose quotations are resolved."""
    if len(delimiter.encode()) > 1:
        text, delimiter = _mark(text, delimiter), MARK
    lines = io.TextIOWrapper(io.BytesIO(text), "utf-8", newline="\n")
    rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 1
    try:
        for row in rows:
            yield MARK.join(row).replace("\n", BREAK) + "\n"
            number = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(_unbalanced(number)) from error


def _unbalanced(number: int) -> str:
    """Sentence about the line that opens a quotation."""
    return (
        f"its line {number} has an unbalanced quotation mark: quote the whole field and double the quotation "
        "marks inside, or read the file with pandas.read_csv(path, quoting=csv.QUOTE_NONE)."
    )


def _measure(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Position and number of fields of each line that is not blank, both (n_lines,)."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = characters[(characters == ord(MARK)) | (characters == ord("\n"))]
    widths = np.diff(np.flatnonzero(marks == ord("\n")), prepend=-1)
    single = np.flatnonzero(widths == 1)
    blank = [line for line in single if not text[starts[line] : ends[line]].strip(b" \t")]
    return np.delete(starts, blank), np.delete(widths, blank)


def _most_frequent(widths: NDArray[np.int64]) -> int:
    """The most frequent number of fields; that of the first line if it is as frequent."""
    counts = np.bincount(widths)
    return int(widths[0] if counts[widths[0]] == counts.max() else counts.argmax())


def _all_end_in_delimiter(table: Table, starts: NDArray[np.int64]) -> bool:
    """Whether the last field of each line from the first one of `starts` on is empty."""
    return re.compile(rb"[^\x1f \t\n][ \t]*\n").search(table.text, starts[0]) is None
