"""Attributes that name the parts of users and items, for models of two fields."""

from typing import Generic, TypeVar

T = TypeVar("T")


class FieldPart(property, Generic[T]):
    """Property of a part of a fitted list: that of users (field 0) or of items (1)."""

    def __init__(self, name: str, field: int, doc: str) -> None:
        def part(recommender: object) -> T:
            """Read the part."""
            return _part(getattr(recommender, name), field)

        super().__init__(part)
        self.__doc__ = doc

    def __get__(self, recommender: object, owner: type | None = None) -> T:  # type: ignore[override]
        part: T = super().__get__(recommender, owner)
        return part


def _part(parts: list[T], field: int) -> T:
    if len(parts) != 2:
        raise AttributeError(
            f"Only a model of two fields has users and items, but fit saw {len(parts)}: "
            "use categories_, embeddings_ and biases_."
        )
    return parts[field]
