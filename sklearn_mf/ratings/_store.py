"""Ratings on disk: a folder of arrays in the order of each field, and a file that describes them."""

import functools
import json
import sys
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdType, read_id_column
from sklearn_mf.ratings._field_cells import FieldCells
from sklearn_mf.ratings._frames import as_pandas
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store_files import read_array

CONTENTS = "store.json"
FORMAT, VERSION = "sklearn_mf ratings", 1
Repeated = Literal["mean", "sum"]


class Contents(NamedTuple):
    """The description of a store, in its JSON file.

    Parameters
    ----------
    n_ratings : int
        Number of merged ratings.
    n_ids : list of int, of length 2
        Numbers of users and of items.
    column_names : list of str, of length 2
        Names of the user and the item column.
    id_types : list of str, of length 2
        Types of these columns.
    repeated : {"mean", "sum"}
        How repeated cells were merged.
    target_range : list of float, of length 2
        Least and greatest rating before the merging.
    equal : dict of str to float
        The number of all ratings for "weights" or "within_squares", where they have no file.
    sums : dict of str to float
        `weight`, `mean`, `centred_squares` and `squares` of `RatingStatistics`.
    n_bytes : dict of str to int
        Size of each file.
    """

    n_ratings: int
    n_ids: list[int]
    column_names: list[str]
    id_types: list[str]
    repeated: Repeated
    target_range: list[float]
    equal: dict[str, float]
    sums: dict[str, float]
    n_bytes: dict[str, int]


class RatingsStore:
    """Ratings on disk, prepared once by :func:`prepare_ratings` and used by many fits.

    The folder holds the ratings with coded ids, repeated cells merged, in the order of the users and in that
    of the items. It is read through memory maps, so that ratings need not fit into memory. A store is
    pickled as the path of its folder.

    Parameters
    ----------
    folder : str or Path
        Folder that :func:`prepare_ratings` made.
    keep_seen_items : bool, default=True
        Whether an estimator that is fitted on the store keeps a copy of the rated items of each user, which
        `recommend` excludes. If False it keeps the path of the folder, which must then exist where the
        estimator recommends.

    Attributes
    ----------
    folder : Path
        Absolute path of the folder.
    n_ratings : int
        Number of ratings, repeated ones merged; also ``len(store)``.
    ids : list of ndarray of shape (n_ids,)
        Sorted distinct ids of the users and of the items.
    id_types : list of str
        Type of the user and of the item column.
    column_names : list of str
        Names of the user and of the item column.
    target_range : ndarray of shape (2,)
        Least and greatest rating.
    repeated : {"mean", "sum"}
        How repeated rows of a user and item were merged.

    See Also
    --------
    prepare_ratings : Make a store from a data set on disk.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa
    >>> from sklearn_mf import RatingsStore, prepare_ratings
    >>> ratings = pa.table({"user": ["ann", "bob", "ann"], "film": [7, 7, 9], "stars": [4.0, 2.0, 5.0]})
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = prepare_ratings(ratings, f"{parent}/ratings").folder
    ...     store = RatingsStore(folder)
    ...     len(store), store.column_names, [ids.tolist() for ids in store.ids]
    (3, ['user', 'film'], [['ann', 'bob'], [7, 9]])
    """

    def __init__(self, folder: str | Path, *, keep_seen_items: bool = True) -> None:
        self.folder = Path(folder).absolute()
        self.keep_seen_items = keep_seen_items
        contents = read_contents(self.folder)
        self.n_ratings, self.repeated = contents.n_ratings, contents.repeated
        self.column_names = contents.column_names
        self.id_types: list[IdType] = list(contents.id_types)
        self.target_range = np.array(contents.target_range)
        self._contents = contents

    @functools.cached_property
    def ids(self) -> list[NDArray[np.generic]]:
        """Sorted distinct ids of the users and of the items."""
        return [_read_ids(self.folder, field) for field in range(2)]

    @functools.cached_property
    def statistics(self) -> RatingStatistics:
        """Sums over the ratings: weight, mean, squares, and the summed weight of each id."""
        weights = [np.load(self.folder / f"id_weights_{field}.npy") for field in range(2)]
        return RatingStatistics(**self._contents.sums, id_weights=weights)

    def ratings(self) -> Ratings:
        """Open the merged ratings as memory maps, which the solvers read.

        Returns
        -------
        Ratings
            Has the attributes `codes` of shape (n_ratings, 2), the places of user and item in `ids`, sorted;
            `targets` and `weights` of shape (n_ratings,); and `field_cells`, the same ratings in the order of
            the users and in that of the items. Weights that are all equal are a view of one number.

        Examples
        --------
        >>> import tempfile
        >>> import pyarrow as pa
        >>> from sklearn_mf import prepare_ratings
        >>> ratings = pa.table({"user": ["bob", "ann"], "film": [7, 9], "stars": [4.0, 2.0]})
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     found = prepare_ratings(ratings, f"{parent}/ratings").ratings()
        ...     found.codes.tolist(), found.targets.tolist()
        ([[0, 1], [1, 0]], [2.0, 4.0])
        """
        return open_ratings(self.folder, self._contents.n_ids, self._contents.equal)

    def __len__(self) -> int:
        return self.n_ratings

    def __repr__(self) -> str:
        n_users, n_items = self._contents.n_ids
        seen = "" if self.keep_seen_items else ", keep_seen_items=False"
        return (
            f"RatingsStore({str(self.folder)!r}{seen}) of {self.n_ratings} ratings, {n_users} users and "
            f"{n_items} items"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RatingsStore) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return functools.partial(RatingsStore, keep_seen_items=self.keep_seen_items), (str(self.folder),)


