"""TensorFlow without its start-up lines, which no environment variable silences.

``from quiet_tensorflow import tensorflow as tf`` is ``import tensorflow as tf`` with file descriptor 2, to
which the C++ code of TensorFlow writes, redirected during the import.
"""

import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for the lines after the import


@contextlib.contextmanager
def without_stderr():
    """Send to nowhere what is written to file descriptor 2."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


with without_stderr():
    import tensorflow

__all__ = ["tensorflow"]
