"""YAML with line numbers, in the JSON-like core schema of YAML 1.2.

PyYAML's own reading is that of YAML 1.1, in which `mode: off` is false, the ticker `ON` is true, `14:30` is 870 and
`1e-4` is text. Here true and false are the only booleans, times, dates and `.nan` are text, and a key is always text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

KeyPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|false|False)$")
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9]*(?:_[0-9]{3})*)$")
_FLOAT = re.compile(
    r"^[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+)$"
)


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader that resolves plain scalars as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's name and type


_CoreLoader.add_implicit_resolver(f"{_TAG}null", _NULL, ["~", "n", "N", ""])
_CoreLoader.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
_CoreLoader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_CoreLoader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


@dataclass(frozen=True, slots=True)
class YamlTree:
    """A document: its value, the line (1-based) of every key and list entry, and all that is wrong with it."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_yaml(path: Path) -> YamlTree:
    """Return a file's one document. Nothing is raised: what is wrong stands in `problems`, each with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return YamlTree(problems=(f"{path}: no such file",))
    except OSError as error:
        return YamlTree(problems=(f"{path}: cannot be read ({error.strerror})",))
    except UnicodeDecodeError as error:
        return YamlTree(problems=(f"{path}: is no UTF-8 text (byte {error.start})",))
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> YamlTree:
    """Return the one document of a text; `name` stands in its problems."""
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        return YamlTree(problems=(f"{name}{line}: is no YAML: {error.problem}",))
    except yaml.YAMLError as error:
        return YamlTree(problems=(f"{name}: is no YAML: {str(error).splitlines()[0]}",))
    if node is None:
        return YamlTree()
    builder = _Builder(name)
    value = builder.build(node, ())
    return YamlTree(value, builder.lines, tuple(builder.problems))


def parse_text(text: str) -> YamlTree:
    """Return what a text of the environment or the command line is as YAML."""
    tree = parse_yaml(text, "")
    return replace(tree, problems=tuple(problem.partition(": ")[2] for problem in tree.problems))


class _Builder:
    """Turns nodes into values and notes lines and problems."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[Node] = []
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[str] = []

    def build(self, node: Node, path: KeyPath) -> Any:
        """Return the value of a node; a problem is noted, and None stands for what has one."""
        if any(node is outer for outer in self._open):
            return self._problem(node, "an alias that holds itself")
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return self._sequence(node, path)
            return self._scalar(node)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, "a key that is no text")
                continue
            key = str(key_node.value)
            place = (*path, key)
            if key in result:
                self._problem(key_node, f"{dotted(place)}: given twice, first on line {self.lines[place]}")
                continue
            self.lines[place] = key_node.start_mark.line + 1
            known = len(self.problems)
            value = self.build(value_node, place)
            if value is not None or len(self.problems) == known:
                result[key] = value
        return result

    def _sequence(self, node: SequenceNode, path: KeyPath) -> list[Any]:
        result = []
        for index, entry in enumerate(node.value):
            place = (*path, index)
            self.lines[place] = entry.start_mark.line + 1
            result.append(self.build(entry, place))
        return result

    def _scalar(self, node: Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in ("str", "int", "float"):
            try:
                return self._number(node, kind, text)
            except ValueError:
                return self._problem(node, f"{text!r} is no {kind}")
        return self._problem(node, f"the tag {node.tag} is not known")

    def _number(self, node: Node, kind: str, text: str) -> Any:
        if kind == "str":
            return text
        if kind == "int":
            return int(text)
        value = float(text)
        return value if math.isfinite(value) else self._problem(node, f"{text} is no finite number")

    def _problem(self, node: Node, text: str) -> None:
        self.problems.append(f"{self._name}:{node.start_mark.line + 1}: {text}")


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as a dotted key."""
    return ".".join(str(part) for part in path)
