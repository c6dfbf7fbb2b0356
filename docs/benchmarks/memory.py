"""Peak memory of fit on ML-1M (embedding_dim 64) above the process with TensorFlow and the data loaded.

SKLEARN_MF_DATA=folder python docs/benchmarks/memory.py
"""

import gc
import threading
from pathlib import Path

import tensorflow as tf
from data import PAIR, environment, ml_1m

from sklearn_mf import MFRecommender
from sklearn_mf.core import sgd  # noqa: F401  loads the solver before memory is read


def resident() -> float:
    """Resident memory of this process in MB, Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Peak(threading.Thread):
    """Watches resident memory every 2 ms."""

    def run(self) -> None:
        """Sample until told to stop."""
        self.most, self.done = resident(), threading.Event()
        while not self.done.wait(0.002):
            self.most = max(self.most, resident())


if __name__ == "__main__":
    print(environment())
    train, _ = ml_1m()
    tf.constant(0) + 1  # starts the runtime
    X, y = train[PAIR], train["rating"].to_numpy()
    gc.collect()
    before, peak = resident(), Peak()
    peak.start()
    MFRecommender(64, random_state=0).fit(X, y)
    peak.done.set()
    peak.join()
    print(f"before fit {before:.0f} MB, peak {peak.most:.0f} MB: {peak.most - before:.0f} MB more")
