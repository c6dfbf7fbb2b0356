"""Start TensorFlow for a fit, or say in one sentence why it cannot be started here."""

import contextlib
import multiprocessing
import os
import sys
import threading


def has_started() -> bool:
    """Whether TensorFlow has run an operation in this process, or in one that it was forked from."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "config"):  # half imported
        return False
    # The number of threads can be set until TensorFlow starts: try another one, and set it back.
    threading = tf.config.threading
    n_threads = threading.get_inter_op_parallelism_threads()
    try:
        threading.set_inter_op_parallelism_threads(n_threads + 1)
    except RuntimeError:
        return True
    threading.set_inter_op_parallelism_threads(n_threads)
    return False


def _lacks_threads() -> bool:
    """Whether this process has none of the threads of TensorFlow, where the system tells."""
    try:
        return len(os.listdir("/proc/self/task")) <= threading.active_count()
    except OSError:
        return False


class _Fork:
    """Whether this process was forked from one in which TensorFlow had started."""

    # The fork may have preceded the import of this module: the threads of TensorFlow are then missing.
    after_start = has_started() and _lacks_threads()

    @classmethod
    def note(cls) -> None:
        """Called in each forked child: TensorFlow's threads do not survive a fork, so that it would hang."""
        cls.after_start = cls.after_start or has_started()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_Fork.note)


def start_tensorflow(caller: str = "fit") -> None:
    """Import TensorFlow, check that it can run here, and limit its threads in workers of joblib.

    `caller` is named in errors.
    """
    if _Fork.after_start:
        raise RuntimeError(
            "TensorFlow ran in the parent process before this process was forked, and cannot run in both: "
            'start worker processes with the method "spawn" or "forkserver", or with joblib\'s "loky".'
        )
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise ModuleNotFoundError(
            f"{caller} needs TensorFlow, which is not installed: run `pip install tensorflow`.",
            name="tensorflow",
        ) from None
    if not tf.executing_eagerly():
        raise RuntimeError(
            f"{caller} needs TensorFlow's eager execution, which is off here: call {caller} outside of "
            "tf.Graph().as_default() and tf.function, and without tf.compat.v1.disable_eager_execution()."
        )
    _limit_threads()


def _limit_threads() -> None:
    """Give TensorFlow, in a joblib worker where it has not started yet, the threads that joblib allots.

    Joblib's loky backend divides the cores among its workers through OMP_NUM_THREADS, which TensorFlow does
    not read. In any other process nothing is set.
    """
    import tensorflow as tf

    threads = os.environ.get("OMP_NUM_THREADS", "")
    if not multiprocessing.current_process().name.startswith("LokyProcess") or not threads.isdigit():
        return
    with contextlib.suppress(RuntimeError):  # it has started
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)
