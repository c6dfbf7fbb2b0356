"""Artificial archives in the layout of each MovieLens data set, and a server on loopback for them."""

import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

RATINGS = [(1, 10, 4, 978300760), (1, 20, 3, 978300761), (2, 10, 5, 978300000), (3, 30, 1, 1700000000)]
HALVES = [(user, item, rating - 0.5, time) for user, item, rating, time in RATINGS]
TITLES = ["Amélie, or: not (2001)", 'Up "2" (2009)', "NA"]
GENRES = ["Comedy|Romance", "Drama", "unknown"]
BALLAST = np.random.default_rng(0).bytes(200_000)  # the download can be interrupted in the middle


def lines(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def _old_files(separator, encoding):
    titles = [title.replace(",", "") for title in TITLES]
    return {
        "ratings.dat": lines(RATINGS if encoding == "latin-1" else HALVES, separator).encode(),
        "movies.dat": lines(zip([10, 20, 30], titles, GENRES, strict=True), separator).encode(encoding),
    }


def _files_100k():
    flags = {10: (5, 14), 20: (8,), 30: (0,)}
    dates = {10: "01-Jan-2001", 20: "4-Feb-2009", 30: ""}
    items = [
        [item, title, dates[item], "", "" if item == 30 else f"http://imdb/{item}"]
        + [int(flag in flags[item]) for flag in range(19)]
        for item, title in zip([10, 20, 30], TITLES, strict=True)
    ]
    users = [(1, 24, "M", "technician", "08571"), (2, 53, "F", "other", "T8H1N"), (3, 23, "M", "none", "V0")]
    return {
        "README": b"SUMMARY of 100k",
        "u.data": lines(RATINGS, "\t").encode(),
        "u.item": lines(items, "|").encode("latin-1"),
        "u.user": lines(users, "|").encode(),
    }


def _files_1m():
    users = [(1, "F", 1, 10, "48067"), (2, "M", 56, 16, "07072"), (3, "M", 25, 15, "55117-1234")]
    return _old_files("::", "latin-1") | {
        "README": "SUMMARY of 1m, é".encode("latin-1"),
        "users.dat": lines(users, "::").encode(),
    }


def _files_csv():
    quoted = ['"' + title.replace('"', '""') + '"' for title in TITLES]
    movies = lines(zip([10, 20, 30], quoted, GENRES, strict=True), ",")
    return {
        "README.txt": "Summary of a csv set, é".encode(),
        "ratings.csv": ("userId,movieId,rating,timestamp\n" + lines(HALVES, ",")).encode(),
        "movies.csv": ("movieId,title,genres\n" + movies).replace("\n", "\r\n").encode(),
    }


FILES = {
    "100k": ("ml-100k", "ml-100k", _files_100k()),
    "1m": ("ml-1m", "ml-1m", _files_1m()),
    "10m": ("ml-10m", "ml-10M100K", _old_files("::", "utf-8") | {"README.html": b"<h1>Summary</h1>"}),
    **{name: (f"ml-{name}", f"ml-{name}", _files_csv()) for name in ("20m", "25m", "32m", "latest-small")},
}


def archive(folder, files):
    """A zip archive with files outside its folder, as an attacker might add them."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as made:
        made.writestr("../outside.txt", b"outside")
        made.writestr("/outside.txt", b"outside")
        made.writestr(f"{folder}/ballast", BALLAST)
        for name, content in files.items():
            made.writestr(f"{folder}/{name}", content)
    return buffer.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `pages` (path to bytes) and records the requests.

    Parameters
    ----------
    ranges : bool
        Whether it supports range requests.
    cuts : list of int
        Number of bytes after which each of the next responses is interrupted.
    errors : list of int
        Status codes of the next responses.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.ranges, self.cuts, self.errors = {}, True, [], []
        self.requests = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers["Range"]
        server.requests.append((self.path, wanted))
        content = server.pages.get(self.path)
        if server.errors or content is None:
            return self.send_error(server.errors.pop(0) if server.errors else 404)
        start = int(wanted[len("bytes=") : -1]) if wanted and server.ranges else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else None
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        pass
