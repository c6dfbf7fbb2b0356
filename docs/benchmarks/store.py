"""Preparation of ratings on disk beside DuckDB limited to 0.6 GB: seconds, CPU and peak of anonymous memory.

    python docs/benchmarks/store.py make FOLDER [--rows 50000000] [--shards 50] [--text]
    python docs/benchmarks/store.py run FOLDER --duckdb PYTHON [--repeats 3]

`make` writes shards of (user, item, rating) as int64, int32, float32 (or text ids), drawn with a seed. `run`
prepares them in turn, each in a fresh process with two threads. DuckDB numbers the ids, and writes the rows
in the order of the users and in that of the items to Parquet; it does not merge repeated rows, as
prepare_ratings does. PYTHON is an interpreter with duckdb. Linux.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LIMIT = "0.6GB"
DIM = 8


def shape(n_rows: int) -> tuple[int, int]:
    """Users and items: 150 rows a user and 750 an item on average, about as in MovieLens 20M."""
    return max(n_rows // 150, 1), max(n_rows // 750, 1)


class Generator:
    """Ratings of a planted factorization, 0.5 to 5 in halves; the share of an id falls as in Zipf's law."""

    def __init__(self, n_rows: int) -> None:
        rng = np.random.default_rng(0)
        self.shares, self.ids, self.factors, self.biases = [], [], [], []
        for n, exponent in zip(shape(n_rows), (0.6, 0.8), strict=True):
            shares = np.cumsum(rng.permutation((np.arange(n) + 20.0) ** -exponent))
            self.shares.append(shares / shares[-1])
            self.ids.append(np.sort(rng.choice(40 * n, n, replace=False)))
            self.factors.append(rng.normal(0, DIM**-0.25, (n, DIM)).astype(np.float32))
            self.biases.append(rng.normal(0, 0.4, n).astype(np.float32))
        self.ids[0] = self.ids[0].astype(np.int64) * 1_000_003

    def rows(self, n: int, shard: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids of users and items, and ratings, (n,) each."""
        rng = np.random.default_rng([1, shard])
        codes = [np.searchsorted(shares, rng.random(n)).clip(max=len(shares) - 1) for shares in self.shares]
        users, items = (factors[code] for factors, code in zip(self.factors, codes, strict=True))
        means = 3.4 + sum(bias[code] for bias, code in zip(self.biases, codes, strict=True))
        means += 0.6 * np.einsum("ij,ij->i", users, items) + rng.normal(0, 0.7, n)
        user, item = (ids[code] for ids, code in zip(self.ids, codes, strict=True))
        return user, item.astype(np.int32), (np.round(2 * means) / 2).clip(0.5, 5).astype(np.float32)


def make(folder: Path, n_rows: int, n_shards: int, text: bool) -> None:
    """Write the shards."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    generator, ends = Generator(n_rows), np.linspace(0, n_rows, n_shards + 1).astype(int)
    for shard, n in enumerate(np.diff(ends)):
        user, item, rating = generator.rows(n, shard)
        columns: list[object] = [user, item]
        if text:
            columns = [np.char.add("user-", user.astype(str)), np.char.add("item-", item.astype(str))]
        table = pa.table({"user": columns[0], "item": columns[1], "rating": rating})
        pq.write_table(table, folder / f"{shard:04}.parquet")


def prepare(source: str, target: str) -> None:
    """Ours."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    from sklearn_mf import prepare_ratings

    pa.set_cpu_count(2)
    store = prepare_ratings(ds.dataset(source), f"{target}/store", verbose=True)
    print(f"pyarrow {pa.__version__}, {len(store)} ratings after merging")


def duckdb_sorts(source: str, target: str) -> None:
    """DuckDB: codes in sorted order of the ids, and both orders of the rows."""
    import duckdb

    print(f"duckdb {duckdb.__version__}", flush=True)
    db = duckdb.connect()
    db.execute(f"SET memory_limit='{LIMIT}'; SET threads=2; SET temp_directory='{target}/temporary'")
    db.execute("SET preserve_insertion_order=false")
    for name in ("user", "item"):
        db.execute(
            f'CREATE TABLE "{name}s" AS SELECT "{name}", (row_number() OVER (ORDER BY "{name}") - 1)'
            f"::INTEGER AS code FROM (SELECT DISTINCT \"{name}\" FROM '{source}/*.parquet')"
        )
    into = "(FORMAT parquet, COMPRESSION uncompressed)"
    db.execute(
        f"COPY (SELECT u.code AS u, i.code AS i, rating FROM '{source}/*.parquet' AS r JOIN users AS u ON "
        f'r."user" = u."user" JOIN items AS i ON r.item = i.item ORDER BY u.code, i.code) '
        f"TO '{target}/by_user.parquet' {into}"
    )
    db.execute(
        f"COPY (SELECT * FROM '{target}/by_user.parquet' ORDER BY i, u) TO '{target}/by_item.parquet' {into}"
    )


TASKS = {"prepare_ratings": prepare, "duckdb": duckdb_sorts}


def anonymous_mb(process: int) -> float:
    """Anonymous memory of a process, 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"RssAnon:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def measure(python: str, task: str, source: Path) -> tuple[float, float, float]:
    """Seconds, seconds of the processors, and peak of anonymous memory in MB of a task in a fresh process."""
    target = tempfile.mkdtemp(prefix="sklearn_mf_", dir=source.parent)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen([python, __file__, "task", str(source), "--task", task, "--target", target])
    while process.poll() is None:
        peak = max(peak, anonymous_mb(process.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(target)
    if process.returncode:
        sys.exit(f"{task} failed")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def run(source: Path, duckdb: str, repeats: int) -> None:
    """Both in turn; their ratio round by round."""
    from data import environment

    print(environment(), flush=True)
    ratios = []
    for _ in range(repeats):
        figures = {
            task: measure(python, task, source)
            for task, python in (("prepare_ratings", sys.executable), ("duckdb", duckdb))
        }
        for task, (seconds, cpu, peak) in figures.items():
            print(
                f"{task}: {seconds:.1f} s, {cpu:.1f} s of CPU, {peak:.0f} MB anonymous at its peak",
                flush=True,
            )
        ratios.append(figures["prepare_ratings"][0] / figures["duckdb"][0])
    print(f"prepare_ratings / duckdb: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["make", "run", "task"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--shards", type=int, default=50)
    parser.add_argument("--text", action="store_true", help="ids as text")
    parser.add_argument("--duckdb", help="interpreter with duckdb")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--target")
    chosen = parser.parse_args()
    if chosen.action == "make":
        make(chosen.folder, chosen.rows, chosen.shards, chosen.text)
    elif chosen.action == "run":
        run(chosen.folder, chosen.duckdb, chosen.repeats)
    else:
        TASKS[chosen.task](str(chosen.folder), chosen.target)


if __name__ == "__main__":
    main()
