"""A mapping that grows by copies of itself, each valid for ever, without copying all of it each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeVar

V = TypeVar("V")
_NEW = 64  # entries that are copied at most; every so many all of them are copied once


class Layered(Mapping[str, V]):
    """A large older part that copies share, and a small newer one; iterates in the order of first insertion."""

    __slots__ = ("_newer", "_older")

    def __init__(self, older: dict[str, V], newer: dict[str, V]) -> None:
        self._older = older
        self._newer = newer

    @classmethod
    def of(cls, mapping: Mapping[str, V]) -> Layered[V]:
        """Return a mapping as a layered one."""
        return mapping if isinstance(mapping, Layered) else cls(dict(mapping), {})

    def with_item(self, key: str, value: V) -> Layered[V]:
        """Return the mapping with one value put in its place."""
        if key in self._older:
            return Layered({**self._older, key: value}, self._newer)
        newer = {**self._newer, key: value}
        return Layered(self._older, newer) if len(newer) < _NEW else Layered({**self._older, **newer}, {})

    def __getitem__(self, key: str) -> V:
        return self._newer[key] if key in self._newer else self._older[key]

    def __contains__(self, key: object) -> bool:
        return key in self._newer or key in self._older

    def __iter__(self) -> Iterator[str]:
        return chain(self._older, self._newer)

    def __len__(self) -> int:
        return len(self._older) + len(self._newer)
