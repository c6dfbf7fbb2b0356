"""predict as a file of ONNX, and the interface to skl2onnx, which is imported here alone."""

import importlib
import os
from pathlib import Path
from types import ModuleType

from sklearn.utils.validation import check_is_fitted

from sklearn_mf.recommenders._onnx_graph import Convertible, Operator, field_names, kind_of

# Bytes that a file of ONNX, which is one message of protobuf, can hold.
_LARGEST_FILE = 2**31 - 1
_OUTPUT = "prediction"
_TYPES = {"int": "Int64TensorType", "str": "StringTensorType", "float": "DoubleTensorType"}


def write_onnx(recommender: Convertible, path: str | os.PathLike[str]) -> None:
    """Write predict as a file of ONNX, with one input of shape (n, 1) for each field."""
    check_is_fitted(recommender)
    skl2onnx, types = _skl2onnx("skl2onnx"), _skl2onnx("skl2onnx.common.data_types")
    _check_size(recommender)
    if _OUTPUT in field_names(recommender):
        raise ValueError(
            f"Column {_OUTPUT!r} of X has the name that the output has in the file: rename the column and "
            "fit again."
        )
    inputs = [
        (name, getattr(types, _TYPES[kind_of(ids, name)])([None, 1]))
        for name, ids in zip(field_names(recommender), recommender.categories_, strict=True)
    ]
    outputs = [(_OUTPUT, types.DoubleTensorType([None, 1]))]
    model = skl2onnx.convert_sklearn(recommender, type(recommender).__name__, inputs, final_types=outputs)
    _write_at_once(Path(path), model.SerializeToString())


def _write_at_once(path: Path, content: bytes) -> None:
    """Write under another name first, so that an interrupted write leaves an older file as it was."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def set_output_type(operator: Operator) -> None:
    """Set the type of the predictions of an operator of skl2onnx: float64 of shape (n, 1)."""
    double = _skl2onnx("skl2onnx.common.data_types").DoubleTensorType
    operator.outputs[0].type = double([operator.inputs[0].type.shape[0], 1])


def _skl2onnx(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in ("skl2onnx", "onnx"):
            raise
        raise ModuleNotFoundError(
            f"to_onnx needs {error.name}, which is not installed: run `pip install sklearn-mf[onnx]`.",
            name=error.name,
        ) from error


def _check_size(recommender: Convertible) -> None:
    n_bytes = sum(rows.embeddings.nbytes + rows.biases.nbytes for rows in recommender._field_rows())
    if n_bytes > _LARGEST_FILE:
        raise ValueError(
            f"A file of ONNX holds at most 2 GB, but the embeddings take {n_bytes / 1e9:.1f} GB: fit with a "
            "smaller embedding_dim, or a Bayesian recommender with smaller n_samples."
        )
