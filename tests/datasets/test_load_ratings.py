"""load_ratings reads common files as they are meant, and names the fault of any other file."""

import bz2
import csv
import gzip
import io
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.datasets import load_ratings

RATINGS = [(1, 10, 4), (1, 20, 3.5), (2, 10, 5), (3, 30, 1)]
TIME = 978300760


def text(separator, header=""):
    lines = [separator.join(map(str, [*rating, TIME])) for rating in RATINGS]
    return "\n".join([header, *lines] if header else lines) + "\n"


PLAIN = ["user", "item", "rating"]
# Content of a file, and the expected names of the columns.
FILES = {
    "u.data": (text("\t"), PLAIN),
    "ratings.dat": (text("::"), PLAIN),
    "ratings.csv": (text(",", "userId,movieId,rating,timestamp"), ["userId", "movieId", "rating"]),
    "any.txt": (text(","), PLAIN),
    "semicolons.csv": (text(";", "user_id;item_id;score;date"), ["user_id", "item_id", "score"]),
    "bars.txt": (text("|"), PLAIN),
    "spaces.txt": (text("   "), PLAIN),
    "spaced.csv": (text(", ", "user, item, rating, when"), PLAIN),
    "renamed.csv": (
        "rating,when,ITEM_ID,user\n" + "".join(f"{r},0,{i},{u}\n" for u, i, r in RATINGS),
        ["user", "ITEM_ID", "rating"],
    ),
    "windows.csv": (text(",", '"user","item","rating","timestamp"').replace("\n", "\r\n"), PLAIN),
    "marked.csv": ("\ufeff" + text(",", "userId,movieId,rating,timestamp"), ["userId", "movieId", "rating"]),
    "blank.csv": ("\n" + text(",", "user,item,rating,time") + "\n", PLAIN),
    "genres.csv": (
        "user,item,stars,genres\n" + "".join(f"{u},{i},{r},Drama|War|a;b;c\n" for u, i, r in RATINGS),
        ["user", "item", "stars"],
    ),
    "indexed.csv": (
        ",user,item,rating\n" + "".join(f"{n},{u},{i},{r}\n" for n, (u, i, r) in enumerate(RATINGS)),
        PLAIN,
    ),
    "closed.csv": (text(",", "user,item,rating,time").replace("760", "760,"), PLAIN),
    "quoted.csv": (
        "title,user,item,rating\n" + "".join(f'"Up, up",{u},{i},{r}\n' for u, i, r in RATINGS),
        PLAIN,
    ),
}


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="ratings.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_common_files(write, name, compressed):
    content, names = FILES[name]
    content = gzip.compress(content.encode()) if compressed else content
    ratings = load_ratings(str(write(content, name + ".gz" * compressed)))
    pd.testing.assert_frame_equal(ratings, pd.DataFrame(RATINGS, columns=names))


@pytest.mark.parametrize("name", ["u.data", "ratings.dat", "ratings.csv", "semicolons.csv", "blank.csv"])
def test_time(write, name):
    content, names = FILES[name]
    ratings, time = load_ratings(write(content, name), return_time=True)
    pd.testing.assert_frame_equal(ratings, pd.DataFrame(RATINGS, columns=names))
    assert time.dtype == np.int64 and (time == TIME).all()
    assert time.index.equals(ratings.index)


def test_ratings_are_ready_for_fit(write):
    from sklearn_mf import MFRecommender

    path = write("person;film;stars\nann;up;5\nann;heat;1\nbob;up;4\n")
    table = MFRecommender(0, random_state=0).fit(load_ratings(path)).recommend("bob")
    assert list(table) == ["person", "film", "rank", "score"]


@pytest.mark.parametrize("separator", [",", "::", "\t"])
@pytest.mark.parametrize("header", ["", "user,item,rating\n"])
def test_ids_that_are_text_stay_unchanged(write, header, separator):
    content = header + "ann,7,3\nNA,007,2\n3,x,4\nnan,None,1\n"
    ratings = load_ratings(write(content.replace(",", separator)))
    assert ratings["user"].tolist() == ["ann", "NA", "3", "nan"]
    assert ratings["item"].tolist() == ["7", "007", "x", "None"]
    assert ratings["rating"].tolist() == [3, 2, 4, 1]


def test_ids_that_are_text_after_many_numbers(write):
    content = "".join(f"{number:03},1,3\n" for number in range(100_000)) + "x,1,3\n"
    users = load_ratings(write(content))["user"]
    assert users[7] == "007" and users.iloc[-1] == "x"


