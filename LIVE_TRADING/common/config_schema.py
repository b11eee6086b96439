"""What the configuration classes allow at a dotted key: its type, its range, its neighbours."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from LIVE_TRADING.common.yaml_tree import KeyPath

_SIGNS: dict[type, tuple[str, str]] = {Gt: (">", "gt"), Ge: (">=", "ge"), Lt: ("<", "lt"), Le: ("<=", "le")}


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A place in the tree: the alternatives of its type, None left out, and the constraints on it."""

    alternatives: tuple[Any, ...]
    constraints: tuple[Any, ...] = ()
    nullable: bool = False

    @property
    def section(self) -> type[BaseModel] | None:
        """Return the configuration class of a section; None for a value."""
        return next((kind for kind in self.alternatives if _is_section(kind)), None)

    @property
    def is_mapping(self) -> bool:
        """Return whether keys are free here (a section has fixed ones)."""
        return any(_origin(kind) in (dict, Mapping) for kind in self.alternatives)

    @property
    def takes_keys(self) -> bool:
        """Return whether keys stand below: a section's, or free ones."""
        return self.section is not None or self.is_mapping

    @property
    def is_sequence(self) -> bool:
        """Return whether a list stands here."""
        return any(_origin(kind) in (tuple, list, frozenset) for kind in self.alternatives)

    @property
    def is_secret(self) -> bool:
        """Return whether a secret stands here."""
        return SecretStr in self.alternatives

    @property
    def is_number(self) -> bool:
        """Return whether a number or a boolean stands here, so that text has to be read as one."""
        return any(kind in (int, float, bool) for kind in self.alternatives)

    def allowed(self) -> str:
        """Return the range or the choices in words; empty where the type says it all."""
        choices = [choice for kind in self.alternatives for choice in _choices(kind)]
        if choices:
            return "one of " + ", ".join(choices)
        bounds = []
        for constraint in self.constraints:
            for kind, (sign, name) in _SIGNS.items():
                if isinstance(constraint, kind):
                    bounds.append(f"{sign} {getattr(constraint, name)}")
        return " and ".join(bounds)

    def known_keys(self) -> tuple[str, ...]:
        """Return the keys that may stand below; none where they are free, or where none may."""
        if self.section is not None:
            return tuple(sorted(self.section.model_fields))
        kinds = [typing.get_args(kind)[0] for kind in self.alternatives if _origin(kind) in (dict, Mapping)]
        return tuple(choice for kind in kinds for choice in _choices(kind))

    def holds_secrets(self) -> bool:
        """Return whether a secret stands here or in a section below."""
        return self.is_secret or any(child.holds_secrets() for _, child in _keys_below(self))

    def spelled(self, key: str) -> str:
        """Return a key of a text as the schema spells it: either case is taken, save where keys are free."""
        spelling = {known.lower(): known for known in self.known_keys()}
        return spelling.get(key.lower(), key.lower() if self.section is not None else key)

    def child(self, key: str | int) -> SchemaNode | None:
        """Return the node below; None where the schema has none."""
        for kind in self.alternatives:
            if _is_section(kind):
                if key in kind.model_fields:
                    return _field_node(kind.model_fields[str(key)])
            elif _origin(kind) in (dict, Mapping) and isinstance(key, str):
                return _node(typing.get_args(kind)[1])
            elif _origin(kind) in (tuple, list, frozenset) and isinstance(key, int):
                return _element(typing.get_args(kind), key)
        return None


def root_node(root_class: type[BaseModel]) -> SchemaNode:
    """Return the top of a tree."""
    return SchemaNode((root_class,))


def node_at(root_class: type[BaseModel], path: KeyPath) -> SchemaNode | None:
    """Return the node of a path; None where the schema has none."""
    node: SchemaNode | None = root_node(root_class)
    for key in path:
        node = node.child(key) if node is not None else None
    return node


