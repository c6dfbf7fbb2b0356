"""Seconds to import sklearn_mf beyond its libraries, and to turn the ids of ML-1M into codes beside pandas.

SKLEARN_MF_DATA=folder python docs/benchmarks/start_up.py
"""

import subprocess
import sys
import time

import numpy as np
import pandas as pd
from data import PAIR, environment, ml_1m

from sklearn_mf.ratings._columns import read_id_column
from sklearn_mf.ratings._vocabulary import Vocabulary

LIBRARIES = "import sklearn.base, sklearn.callback, pandas"
CLOCK = "import time; {before}; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"


def seconds(code: str, before: str = "pass") -> float:
    """Median time of some code in five fresh processes."""
    command = [sys.executable, "-c", CLOCK.format(before=before, code=code)]
    return float(np.median([float(subprocess.check_output(command)) for _ in range(5)]))


def encode(column: pd.Series) -> None:
    """What fit does with a column of ids: check it, sort the ids, number them."""
    Vocabulary.learn(*read_id_column(column, str(column.name)))


def compare(kind: str, frame: pd.DataFrame) -> None:
    """Print the time to number both id columns, and that of pandas.factorize in turn: medians of nine."""
    times = []
    for _ in range(9):
        for number in (encode, pd.factorize):
            start = time.perf_counter()
            for name in PAIR:
                number(frame[name])
            times.append(time.perf_counter() - start)
    ours, theirs = np.reshape(times, (-1, 2)).T
    print(
        f"{len(frame):,} rows of {kind} ids to codes: {np.median(ours):.3f} s, "
        f"pandas.factorize {np.median(theirs):.3f} s, ratio {np.median(ours / theirs):.2f}"
    )


if __name__ == "__main__":
    print(environment())
    print(f"import of sklearn.base, sklearn.callback and pandas: {seconds(LIBRARIES):.2f} s")
    print(f"import of sklearn_mf after that: {seconds('import sklearn_mf', LIBRARIES):.3f} s")
    ratings = pd.concat(ml_1m())
    compare("integer", ratings)
    text = ratings[PAIR].astype(str)
    compare("text", text)
    compare("object", text.astype(object))