@pytest.mark.parametrize("ids", [["1.50", "1.5"], ["True", "False"], ["1e3", "1000.0"]])
def test_ids_that_look_like_other_values_stay_text(write, ids):
    ratings = load_ratings(write("".join(f"{name},{name},{n}\n" for n, name in enumerate(ids))))
    assert ratings["user"].tolist() == ids and ratings["item"].tolist() == ids
    assert ratings["rating"].tolist() == [0, 1]


def test_long_numbers(write):
    users = load_ratings(write("9223372036854775807,1,3\n-5,1,3\n"))["user"]
    assert users.tolist() == [9223372036854775807, -5]
    users = load_ratings(write("123456789012345678901234567890,1,3\n5,1,3\n"))["user"]
    assert users.tolist() == ["123456789012345678901234567890", "5"]


def test_single_colons_between_double_ones(write):
    ratings = load_ratings(write("a:b:c::x:y::3\nd::e::4\n"))
    assert ratings.to_numpy().tolist() == [["a:b:c", "x:y", 3], ["d", "e", 4]]


HEADERS = [
    ("userId,movieId,rating,timestamp", [0, 1, 2, 3]),
    ("review_id,user_id,business_id,stars,useful,funny,cool,text,date", [1, 2, 3, 8]),
    ("User-ID,ISBN,Book-Rating,Time", [0, 1, 2, 3]),
    ("reviewerID,asin,reviewerName,overall,unixReviewTime", [0, 1, 3, 4]),
    ("Customer ID,Product ID,Rating,Order Date", [0, 1, 2, 3]),
    ("user_name,user,item_title,item,user_rating,datetime", [1, 3, 4, 5]),
    ("userID,artistID,weight,time", [0, 1, 2, 3]),
    ("time,score,user,film", [2, 3, 1, 0]),
    ("update_id,user,song,started,starsGiven,date of it", [1, 2, 4, 5]),
]


@pytest.mark.parametrize(("header", "places"), HEADERS, ids=[header for header, _ in HEADERS])
def test_guesses_by_name(write, header, places):
    names = header.split(",")
    line = ",".join(str(10 + place) for place in range(len(names)))
    ratings, time = load_ratings(write(f"{header}\n{line}\n"), return_time=True)
    assert [*ratings, time.name] == [names[place] for place in places]
    assert [*ratings.iloc[0], time[0]] == [10 + place for place in places]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["who", "what", "how"], ["who", "what", "how"]),
        (np.array(["who", "what", "how"]), ["who", "what", "how"]),
        ([3, 0, 1], ["who", "what", "how"]),
        (["who", 0, np.int64(1)], ["who", "what", "how"]),
    ],
)
def test_columns_in_a_file_with_a_header(write, columns, names):
    path = write("what,how,x,who\n10,4.5,y,1\n20,3,y,2\n")
    expected = pd.DataFrame([(1, 10, 4.5), (2, 20, 3.0)], columns=names)
    pd.testing.assert_frame_equal(load_ratings(path, columns=columns), expected)


def test_columns_in_a_file_without_a_header(write):
    path = write("x::10::4.5::2020-01-02::1\nx::20::3::2020-01-01::2\n")
    ratings, time = load_ratings(path, columns=[4, 1, 2, 3], return_time=True)
    assert list(ratings) == ["user", "item", "rating"] and time.name == "time"
    assert ratings.to_numpy().tolist() == [[1, 10, 4.5], [2, 20, 3]]
    assert time.tolist() == ["2020-01-02", "2020-01-01"]


def test_header_with_numbers(write):
    path = write("2019,user,item\n4,1,10\n")
    assert load_ratings(path, columns=["user", "item", "2019"]).to_numpy().tolist() == [[1, 10, 4]]


@pytest.mark.parametrize("sep", ["^", "~~", "[", "."])
def test_separators_of_any_kind(write, sep):
    path = write(f"ann{sep}10{sep}4\nbob{sep}20{sep}3\n")
    assert load_ratings(path, sep=sep).to_numpy().tolist() == [["ann", 10, 4], ["bob", 20, 3]]


