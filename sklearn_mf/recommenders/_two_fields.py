"""Attributes that name the parts of users and items, for models of two fields."""

from typing import Generic, TypeVar

T = TypeVar("T")


class FieldPart(Generic[T]):
    """Read-only attribute: the part of users (field 0) or items (1) of a list with a part for each field."""

    def __init__(self, name: str, field: int, doc: str) -> None:
        self.name, self.field, self.__doc__ = name, field, doc

    def __get__(self, recommender: object, owner: type) -> T:
        if recommender is None:
            return self  # type: ignore[return-value]
        parts: list[T] = getattr(recommender, self.name)
        if len(parts) != 2:
            raise AttributeError(
                f"Only a model of two fields has users and items, but fit saw {len(parts)}: "
                "use categories_, embeddings_ and biases_."
            )
        return parts[self.field]

    def __set__(self, recommender: object, value: T) -> None:
        raise AttributeError(f"This attribute is a part of {self.name}: set that.")
