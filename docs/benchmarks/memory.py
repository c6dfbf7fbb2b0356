"""Peak memory of fit on ML-1M (embedding_dim 64) above the process with TensorFlow and data loaded. Linux.

SKLEARN_MF_DATA=folder python docs/benchmarks/memory.py
"""

import gc
import re
from pathlib import Path

import tensorflow as tf
from data import PAIR, environment, ml_1m

from sklearn_mf import MFRecommender
from sklearn_mf.core import sgd  # noqa: F401  loads the solver before memory is read


def resident(kind: str = "VmRSS") -> int:
    """Resident memory of this process in MB; the most since the last reset with "VmHWM"."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) // 1024


if __name__ == "__main__":
    print(environment())
    train, _ = ml_1m()
    X, y = train[PAIR], train["rating"].to_numpy()
    tf.constant(0) + 1  # starts the runtime
    gc.collect()
    loaded = resident()
    tf.function(lambda x: 2 * x, jit_compile=True)(tf.zeros(2))
    compiler = resident()
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    MFRecommender(64, random_state=0).fit(X, y)
    peak = resident("VmHWM")
    print(f"TensorFlow and data {loaded} MB, with its compiler {compiler} MB, peak of fit {peak} MB")
    print(f"fit adds {peak - loaded} MB, of which loading the compiler {compiler - loaded} MB")