def test_separator_of_spaces(write):
    path = write("ann\t10  4\nbob 20\t3\n")
    assert load_ratings(path, sep=r"\s+").to_numpy().tolist() == [["ann", 10, 4], ["bob", 20, 3]]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1) | st.text("aé0-", min_size=1).map("x{}".format),
            st.text("aé0-", min_size=1).map("x{}".format),
            st.floats(-1e6, 1e6),
        ),
        min_size=1,
    ),
    separator=st.sampled_from(["::", "\t", ";", ",", "|"]),
    header=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, rows, separator, header):
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    separated = [separator.join(map(str, row)) for row in rows]
    path.write_text("\n".join([separator.join(PLAIN)] * header + separated), encoding="utf-8")
    ratings = load_ratings(path)
    assert list(ratings) == PLAIN
    whole = all(isinstance(user, int) for user, _, _ in rows)
    assert ratings["user"].tolist() == [user if whole else str(user) for user, _, _ in rows]
    assert ratings["item"].tolist() == [item for _, item, _ in rows]
    np.testing.assert_allclose(ratings["rating"], [rating for _, _, rating in rows], rtol=1e-14)


REFUSED = [
    (b"user_id,song_id,start_time\n1,2,1700000000\n", "does not name one column each for user, item, rating"),
    (b"", "it is empty"),
    (b"\n\n", "it is empty"),
    (b"some text\n", "first lines, such as 'some text', are not user, item, rating"),
    (b"1,2\n", "first lines, such as '1,2', are not user, item, rating"),
    (
        b"user,film,mood\n1,2,3\n",
        r"\['user', 'film', 'mood'\] does not name one column each for user, item, rating; "
        r"found user in \['user'\], item in \['film'\], rating in \[\]. Pass columns",
    ),
    (b"userId,user,item,rating\n1,1,2,3\n", r"found user in \['userId', 'user'\], item in \['item'\]"),
    (b"id,user_rating,item\n1,2,3\n", r"found user in \['user_rating'\].*rating in \['user_rating'\]"),
    (b"user,item,rating\n", "it holds no rating, only the header"),
    (
        b"user item rating\n1 1 10 4\n2 1 20 3\n",
        r"line 2 has 4 fields, \['1', '1', '10', '4'\], but its header \['user', 'item', 'rating'\] names 3: "
        "name all columns, quote fields that contain a space",
    ),
    (b"1,2,3\n1,2,good\n", "ratings are not all numbers, 'good' in row 1 is not"),
    (b"1,2,3\n1,2,NA\n", "ratings are not all numbers, 'NA' in row 1"),
    (b"1,2,True\n1,2,False\n", "ratings are not all numbers, .*True.* in row 0"),
    (b"1,2,3\n1,2,inf\n", "ratings are not all numbers, one is infinite"),
    (b"1,2,3\n1,,3\n", "row 1 lacks a value: {'user': 1, 'item': nan, 'rating': 3}"),
    (b"ann,2,3\n,2,3\n", "row . lacks a value"),
    (b"1,2,3\n1,2,3,4,5\n1,2\n", r"line 2 has 5 fields, \['1', .*'5'\], but most of its lines have 3"),
    (b"1,2,3\n" * 30 + b"1,2\n", r"line 31 has 2 fields, \['1', '2'\], but most of its lines have 3"),
    (b"1,2\n1,2,3\n4,5,6\n", "line 1 has 2 fields"),
    (b"\n1,2,3\n \n\n4,5,6\n1,2,3,4\n", "line 6 has 4 fields"),
    (b"user,item,rating\n1,10,4\n1,11,3,5\n1,1,1\n", r"line 3 has 4 fields, .* names 3: .* decimal point"),
    (b"user,item,rating\n1,11,3,5\n1,10,4,0\n", "line 2 has 4 fields"),
    (b"user,item,rating\n1,10,4\n1,234,10,5\n", "line 3 has 4 fields"),
    (b"user,item,rating,time\n1,10,4,7\n1,10,4\n", "line 3 has 3 fields, .* names 4"),
    (b"user,item,rating,time\n1,10,4\n1,10,4\n", "line 2 has 3 fields, .* names 4"),
    (b"user,item,rating\n1,10,4\n1,10,4,\n", "line 3 has 4 fields"),
    (b"1::2::3\n1::2::3::4\n4::5::6\n", r"line 2 has 4 fields.*fields that contain '::'"),
    (b"1;2;3,5\n1;2;4\n", r"'3,5' in row 0 is not: .*\['user', 'item', 'rating'\].* decimal point"),
    (b"\xff\xfe\x00", "decoded as utf-16-le"),
    (b"ann,2,3\n\xe9va,2,3\n", "byte 0xe9 in its line 2 cannot be decoded as utf-8: .*encoding='latin-1'"),
    ("ann,2,3\n".encode("utf-16-le"), "NUL bytes.*encoding='utf-16'"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_refuses(write, content, message):
    with pytest.raises(ValueError, match=rf"ratings\.csv is not understood: .*{message}"):
        load_ratings(write(content))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["user", "item", "stars"], r"no column 'stars', its first line is \['user', 'item', 'rating'\]"),
        ([0, 1, 3], "no column 3"),
        ([0, 1, -1], "no column -1"),
        (["user", "item", 1], "names a column twice"),
    ],
)
def test_refuses_columns(write, columns, message):
    with pytest.raises(ValueError, match=rf"ratings\.csv is not understood: .*{message}"):
        load_ratings(write("user,item,rating\n1,2,3\n"), columns=columns)


