"""Recall of approximate indices against the exact lists, on the vectors of Gowalla.

    SKLEARN_MF_DATA=folder python docs/benchmarks/vector_search.py [--users 2000] [--index "faiss HNSW"]

Fits an ImplicitMFRecommender on the published training part, puts its item vectors into indices of faiss and
usearch, and searches for users drawn at random. An index does not know the items that a user has visited, so
each search asks for as many more items as the user has visited, and leaves these out. Recall@20 is the share
of the list of `recommend` that is found. One thread builds and searches, one user at a time; times are those
of the processor. The model is stored in SKLEARN_MF_SCRATCH, or below the temporary folder, and taken from
there by a second run.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import faiss
import joblib
import numpy as np
import pandas as pd
from data import environment
from implicit_settings import gowalla
from sklearn.utils import Bunch
from usearch.index import Index

from sklearn_mf import ImplicitMFRecommender

N = 20
M, BUILD = 32, 200  # links of a node, and candidates while a graph is built
N_LISTS = 256
EFFORTS = {"HNSW": (64, 256, 1024), "IVF": (8, 32, 128)}

# Finds the places of the k items of largest inner product with a query (1, width).
Search = Callable[[np.ndarray, int], np.ndarray]


class Case(NamedTuple):
    """An index: its name, a function that builds it from item vectors, and the efforts of its searches."""

    name: str
    build: Callable[[np.ndarray], Callable[[int], Search]]
    efforts: tuple[int, ...]


def faiss_search(index: faiss.Index, query: np.ndarray, k: int) -> np.ndarray:
    """Places that faiss finds; it fills up with -1."""
    places = index.search(query, k)[1][0]
    return places[places >= 0]


def flat(vectors: np.ndarray) -> Callable[[int], Search]:
    """All inner products, by faiss."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda _: lambda query, k: faiss_search(index, query, k)


def faiss_graph(vectors: np.ndarray, metric: int = faiss.METRIC_INNER_PRODUCT) -> Callable[[int], Search]:
    """A graph of neighbours, by faiss."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], M, metric)
    index.hnsw.efConstruction = BUILD
    index.add(vectors)

    def with_effort(effort: int) -> Search:
        """Search with a number of candidates."""
        index.hnsw.efSearch = effort
        return lambda query, k: faiss_search(index, query, k)

    return with_effort


def lists(vectors: np.ndarray) -> Callable[[int], Search]:
    """Lists of the items around centres, by faiss."""
    width = vectors.shape[1]
    centres = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFFlat(centres, width, N_LISTS, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)

    def with_effort(effort: int) -> Search:
        """Search in a number of lists."""
        index.nprobe = effort
        return lambda query, k: faiss_search(index, query, k)

    return with_effort


def usearch_graph(vectors: np.ndarray) -> Callable[[int], Search]:
    """A graph of neighbours, by usearch."""
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=M, expansion_add=BUILD)
    index.add(np.arange(len(vectors)), vectors, threads=1)

    def with_effort(effort: int) -> Search:
        """Search with a number of candidates."""
        index.expansion_search = effort
        return lambda query, k: index.search(query[0], k, threads=1).keys.astype(np.intp)

    return with_effort


def augmented_graph(vectors: np.ndarray) -> Callable[[int], Search]:
    """A graph by distances: one more coordinate gives all items the same norm."""
    squares = (vectors.astype(np.float64) ** 2).sum(axis=1)
    longer = np.column_stack([vectors, np.sqrt(squares.max() - squares)]).astype(np.float32)
    with_effort = faiss_graph(longer, faiss.METRIC_L2)
    zero = np.zeros((1, 1), dtype=np.float32)
    return lambda effort: lambda query, k: with_effort(effort)(np.hstack([query, zero]), k)


CASES = [
    Case("faiss flat", flat, (0,)),
    Case("faiss HNSW", faiss_graph, EFFORTS["HNSW"]),
    Case("faiss IVF", lists, EFFORTS["IVF"]),
    Case("usearch HNSW", usearch_graph, EFFORTS["HNSW"]),
    Case("faiss HNSW, augmented L2", augmented_graph, EFFORTS["HNSW"]),
]


def measure(search: Search, vectors: Bunch, seen: pd.Series, exact: pd.Series) -> tuple[float, float, float]:
    """Mean recall@20, share of the users with the whole list, and milliseconds of a search."""
    recalls, seconds = [], 0.0
    for user, query in zip(vectors.user_ids, vectors.user_vectors, strict=True):
        start = time.process_time()
        places = search(query[None], N + len(seen[user]))
        seconds += time.process_time() - start
        found = vectors.item_ids[places]
        found = found[~np.isin(found, seen[user])][:N]
        recalls.append(np.isin(exact[user], found).mean())
    return np.mean(recalls), np.mean(np.array(recalls) == 1), 1000 * seconds / len(recalls)


def table(cases: list[Case], vectors: Bunch, seen: pd.Series, exact: pd.Series) -> pd.DataFrame:
    """A row for each index and effort."""
    rows = []
    for case in cases:
        start = time.process_time()
        with_effort = case.build(vectors.item_vectors)
        seconds = time.process_time() - start
        for effort in case.efforts:
            rows.append((case.name, effort, seconds, *measure(with_effort(effort), vectors, seen, exact)))
    columns = ["index", "effort", "build_s", "recall@20", "whole lists", "ms"]
    return pd.DataFrame(rows, columns=columns).round(
        {"build_s": 1, "recall@20": 4, "whole lists": 4, "ms": 2}
    )


def fitted(train: pd.DataFrame) -> ImplicitMFRecommender:
    """The recommender, from its file if there is one."""
    folder = Path(os.environ.get("SKLEARN_MF_SCRATCH", Path(tempfile.gettempdir()) / "sklearn_mf_vectors"))
    path = folder / "gowalla.joblib"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        joblib.dump(ImplicitMFRecommender(random_state=0).fit(train[["user", "item"]]), part)
        part.replace(path)  # a run that is stopped leaves no half of a file
    return joblib.load(path)


def main() -> None:
    """Fit, search, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--index", choices=[case.name for case in CASES], help="this index alone")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    train = gowalla()[0]
    model = fitted(train)
    chosen = np.random.default_rng(0).choice(model.user_ids_, arguments.users, replace=False)
    vectors = model.retrieval_vectors(chosen)
    seen = train.groupby("user")["item"].agg(np.array)
    exact = model.recommend(chosen, n=N).groupby("user")["item"].agg(np.array)
    print(environment("faiss-cpu", "usearch"))
    n_items, width = vectors.item_vectors.shape
    print(f"{n_items} items, {len(chosen)} users, vectors of {width} numbers")
    print(f"HNSW: M={M}, efConstruction={BUILD}, effort is efSearch; IVF: {N_LISTS} lists, effort is nprobe")
    cases = [case for case in CASES if arguments.index in (None, case.name)]
    print(table(cases, vectors, seen, exact).to_string(index=False))


if __name__ == "__main__":
    main()
