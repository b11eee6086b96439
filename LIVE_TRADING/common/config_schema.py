"""What the configuration classes allow at a dotted key: its type, its range, its neighbours."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
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


def nearest_key(root_class: type[BaseModel], path: KeyPath) -> str:
    """Return, in words, which known key was probably meant by an unknown one.

    Looks in the same section first, then for the same last part anywhere in the tree.
    """
    parent = node_at(root_class, path[:-1])
    siblings = sorted(parent.section.model_fields) if parent is not None and parent.section is not None else []
    close = difflib.get_close_matches(str(path[-1]), siblings, n=1)
    if close:
        return f"did you mean {'.'.join([*map(str, path[:-1]), close[0]])}?"
    keys = sorted(_leaf_keys(root_node(root_class)))
    by_leaf: dict[str, str] = {}
    for key in keys:
        by_leaf.setdefault(key.rpartition(".")[2], key)
    elsewhere = difflib.get_close_matches(str(path[-1]), sorted(by_leaf), n=1, cutoff=0.8)
    if elsewhere:
        return f"did you mean {by_leaf[elsewhere[0]]}?"
    return f"known here: {', '.join(siblings)}" if siblings else "no key is known here"


def _leaf_keys(node: SchemaNode, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys of the sections below."""
    if node.section is None:
        return
    for name, info in node.section.model_fields.items():
        yield f"{prefix}{name}"
        yield from _leaf_keys(_field_node(info), f"{prefix}{name}.")


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
