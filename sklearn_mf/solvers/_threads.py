"""TensorFlow in the worker processes of joblib."""

import contextlib
import multiprocessing
import os

import tensorflow as tf


def limit_threads() -> None:
    """Give TensorFlow, in a joblib worker where it has not started yet, the threads that joblib allots.

    Joblib's loky backend divides the cores among its workers through OMP_NUM_THREADS, which TensorFlow does
    not read. In any other process nothing is set.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if not multiprocessing.current_process().name.startswith("LokyProcess") or not threads.isdigit():
        return
    with contextlib.suppress(RuntimeError):  # it has started
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)
