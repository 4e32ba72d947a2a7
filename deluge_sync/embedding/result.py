"""What the user is given for texts: vectors or a ranking, with what failed and what it cost. Plain data.

numpy is loaded when an array is asked for, and only then: the package does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args, overload

from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from array import array

    from deluge_sync.response import Usage

__all__ = ["ON_ERROR", "Embeddings", "OnError", "Ranked", "Ranking", "TextError", "load_numpy"]

T = TypeVar("T")

_Vector: TypeAlias = "array[float] | None"
OnError = Literal["raise", "keep"]
ON_ERROR: tuple[str, ...] = get_args(OnError)


@dataclass(frozen=True, slots=True)
class TextError:
    """Why a text has no numbers. `kind` is as `APIResponse.error_kind`; `message` is one line."""

    kind: str
    message: str


class _Result(Sequence[T]):
    """What came of some texts, and the bill. Equal to another of its class if all of it is."""

    __hash__ = None  # type: ignore[assignment]  # what is compared by its content and holds lists has no hash

    def __init__(
        self,
        items: Sequence[T],
        *,
        model: str,
        errors: Mapping[int, TextError] | None = None,
        usage: Usage | None = None,
        cost: float | None = None,
        from_cache: int = 0,
    ) -> None:
        self._items = list(items)
        self.model = model
        self.errors = dict(errors or {})
        self.usage = usage
        self.cost = cost
        self.from_cache = from_cache

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented


class Embeddings(_Result[_Vector]):
    """One vector for each text, in the texts' order. Not to be changed; any number of threads may read it.

    A vector is an `array` of 32-bit floats: it has a length, indices and a `tolist()`, and numpy takes it as it is.
    It is None where the text failed, which only a call with `on_error="keep"` (or the `EmbeddingError`) hands out.
    Equal texts have the same vector, not copies of it.

    Attributes:
        errors: why, by the text's position.
        usage: tokens of this call as the provider counted them; None where it did not tell. What came from the cache
            and repeated texts cost nothing, and are not in it.
        cost: US dollars of this call; None where a price or the usage is unknown.
        model: the registry id.
        from_cache: how many of the texts had their vector in the client's cache.
    """

    def __repr__(self) -> str:
        sizes = " or ".join(map(str, sorted(self._sizes()))) or "no"
        return f"<Embeddings of {len(self)} texts by {self.model}: {sizes} dimensions{_failed(self)}>"

    @property
    def dimensions(self) -> int | None:
        """The length of the vectors; None where there is none.

        Raises:
            ConfigError: they are not of one length, as can be where the model behind a name was changed.
        """
        sizes = self._sizes()
        if len(sizes) > 1:
            shown = ", ".join(map(str, sorted(sizes)))
            raise ConfigError(f"the vectors are of several lengths ({shown}); give dimensions=, or clear the cache")
        return next(iter(sizes), None)

    def _sizes(self) -> set[int]:
        return {len(vector) for vector in self if vector is not None}

    def tolist(self) -> list[list[float] | None]:
        """The vectors as lists, for JSON and the like; they take eight times the memory."""
        return [None if vector is None else vector.tolist() for vector in self]

    def to_numpy(self) -> Any:
        """The vectors as a new numpy array of shape (texts, dimensions), float32. A text that failed is a row of NaN.

        Raises:
            ConfigError: numpy is not installed, or the vectors are not of one length.
        """
        numpy = load_numpy()
        matrix = numpy.full((len(self), self.dimensions or 0), numpy.nan, dtype=numpy.float32)
        for place, vector in enumerate(self):
            if vector is not None:
                matrix[place] = vector
        return matrix


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document and how well it fits the query. `index` is its position among the documents that were given."""

    index: int
    score: float
    document: str


class Ranking(_Result[Ranked]):
    """Documents, the best first; of equal scores the earlier one. Not to be changed.

    Attributes:
        errors: why a document has no score, by its position; it is not ranked then. Only a call with `on_error="keep"`
            (or the `RerankError`) hands such a ranking out.
        usage: as in `Embeddings`, like what follows. Cohere bills searches and tells no tokens: None.
        cost: None for Cohere too.
        model: the registry id.
        from_cache: how many of the documents had their score in the client's cache.
    """

    def __repr__(self) -> str:
        return f"<Ranking of {len(self)} documents by {self.model}{_failed(self)}>"


def _failed(result: _Result[Any]) -> str:
    return f", {len(result.errors)} failed" if result.errors else ""


def load_numpy() -> Any:
    """The package numpy.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module("numpy")  # large, optional, and only here
    except ImportError as error:
        raise ConfigError("a numpy array needs the package numpy: pip install numpy") from error
