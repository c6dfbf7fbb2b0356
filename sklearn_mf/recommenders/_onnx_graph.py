"""The formula of predict as nodes of ONNX, which skl2onnx puts together."""

import importlib
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.ratings._columns import short_repr

# Range of the integers of ONNX.
_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class FieldRows(NamedTuple):
    """Rows of the ids of one field under each draw; a model without draws has one.

    Parameters
    ----------
    embeddings : ndarray of shape (n_ids, n_draws, embedding_dim), float32
        Embeddings.
    biases : ndarray of shape (n_ids, n_draws), float32
        Biases.
    unknown_embedding : ndarray of shape (n_draws, embedding_dim), float64
        Fallback embedding for unknown ids.
    unknown_bias : ndarray of shape (n_draws,), float64
        Fallback bias.
    """

    embeddings: NDArray[np.float32]
    biases: NDArray[np.float32]
    unknown_embedding: NDArray[np.float64]
    unknown_bias: NDArray[np.float64]


class Convertible(Protocol):
    """The members of a fitted recommender that its graph needs."""

    categories_: list[NDArray[np.generic]]
    intercept_: float
    scale_: float
    handle_unknown: str

    @property
    def _limits(self) -> NDArray[np.float64] | None: ...
    def _field_rows(self) -> list[FieldRows]: ...


class Type(Protocol):
    """Type of a tensor in skl2onnx."""

    shape: list[int | None]


class Tensor(Protocol):
    """Input or output of an operator of skl2onnx."""

    onnx_name: str
    type: Type


class Operator(Protocol):
    """An estimator that skl2onnx converts."""

    raw_operator: Convertible
    inputs: list[Tensor]
    outputs: list[Tensor]


class Initializer(Protocol):
    """A constant array of ONNX."""

    data_type: int
    dims: list[int]


class Scope(Protocol):
    """The names in a graph of skl2onnx."""

    def get_unique_variable_name(self, name: str) -> str:
        """A name that no tensor has, beginning with `name`."""
        ...


class Container(Protocol):
    """A graph of skl2onnx."""

    def add_node(self, op_type: str, inputs: list[str], outputs: list[str], **arguments: object) -> None:
        """Add a node with its attributes."""
        ...

    def add_initializer(self, name: str, onnx_type: int, shape: object, content: object) -> object:
        """Add a constant."""
        ...


class Graph:
    """Adds nodes and constants to a container; a method returns the name of the tensor that it adds."""

    def __init__(self, scope: Scope, container: Container) -> None:
        self.scope, self.container = scope, container

    def node(self, op_type: str, *inputs: str, **arguments: object) -> str:
        """Add a node; `arguments` are its attributes, `op_domain` and `op_version`."""
        output = self.scope.get_unique_variable_name(op_type.lower())
        self.container.add_node(op_type, list(inputs), [output], **arguments)
        return output

    def constant(self, values: NDArray[np.generic] | list[int] | float) -> str:
        """Add a constant."""
        name = self.scope.get_unique_variable_name("constant")
        tensor = _tensor(np.asarray(values))
        self.container.add_initializer(name, tensor.data_type, tensor.dims, tensor)
        return name

    def cast(self, tensor: str, element_type: str) -> str:
        """Convert a tensor to a type, such as "DOUBLE"."""
        to = importlib.import_module("onnx").TensorProto.DataType.Value(element_type)
        return self.node("Cast", tensor, to=to)

    def rows(
        self, table: NDArray[np.float32], fallback: NDArray[np.float64], codes: str, unknown: str
    ) -> str:
        """Rows of a table (n_ids, ...) as float64, the fallback (...) where unknown, (n,) -> (n, ...)."""
        known = self.cast(self.node("Gather", self.constant(table), codes), "DOUBLE")
        unknown = self.node("Reshape", unknown, self.constant([-1] + [1] * fallback.ndim))
        return self.node("Where", unknown, self.constant(fallback), known)


def add_prediction(scope: Scope, operator: Operator, container: Container) -> None:
    """Add the nodes of predict: the mean of the draws of m + s * (biases + pairs of <v_f, v_g>)."""
    recommender, graph = operator.raw_operator, Graph(scope, container)
    check_is_fitted(recommender)
    if getattr(recommender, "likelihood", "normal") == "ordinal":
        raise ValueError(
            "to_onnx writes no model of ordered categories, but likelihood='ordinal' was used: fit with "
            "likelihood='normal'."
        )
    fields = recommender._field_rows()
    codes = [
        _codes(graph, column, kind, ids, name)
        for (column, kind), ids, name in zip(
            _columns(graph, operator), recommender.categories_, field_names(recommender), strict=True
        )
    ]
    zero = graph.constant(0)
    unknown = [graph.node("Less", code, zero) for code in codes]
    draws = graph.node(
        "Mul", _standardised(graph, fields, codes, unknown), graph.constant(recommender.scale_)
    )
    draws = graph.node("Add", draws, graph.constant(recommender.intercept_))
    if recommender._limits is not None:
        draws = graph.node("Clip", draws, *(graph.constant(limit) for limit in recommender._limits))
    n_draws = fields[0].biases.shape[1]
    mean = graph.node("MatMul", draws, graph.constant(np.full((n_draws, 1), 1 / n_draws)))
    if recommender.handle_unknown == "error":
        mean = _without_unknown(graph, mean, unknown)
    container.add_node("Identity", [mean], [operator.outputs[0].onnx_name])


