"""The content of a file of text: decompressed, and decoded whatever its encoding."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

PARQUET = b"PAR1"
# Other formats by their first bytes, and a program that reads them.
OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook: read it with pandas.read_excel",
    b"ARROW1": "an Arrow (Feather) file: read it with pandas.read_feather",
    b"FEA1": "a Feather file: read it with pandas.read_feather",
    b"ORC": "an ORC file: read it with pandas.read_orc",
    b"\x89HDF": "an HDF5 file: read it with pandas.read_hdf",
    b"SQLite format 3": "an SQLite database: read it with pandas.read_sql",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard: decompress it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it first",
    b"Rar!\x1a\x07": "a RAR archive: unpack it first",
}
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # starts with the mark of UTF-16, and therefore stands before it
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


def is_parquet(path: Path) -> bool:
    """Whether the name or the first bytes of a file are those of Parquet."""
    if path.suffix in (".parquet", ".pq"):
        return True
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def read_text(path: Path, encoding: str) -> bytes:
    """Text of a file, decompressed, in UTF-8, with line ends as "\\n"; the last line has one as well."""
    text = _to_utf8(_decompressed(path.read_bytes(), path.suffix.lower()), encoding)
    if b"\0" in text:
        raise ValueError(
            "it holds NUL bytes, so that it is no text in this encoding: pass the encoding of the file, such "
            "as encoding='utf-16', or a file of text."
        )
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


def _decompressed(content: bytes, suffix: str) -> bytes:
    """Content of a compressed file, recognised by its first bytes."""
    for magic, known in OTHER_FORMATS.items():
        if content.startswith(magic):
            raise ValueError(f"it is {known}.")
    for name, (ending, magic, decompress) in COMPRESSIONS.items():
        if re.match(magic, content):
            try:
                return decompress(content)
            except _BROKEN as error:
                raise ValueError(f"it cannot be decompressed by {name}: {error}.") from error
        if suffix == ending and content:
            raise ValueError(f"it is no {name} file, although its name ends in {suffix!r}: rename it.")
    return content


def _from_bz2(content: bytes) -> bytes:
    """Content of a bz2 file; unlike `bz2.decompress`, raises an EOFError if the end is missing."""
    with bz2.open(io.BytesIO(content)) as file:
        return file.read()


def _only_file(content: bytes) -> bytes:
    """The file of a zip archive that holds no other one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        names = [name for name in names if not name.startswith("__MACOSX/")]
        if "[Content_Types].xml" in names:
            raise ValueError("it is an Excel workbook: read it with pandas.read_excel.")
        if len(names) != 1:
            raise ValueError(
                f"it is a zip archive of {len(names)} files, {names[:5]}: unpack it and pass the file of the "
                "ratings."
            )
        return archive.read(names[0])


# Ending of the name, regular expression of the first bytes, and function of each compression.
COMPRESSIONS: dict[str, tuple[str, bytes, Callable[[bytes], bytes]]] = {
    "gzip": (".gz", rb"\x1f\x8b", gzip.decompress),
    "bz2": (".bz2", rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", _from_bz2),
    "xz": (".xz", rb"\xfd7zXZ\x00", lzma.decompress),
    "zip": (".zip", rb"PK(\x03\x04|\x05\x06)", _only_file),
}


def _to_utf8(content: bytes, encoding: str) -> bytes:
    """Text in UTF-8, without a byte order mark, which tells the encoding where there is one."""
    for mark, marked in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            content, encoding = content[len(mark) :], marked
            break
    if codecs.lookup(encoding).name == "utf-8" and content.isascii():
        return content
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"byte {content[error.start]:#04x} in its line {line} cannot be decoded as {encoding}: pass the "
            "encoding of the file, such as encoding='latin-1'."
        ) from error
    return content if codecs.lookup(encoding).name == "utf-8" else text.encode()