def test_refuses_a_name_without_a_header(write):
    with pytest.raises(ValueError, match=r"no column 'user', its first line is \['1', '2', '3'\]"):
        load_ratings(write("1,2,3\n4,5,1\n"), columns=["user", 1, 2])


def test_refuses_a_wrong_number_of_columns(write):
    path = write("user,item,rating,time\n1,2,3,4\n")
    with pytest.raises(ValueError, match="3 columns with return_time=False, got"):
        load_ratings(path, columns=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="user, item, rating, time, 4 columns with return_time=True, got"):
        load_ratings(path, columns=[0, 1, 2], return_time=True)


def test_refuses_a_file_without_a_time(write):
    with pytest.raises(ValueError, match=r"found .*time in \[\]"):
        load_ratings(write("user,item,rating\n1,2,3\n"), return_time=True)
    with pytest.raises(ValueError, match="no column 3"):
        load_ratings(write("1,2,3\n"), return_time=True)


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


COMPRESSED = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda content: zipped(**{"folder/": b"", "folder/u.data": content, "__MACOSX/u.data": b"\0"}),
}


@pytest.mark.parametrize("ending", ["", ".txt", "its own"])
@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_files(write, suffix, ending):
    content = COMPRESSED[suffix](text(",", "user,item,rating,time").encode())
    ratings = load_ratings(write(content, "ratings" + (suffix if ending == "its own" else ending)))
    pd.testing.assert_frame_equal(ratings, pd.DataFrame(RATINGS, columns=PLAIN))


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_damaged_compression(write, suffix):
    whole = COMPRESSED[suffix]("".join(f"{n},{n * 7919 % 1000},3\n" for n in range(5_000)).encode())
    middle = len(whole) // 2
    broken = whole[:middle] + b"broken" * 20 + whole[middle + 120 :]
    for content in (whole[:middle], broken):
        with pytest.raises(
            ValueError, match=rf"is not understood: it cannot be decompressed by {suffix[1:2]}"
        ):
            load_ratings(write(content))


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_name_of_a_compressed_file_with_other_content(write, suffix):
    message = (
        rf"ratings\.csv{suffix} is not understood: it is no .* file, although its name ends in '{suffix}'"
    )
    with pytest.raises(ValueError, match=message):
        load_ratings(write(text(","), f"ratings.csv{suffix}"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(a=b"1,2,3", b=b""), r"it is a zip archive of 2 files, \['a', 'b'\]: unpack it"),
        (zipped(), "it is a zip archive of 0 files"),
        (zipped(**{"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "read it with pandas.read_excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "read it with pandas.read_excel"),
        (b"ARROW1\0\0", "read it with pandas.read_feather"),
        (b"SQLite format 3\0", "read it with pandas.read_sql"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed by Zstandard: decompress it first"),
        (b"\x93NUMPY\x01\x00", "byte 0x93 in its line 1 cannot be decoded"),
    ],
)
def test_other_formats(write, content, message):
    with pytest.raises(ValueError, match=rf"ratings\.csv is not understood: .*{message}"):
        load_ratings(write(content))


ACCENTS = [("eva", "é", 3.5), ("josé", "ü", 4.0)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("utf-8-sig", "utf-8"),
        ("utf-8", "UTF8"),
        ("utf-16", "utf-8"),  # with a byte order mark, as the next one
        ("utf-32", "latin-1"),
        ("utf-16-be", "utf-16-be"),
        ("latin-1", "latin-1"),
        ("cp1252", "windows-1252"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", "\t", "::"])
def test_encodings(write, written, read, delimiter):
    content = "".join(delimiter.join(map(str, row)) + "\r\n" for row in ACCENTS).encode(written)
    expected = pd.DataFrame(ACCENTS, columns=PLAIN)
    pd.testing.assert_frame_equal(load_ratings(write(content), encoding=read), expected)
    pd.testing.assert_frame_equal(load_ratings(write(gzip.compress(content)), encoding=read), expected)


def test_byte_order_mark_of_the_other_order(write):
    content = b"\xfe\xff" + "ann,2,3\n".encode("utf-16-be")
    assert load_ratings(write(content)).to_numpy().tolist() == [["ann", 2, 3]]


def test_unknown_encoding(write):
    with pytest.raises(ValueError, match="encoding='utf-9' is not known to Python"):
        load_ratings(write("1,2,3\n"), encoding="utf-9")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(write, end):
    ratings = load_ratings(write(end.join(["user,item,rating", "1,2,3", "", "4,5,1.5"])))
    assert ratings.to_numpy().tolist() == [[1, 2, 3], [4, 5, 1.5]]


class TestQuotationMarks:
    """No quotation mark makes a rating disappear."""

    @pytest.mark.parametrize("place", [0, 1, 3])
    @pytest.mark.parametrize("header", ["", "user item rating note\n"])
    @pytest.mark.parametrize("delimiter", ["\t", "::", "|", "^"])
    def test_ordinary_characters(self, write, delimiter, header, place):
        rows = [[f"u{n}", f"i{n}", 1 + n % 5, "a"] for n in range(60)]
        for n, words in {1: '"Heroes"', 20: '"Heroes', 30: '7" single', 40: '"Low', 50: '""'}.items():
            rows[n][place] = words
        content = header.replace(" ", delimiter) + "".join(
            delimiter.join(map(str, row)) + "\n" for row in rows
        )
        ratings = load_ratings(write(content), sep=delimiter)
        assert ratings.to_numpy().tolist() == [row[:3] for row in rows]

    def test_title_in_quotation_marks(self, write):
        ratings = load_ratings(write('u1\t"Heroes"\t5\nu2\t"Heroes"\t4\nu3\tLow\t3\n'))
        assert ratings["item"].tolist() == ['"Heroes"', '"Heroes"', "Low"]

    def test_between_spaces(self, write):
        assert len(load_ratings(write('u1 "a 5\nu2 b 3\nu3 "c 3\nu4 d 2\n'))) == 4

    @pytest.mark.parametrize(
        "quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC], ids=["minimal", "all", "text"]
    )
    @pytest.mark.parametrize("header", [None, PLAIN])
    @pytest.mark.parametrize("delimiter", [*list(",;\t| "), "::"])
    def test_quoted_fields(self, write, delimiter, header, quoting):
        items = ["Up", 'Up "2"', f"Up{delimiter}up", '"', "NA", "Up"]
        rows = [(f"ann {n}", item, n + 0.5) for n, item in enumerate(items)]
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter="\0" if delimiter == "::" else delimiter, quoting=quoting)
        if delimiter == "::":  # the writer cannot know that the delimiter needs quotation marks
            rows[2] = ("ann 2", "Up", 2.5)
        writer.writerows([header, *rows] if header else rows)
        ratings = load_ratings(write(buffer.getvalue().replace("\0", delimiter)), sep=delimiter)
        assert ratings.to_numpy().tolist() == [list(row) for row in rows]

    def test_quoted_text_and_bare_missing_value(self, write):
        content = '"user" "item" "note" "rating"\n"a b" "x" NA 5\n"c" "y" "z" 4\n'
        assert load_ratings(write(content)).to_numpy().tolist() == [["a b", "x", 5], ["c", "y", 4]]

    def test_inch_marks_in_a_file_with_commas(self, write):
        ratings = load_ratings(write('u1,27" TV,5\nu2,5\' 10",3\n'))
        assert ratings["item"].tolist() == ['27" TV', "5' 10\""]

    @pytest.mark.parametrize("delimiter", [",", ";"])
    @pytest.mark.parametrize("place", [0, 1, 3])
    @pytest.mark.parametrize(
        "fields",
        [
            {20: '"Heroes'},
            {20: '"Heroes', 40: '"Low'},
            {20: '"Heroes', 40: 'Low"'},
            {20: '"Weird" Al'},
            {59: '"'},
        ],
    )
    def test_unbalanced(self, write, fields, place, delimiter):
        rows = [[f"u{n}", f"i{n}", 1 + n % 5, "a"] for n in range(60)]
        for n, words in fields.items():
            rows[n][place] = words
        content = "".join(delimiter.join(map(str, row)) + "\n" for row in rows)
        message = f"its line {min(fields) + 1} has an unbalanced quotation mark"
        with pytest.raises(ValueError, match=message):
            load_ratings(write(content))

    def test_line_breaks(self, write):
        content = 'user,review,item,rating\n1,"good,\n\nvery good",a,5\n2,bad,"b\nc",1\n'
        ratings = load_ratings(write(content))
        assert ratings.to_numpy().tolist() == [[1, "a", 5], [2, "b\nc", 1]]
        with pytest.raises(ValueError, match=r"its line 7 has 3 fields, \['3', 'd', '4'\]"):
            load_ratings(write(content + "3,d,4\n"))

    @settings(max_examples=100, deadline=None)
    @given(
        rows=st.lists(st.tuples(*[st.text('"a 0', min_size=1)] * 3), min_size=1, max_size=8),
        delimiter=st.sampled_from(["::", "\t", ";", ",", "|"]),
    )
    def test_every_line_is_a_rating_or_named(self, tmp_path_factory, rows, delimiter):
        path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
        lines = [delimiter.join([f"x{user}", item, "3", note]) for user, item, note in rows]
        path.write_text("\n".join(lines))
        try:
            ratings = load_ratings(path, sep=delimiter, columns=[0, 1, 2])
        except ValueError as error:
            named = "its line" in str(error) or "lacks a value" in str(error)
            # The marks of a single line can enclose one field, which then is text as in a header.
            assert named or (len(rows) == 1 and "only the header" in str(error))
        else:
            assert ratings["user"].str.rstrip().tolist() == [f"x{user}".rstrip() for user, _, _ in rows]


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_ratings(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "arguments",
    [{"columns": 3}, {"sep": 1}, {"return_time": "yes"}, {"encoding": None}],
    ids=["columns", "sep", "return_time", "encoding"],
)
def test_parameters_are_checked(write, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        load_ratings(write("1,2,3\n"), **arguments)


class TestParquet:
    @pytest.fixture(autouse=True)
    def _pyarrow(self):
        pytest.importorskip("pyarrow")

    @pytest.mark.parametrize("index", [None, "user", "unnamed"])
    def test_reads(self, tmp_path, index):
        table = pd.DataFrame(
            {"text": list("abc"), "stars": [4, 3.5, 1], "user": ["ann", "007", "NA"], "movieId": [1, 2, 3]}
        )
        expected = table[["user", "movieId", "stars"]]
        table = table.set_index("user") if index == "user" else table
        table = table.set_axis([5, 6, 7]) if index == "unnamed" else table
        table.to_parquet(tmp_path / "ratings.parquet")
        pd.testing.assert_frame_equal(load_ratings(tmp_path / "ratings.parquet"), expected)

    def test_time_and_columns(self, tmp_path):
        time = pd.to_datetime(["2020-01-02", "2020-01-01"])
        table = pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [5.0, 1.0], "d": time})
        table.to_parquet(tmp_path / "ratings.pq")
        ratings, found = load_ratings(tmp_path / "ratings.pq", columns=["b", "a", 2, 3], return_time=True)
        pd.testing.assert_frame_equal(ratings, table[["b", "a", "c"]])
        pd.testing.assert_series_equal(found, table["d"])

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"user": [1], "item": [2], "mood": [3]}, r"rating in \[\]"),
            ({"user": [1, None], "item": [2, 2], "rating": [3, 3]}, "row . lacks a value"),
            ({"user": [1], "item": [2], "rating": ["3"]}, "not all numbers, '3' in row 0"),
            ({"user": [], "item": [], "rating": []}, "it holds no rating"),
        ],
    )
    def test_refuses(self, tmp_path, columns, message):
        path = tmp_path / "ratings.parquet"
        pd.DataFrame(columns).to_parquet(path)
        with pytest.raises(ValueError, match=rf"ratings\.parquet is not understood: .*{message}"):
            load_ratings(path)

    def test_is_recognised_by_its_content(self, tmp_path):
        path = tmp_path / "ratings.csv"
        table = pd.DataFrame({"user": ["ann"], "item": [2], "rating": [3]})
        table.to_parquet(path)
        pd.testing.assert_frame_equal(load_ratings(path), table)

    def test_refuses_what_is_not_parquet(self, tmp_path):
        path = tmp_path / "ratings.parquet"
        path.write_text(text(","))
        with pytest.raises(ValueError, match=r"ratings\.parquet is not understood: "):
            load_ratings(path)


def test_parquet_without_pyarrow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"ratings\.parquet is a Parquet file.*pip install pyarrow"):
        load_ratings(tmp_path / "ratings.parquet")
