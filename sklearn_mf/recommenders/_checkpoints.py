"""Checkpoints of a fit: one file with everything that continues it to the same bits."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import NamedTuple

from sklearn_mf.solvers._training import Course, Solver

# Name of the file, and the number of its format.
_FILE, _FORMAT = "checkpoint.pickle", 1


class Checkpoint(NamedTuple):
    """Content of a file.

    Parameters
    ----------
    fingerprint : str
        Of the estimator and the ratings.
    seed : int
        The `random_state` that the fit uses.
    course : Course
        Training so far.
    solver : object
        The checkpoint of its solver.
    """

    fingerprint: str
    seed: int
    course: Course
    solver: object


class CheckpointFolder:
    """A folder with the last checkpoint of one fit.

    The file is written beside the old one and then renamed: a process that is killed leaves the old one.

    Parameters
    ----------
    folder : Path
        The folder; made where it is missing.
    every : int
        Number of sweeps from one checkpoint to the next.
    fingerprint : str
        Of the estimator and the ratings: a checkpoint of another fit raises.
    writes : bool
        Whether this worker writes the file.
    """

    def __init__(self, folder: Path, every: int, fingerprint: str, writes: bool) -> None:
        self.folder, self.every, self.fingerprint, self.writes = folder, every, fingerprint, writes
        folder.mkdir(parents=True, exist_ok=True)
        self.seed: int | None = None
        self.last = self._read()
        if self.last is not None:
            self.seed = self.last.seed

    @property
    def n_sweeps(self) -> int:
        """Number of sweeps of the last checkpoint; 0 without one."""
        return 0 if self.last is None else self.last.course.history.n_iter

    def load(self) -> tuple[Course, object] | None:
        """The last course, and the checkpoint of its solver; None where there is none."""
        last, self.last = self.last, None
        return None if last is None else (last.course, last.solver)

    def save(self, course: Course, solver: Solver[object]) -> None:
        """Save a course after a sweep, if it is time."""
        if not self.writes or course.history.n_iter % self.every:
            return
        assert self.seed is not None
        checkpoint = Checkpoint(self.fingerprint, self.seed, course, solver.checkpoint())
        unfinished = self.folder / f"{_FILE}.unfinished"
        with open(unfinished, "wb") as file:
            pickle.dump((_FORMAT, tuple(checkpoint)), file, pickle.HIGHEST_PROTOCOL)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / _FILE)

    def _read(self) -> Checkpoint | None:
        path = self.folder / _FILE
        with contextlib.suppress(FileNotFoundError):
            checkpoint = _content(path)
            if checkpoint.fingerprint != self.fingerprint:
                raise ValueError(
                    f"{path} is the checkpoint of another fit: the estimator, its parameters or the ratings "
                    "differ; take another folder, or delete the file."
                )
            return checkpoint
        return None


def _content(path: Path) -> Checkpoint:
    """Content of a file; ValueError where it is no checkpoint of this format."""
    try:
        with open(path, "rb") as file:
            number, content = pickle.load(file)
        if number == _FORMAT:
            return Checkpoint(*content)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint that can be read ({error}): delete the file.") from error
    raise ValueError(
        f"{path} is a checkpoint of format {number}, and this version of sklearn_mf reads format {_FORMAT}: "
        "delete the file."
    )