def nearest_key(root_class: type[BaseModel], path: KeyPath, *, wants_keys: bool | None = None) -> str:
    """Return, in words, which known key was probably meant by an unknown one.

    Looks in the same section first, then for a last part that stands at one place of the tree only. `wants_keys` says
    whether keys were given below it, so that no section is proposed for a value, nor a value for a section; None: it is
    not known.
    """
    parent = node_at(root_class, path[:-1])
    siblings = parent.known_keys() if parent is not None else ()
    section = ".".join(map(str, path[:-1]))
    fitting = [key for key in siblings if wants_keys in (None, _takes_keys(parent, key))]
    close = _close(path[-1], fitting, cutoff=0.6)
    if close:
        return f"did you mean {f'{section}.{close}' if section else close}?"
    by_leaf: dict[str, list[str]] = {}
    for key, node in _keys_below(root_node(root_class)):
        if wants_keys in (None, node.takes_keys):
            by_leaf.setdefault(key.rpartition(".")[2], []).append(key)
    elsewhere = by_leaf.get(_close(path[-1], sorted(by_leaf), cutoff=0.8), [])
    below = [key for key in elsewhere if section and key.startswith(f"{section}.")]
    for found in (below, elsewhere):
        if len(found) == 1:
            return f"did you mean {found[0]}?"
    return f"known here: {', '.join(siblings)}" if siblings else "no key is known here"


def _close(key: str | int, known: Sequence[str], cutoff: float) -> str:
    """Return the known key that is like a key, in either case; empty where none is."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(key).lower(), sorted(by_lower), n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else ""


def _takes_keys(parent: SchemaNode | None, key: str) -> bool:
    node = parent.child(key) if parent is not None else None
    return node is not None and node.takes_keys


def _keys_below(node: SchemaNode, prefix: str = "") -> Iterator[tuple[str, SchemaNode]]:
    """Yield the dotted names of all keys of the sections below, with what may stand there."""
    if node.section is None:
        return
    for name, info in node.section.model_fields.items():
        child = _field_node(info)
        yield f"{prefix}{name}", child
        yield from _keys_below(child, f"{prefix}{name}.")


def _field_node(info: FieldInfo) -> SchemaNode:
    """Return the node of a field of a section."""
    node = _node(info.annotation)
    return SchemaNode(node.alternatives, (*info.metadata, *node.constraints), node.nullable)


def _node(annotation: Any) -> SchemaNode:
    """Return the node of a type, unions and constraints taken apart."""
    if typing.get_origin(annotation) is Annotated:
        inner, *extra = typing.get_args(annotation)
        node = _node(inner)
        return SchemaNode(node.alternatives, (*_constraints(extra), *node.constraints), node.nullable)
    if typing.get_origin(annotation) in (Union, types.UnionType):
        kinds = typing.get_args(annotation)
        nodes = [_node(kind) for kind in kinds if kind is not type(None)]
        return SchemaNode(
            tuple(kind for node in nodes for kind in node.alternatives),
            tuple(constraint for node in nodes for constraint in node.constraints),
            nullable=type(None) in kinds,
        )
    return SchemaNode((annotation,))


def _constraints(extra: list[Any]) -> Iterator[Any]:
    """Yield the constraints of an annotation, those inside a `Field(...)` too."""
    for entry in extra:
        if isinstance(entry, FieldInfo):
            yield from entry.metadata
        else:
            yield entry


def _element(arguments: tuple[Any, ...], index: int) -> SchemaNode | None:
    """Return the node of an entry of a list or tuple type."""
    if not arguments:
        return None
    if len(arguments) == 1 or arguments[1] is Ellipsis:
        return _node(arguments[0])
    return _node(arguments[index]) if index < len(arguments) else None


def _choices(kind: Any) -> list[str]:
    """Return what an enum or a literal lets one write."""
    if typing.get_origin(kind) is Literal:
        return [str(choice) for choice in typing.get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return ["true", "false"] if kind is bool else []


def _origin(kind: Any) -> Any:
    """Return the generic type, or the type itself where it is given no arguments."""
    origin = typing.get_origin(kind)
    return Mapping if origin is not None and origin.__name__ == "Mapping" else origin


def _is_section(kind: Any) -> bool:
    """Return whether a type is a configuration class."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)