def _standardised(graph: Graph, fields: list[FieldRows], codes: list[str], unknown: list[str]) -> str:
    """Prediction in units of z under each draw, (n, n_draws): pairs by the running sum of embeddings."""
    found = [
        [
            graph.rows(rows.embeddings, rows.unknown_embedding, *places),
            graph.rows(rows.biases, rows.unknown_bias, *places),
        ]
        for rows, *places in zip(fields, codes, unknown, strict=True)
    ]
    (total, z), axis = found[0], graph.constant([2])
    for embeddings, biases in found[1:]:
        product = graph.node("Mul", total, embeddings)
        pairs = graph.node("ReduceSum", product, axis, keepdims=0)
        z = graph.node("Add", z, graph.node("Add", biases, pairs))
        total = graph.node("Add", total, embeddings)
    return z


def _without_unknown(graph: Graph, ratings: str, unknown: list[str]) -> str:
    """Ratings (n, 1) with nan where any id is unknown."""
    any_unknown = unknown[0]
    for more in unknown[1:]:
        any_unknown = graph.node("Or", any_unknown, more)
    column = graph.node("Reshape", any_unknown, graph.constant([-1, 1]))
    return graph.node("Where", column, graph.constant(np.nan), ratings)


def _columns(graph: Graph, operator: Operator) -> list[tuple[str, str]]:
    """Each column of the inputs as a tensor (n,), and its kind; an input has one or several columns."""
    flat, found = graph.constant([-1]), []
    for tensor in operator.inputs:
        kind = _kind_of_type(tensor.type)
        width = tensor.type.shape[1] if len(tensor.type.shape) > 1 else 1
        for place in range(width or 1):
            column = tensor.onnx_name
            if width != 1:
                column = graph.node("Gather", column, graph.constant([place]), axis=1)
            found.append((graph.node("Reshape", column, flat), kind))
    if len(found) != len(operator.raw_operator.categories_):
        raise ValueError(
            f"The inputs of the graph have {len(found)} column(s), but fit saw "
            f"{len(operator.raw_operator.categories_)}: declare one column of ids for each."
        )
    return found


def _kind_of_type(tensor_type: Type) -> str:
    name = type(tensor_type).__name__
    if name.startswith(("Float", "Double")):
        return "float"
    return "str" if name.startswith("String") else "int"


def _codes(graph: Graph, column: str, kind: str, ids: NDArray[np.generic], name: str) -> str:
    """Codes of a column of ids, -1 for an unknown one, (n,) -> (n,); numbers compare as in Python."""
    if (kind == "str") != (kind_of(ids, name) == "str"):
        raise ValueError(
            f"Column {name!r} has ids as {short_repr(ids[0])}, but the input of the graph has the kind "
            f"{kind!r}: declare an input of the type of the ids."
        )
    table = {"values_int64s": np.arange(len(ids)), "default_int64": -1, "op_domain": "ai.onnx.ml"}
    if kind == "str":
        return graph.node("LabelEncoder", column, keys_strings=ids.tolist(), op_version=2, **table)
    whole = graph.cast(column, "INT64")
    codes = graph.node("LabelEncoder", whole, keys_int64s=ids.astype(np.int64), op_version=2, **table)
    if kind == "int":
        return codes
    is_whole = graph.node("Equal", graph.cast(whole, "DOUBLE"), graph.cast(column, "DOUBLE"))
    return graph.node("Where", is_whole, codes, graph.constant(-1))


def _tensor(values: NDArray[np.generic]) -> Initializer:
    tensor: Initializer = importlib.import_module("onnx.numpy_helper").from_array(values)
    return tensor


def field_names(recommender: Convertible) -> list[str]:
    """Names of the columns of fit; x0, x1 and so on where there were none."""
    fallback = [f"x{field}" for field in range(len(recommender.categories_))]
    return list(map(str, getattr(recommender, "feature_names_in_", fallback)))


def kind_of(ids: NDArray[np.generic], name: str) -> str:
    """Kind of the ids of a column, sorted: "int", "float" or "str", those that ONNX can look up."""
    inferred = pd.api.types.infer_dtype(ids, skipna=False)
    kind = {"integer": "int", "boolean": "int", "floating": "float", "string": "str"}.get(inferred)
    in_range = kind == "str" or (kind is not None and _LEAST <= ids[0] <= ids[-1] <= _MOST)
    if kind is None or not in_range or (kind == "float" and (ids % 1 != 0).any()):
        raise ValueError(
            "ONNX looks up ids that are text, whole numbers of 64 bits or truth values, but those of column "
            f"{name!r} are {inferred}, as {short_repr(ids[-1])}: convert them to text before fit."
        )
    return kind
