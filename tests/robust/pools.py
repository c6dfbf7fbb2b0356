"""Fits and lists in threads and process pools of each kind, run as a script: a line for each with its answer.

The first fits of the process, which start TensorFlow, run in two threads at once.
"""

import hashlib
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
from joblib import Parallel, delayed

from sklearn_mf import MFRecommender

X = np.stack(np.unravel_index(np.arange(0, 72, 2), (9, 8)), axis=1)
Y = np.arange(len(X)) % 5.0
BACKENDS = ("loky", "multiprocessing", "threading")


def model(seed=0):
    """A recommender that fits quickly."""
    return MFRecommender(2, max_iter=2, alpha=0.05, unobserved_weight=0, random_state=seed)


def digest(fitted):
    """Checksum of predictions and lists."""
    lists = fitted.recommend(n=2)
    content = fitted.predict(X).tobytes() + lists.to_numpy(dtype=np.float64).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def fit(seed=0):
    """Checksum of a fit."""
    return digest(model(seed).fit(X, Y))


def in_two_threads():
    """Checksums of the first two fits of this process, both at once."""
    found = {}
    barrier = threading.Barrier(2)

    def run(seed):
        barrier.wait()
        found[seed] = fit(seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found[0], found[1]


def fit_and_read(fitted):
    """Checksums of a fit and of a model of the parent."""
    return fit(0), digest(fitted)


def in_pool(method, function, argument):
    """Result of a call in a pool of one process of a start method."""
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        return pool.submit(function, argument).result(timeout=120)


def main():
    """Print the checksums of each way."""
    print("threads:", *in_two_threads())
    print("in turn:", fit(0), fit(1))
    fitted = model().fit(X, Y)
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods:
        print("fork:", in_pool("fork", digest, fitted))
    with ThreadPoolExecutor(2) as threads:  # the children start side by side
        methods = [method for method in methods if method != "fork"]
        found = threads.map(in_pool, methods, [fit_and_read] * 2, [fitted] * 2)
        for method, checksums in zip(methods, found, strict=False):
            print(f"{method}:", *checksums)
    for backend in BACKENDS:
        print(f"joblib {backend}:", *Parallel(2, backend=backend)(delayed(digest)(fitted) for _ in range(2)))
    print("joblib threading, fit:", *Parallel(2, backend="threading")(delayed(fit)(seed) for seed in (0, 1)))


if __name__ == "__main__":
    main()