def open_ratings(folder: Path, n_ids: list[int], equal: dict[str, float]) -> Ratings:
    """Memory maps of the files of a store; where all numbers are equal, a view of one number."""
    codes = read_array(folder / "codes.npy", np.int32)
    targets = read_array(folder / "targets.npy", np.float64)
    read = functools.partial(_read_numbers, folder, n_ratings=len(targets), equal=equal)
    starts = [read_array(folder / f"starts_{field}.npy", np.int64) for field in range(2)]
    weights, within_squares = read("weights"), read("within_squares")
    of_users = FieldCells(codes[:, 1], targets, weights, starts[0])
    users = read_array(folder / "item_users.npy", np.int32)
    item_targets = read_array(folder / "item_targets.npy", np.float64)
    of_items = FieldCells(users, item_targets, read("weights", order="item_"), starts[1])
    return Ratings(codes, targets, weights, tuple(n_ids), within_squares, (of_users, of_items))


def read_contents(folder: Path) -> Contents:
    """Read the description of a store; ValueError where the folder holds no whole store of this version."""
    try:
        found = json.loads((folder / CONTENTS).read_text())
        is_ours = found.pop("format") == FORMAT
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        is_ours = False
    if not is_ours:
        reason = "does not exist" if not folder.exists() else f"holds no {CONTENTS} of a ratings store"
        raise ValueError(f"{folder} {reason}: pass a folder that prepare_ratings made.")
    version = found.pop("version")
    if version != VERSION:
        raise ValueError(
            f"{folder} holds a ratings store of format {version} while this version of sklearn_mf reads "
            f"format {VERSION}: prepare the ratings anew."
        )
    contents = Contents(**found)
    for name, n_bytes in contents.n_bytes.items():
        _check_size(folder / name, n_bytes)
    return contents


def is_dataset(X: object) -> bool:
    """Whether X is a data set of pyarrow or a lazy frame of polars, from which a store can be prepared."""
    lazy = (("pyarrow.dataset", "Dataset"), ("polars", "LazyFrame"))
    return any(
        module in sys.modules and isinstance(X, getattr(sys.modules[module], name)) for module, name in lazy
    )


def holds_store(folder: Path) -> bool:
    """Whether a folder holds a store of any version; its other files may be missing."""
    try:
        return bool(json.loads((folder / CONTENTS).read_text())["format"] == FORMAT)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _check_size(path: Path, n_bytes: int) -> None:
    found = path.stat().st_size if path.exists() else None
    if found != n_bytes:
        state = "is missing" if found is None else f"has {found} bytes instead of {n_bytes}"
        raise ValueError(f"{path} {state}: the ratings store is damaged, prepare the ratings anew.")


def _read_numbers(
    folder: Path, name: str, n_ratings: int, equal: dict[str, float], order: str = ""
) -> NDArray[np.float64]:
    if name in equal:
        return np.broadcast_to(equal[name], n_ratings)
    return read_array(folder / f"{order}{name}.npy", np.float64)


def _read_ids(folder: Path, field: int) -> NDArray[np.generic]:
    """The ids of a field: numbers from .npy, all else from a file of Arrow."""
    numbers, other = folder / f"ids_{field}.npy", folder / f"ids_{field}.arrow"
    if numbers.exists():
        return np.load(numbers, allow_pickle=False)
    import pyarrow as pa

    with pa.ipc.open_file(str(other)) as file:
        column = as_pandas(file.read_all().column(0))
    return read_id_column(column, "ids")[0].ids  # type: ignore[arg-type]
