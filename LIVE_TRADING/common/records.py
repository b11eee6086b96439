"""Changed copies of frozen records, for the steps that are taken thousands of times a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, Self, TypeVar, overload

R = TypeVar("R")
V = TypeVar("V")
_new, _set = object.__new__, object.__setattr__  # frozen records are set past their own guard, as dataclasses does


def replaced(record: R, /, **changes: Any) -> R:
    """Return what `dataclasses.replace` returns, for records without `InitVar`s.

    A record without slots and without `__post_init__` is copied as a whole, in a seventh of the time for one of twenty
    fields; so the records that each event changes have no slots. Others are made anew, in half of the time.

    Raises
    ------
    KeyError
        The record has no such field.
    """
    kind: Any = type(record)
    n_fields, values_of, place = _layout(kind)
    if n_fields and len(own := record.__dict__) == n_fields:  # otherwise a cached property lies among the fields
        own = own | changes
        if len(own) != n_fields:
            raise KeyError(", ".join(sorted(changes.keys() - place.keys())))
        copied: R = _new(kind)
        _set(copied, "__dict__", own)
        return copied
    values = list(values_of(record))
    for name, value in changes.items():  # order: each sets a field of its own
        values[place[name]] = value
    changed: R = kind(*values)
    return changed


def quick_init(kind: type[R]) -> type[R]:
    """Give a frozen dataclass with slots an `__init__` that takes the same arguments and half of the time.

    The one that dataclasses writes sets each field by name through `object.__setattr__`; this one asks the slots
    themselves. For records that are made thousands of times a second; stands above `@dataclass`.

    Raises
    ------
    TypeError
        The record has no slots of its own for all its fields, or a field with a default factory or outside `__init__`.
    """
    name, own = kind.__name__, fields(kind)  # type: ignore[arg-type]
    plain = all(field.init and not field.kw_only and field.default_factory is MISSING for field in own)
    if not plain or any(field.name not in vars(kind).get("__slots__", ()) for field in own):
        raise TypeError(f"{name}: only slots that are set by their arguments, in their order, can be set directly")
    known = {f"_set_{field.name}": getattr(kind, field.name).__set__ for field in own}
    known |= {f"_default_{field.name}": field.default for field in own if field.default is not MISSING}
    arguments = (field.name if field.default is MISSING else f"{field.name}=_default_{field.name}" for field in own)
    lines = [f"    _set_{field.name}(self, {field.name})" for field in own]
    if hasattr(kind, "__post_init__"):
        lines.append("    self.__post_init__()")
    made = written("__init__", ", ".join(("self", *arguments)), lines, known)
    made.__qualname__, made.__annotations__ = f"{kind.__qualname__}.__init__", kind.__init__.__annotations__
    kind.__init__ = made  # type: ignore[method-assign]
    return kind


def written(name: str, arguments: str, lines: Iterable[str], known: dict[str, Any]) -> Callable[..., Any]:
    """Return a function of source lines written for a record's fields, as dataclasses does for its own methods.

    `known` are the names that the source may use; it is made of names of fields and types only, never of data.
    """
    names = dict(known)
    exec("\n".join((f"def {name}({arguments}):", *lines)), names)
    made: Callable[..., Any] = names[name]
    return made


class computed_once(Generic[V]):  # noqa: N801  it reads as a decorator
    """A property that is computed when first asked for, on a record without slots.

    `functools.cached_property` takes a lock in this version of Python, which costs more than most of what is computed
    here; without one, two threads may both compute what is the same value.
    """

    def __init__(self, compute: Callable[[Any], V]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, record: None, kind: type) -> Self: ...

    @overload
    def __get__(self, record: object, kind: type) -> V: ...

    def __get__(self, record: object | None, kind: type) -> Self | V:
        """Compute the value and keep it; later reads find it among the fields and never come here."""
        if record is None:
            return self
        value = record.__dict__[self._name] = self._compute(record)
        return value


@lru_cache(maxsize=256)
def _layout(kind: Any) -> tuple[int, Any, dict[str, int]]:
    """Return how many fields a kind has that is copied as a whole, else 0; what reads its fields; their places."""
    names = [field.name for field in fields(kind)]
    made_anew = "__slots__" in vars(kind) or hasattr(kind, "__post_init__")
    return 0 if made_anew else len(names), attrgetter(*names), {name: place for place, name in enumerate(names)}
