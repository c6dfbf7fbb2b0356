"""Small tables of ids, and what a list of splits says of each row."""

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=60, derandomize=True, database=None)


@st.composite
def tables(draw, min_rows=1):
    """Frames of text users, integer items and a further column that is no id."""
    n_users, n_items = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows = draw(st.integers(min_rows, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    skew = rng.random(rows) ** draw(st.sampled_from([1, 3]))
    users = pd.Series((skew * n_users).astype(int)).map("u{}".format)
    return pd.DataFrame({"user": users, "item": rng.integers(0, n_items, rows), "note": np.nan})


def checked(splits, n):
    """Whether each fold tests each row, (n_splits, n), of splits that are sorted, complete and not empty."""
    tested = []
    for train, test in splits:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
        assert len(train) and len(test)
        tested.append(np.isin(np.arange(n), test))
    return np.array(tested)


def same(splits, others):
    """Whether two iterables of splits are the same."""
    pairs = list(zip(splits, others, strict=True))
    return all(np.array_equal(a, b) for split, other in pairs for a, b in zip(split, other, strict=True))
