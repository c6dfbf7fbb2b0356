"""Seconds to import sklearn_mf beyond its libraries, and to turn the ids of ML-1M into codes.

SKLEARN_MF_DATA=folder python docs/benchmarks/start_up.py
"""

import subprocess
import sys
import time

import numpy as np
import pandas as pd
from data import PAIR, environment, ml_1m

from sklearn_mf._columns import id_array
from sklearn_mf._vocabulary import Vocabulary

LIBRARIES = "import sklearn.base, sklearn.callback, pandas"
CLOCK = "import time; {before}; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"


def seconds(code: str, before: str = "pass") -> float:
    """Median time of some code in five fresh processes."""
    command = [sys.executable, "-c", CLOCK.format(before=before, code=code)]
    return float(np.median([float(subprocess.check_output(command)) for _ in range(5)]))


def encoding_seconds(frame: pd.DataFrame) -> float:
    """Median time of five to number both id columns."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for name in PAIR:
            Vocabulary.learn(*id_array(frame[name], name))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    print(environment())
    print(f"import of sklearn.base, sklearn.callback and pandas: {seconds(LIBRARIES):.2f} s")
    print(f"import of sklearn_mf after that: {seconds('import sklearn_mf', LIBRARIES):.3f} s")
    ratings = pd.concat(ml_1m())
    print(f"{len(ratings):,} rows of integer ids to codes: {encoding_seconds(ratings):.3f} s")
    text = ratings.astype({"user": str, "item": str})
    print(f"{len(ratings):,} rows of text ids to codes: {encoding_seconds(text):.3f} s")
