"""What stands in an ONNX file, read from its bytes before any library acts on them.

The file is a protocol buffer (onnx/onnx.proto); of its wire format the few messages that matter here are walked. The
library that will run it would open files that the graph names, and load operators from outside the standard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_IN_THIS_FILE = 0
_DEEPEST = 64
# numbers of the fields that are followed
_MODEL_GRAPH, _MODEL_FUNCTION = 7, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_SPARSE_TENSORS = (1, 2)
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 8, 13, 14
_FUNCTION_NODE = 7


@dataclass(frozen=True, slots=True)
class OnnxContents:
    """Operators, as (domain, type), and the tensors whose values stand in other files; graphs within graphs included.

    The standard's domain is "".
    """

    operators: frozenset[tuple[str, str]]
    external_tensors: tuple[str, ...]


def onnx_contents(data: bytes) -> OnnxContents:
    """Return what stands in an ONNX file.

    Raises
    ------
    ValueError
        The bytes are no ONNX file.
    """
    found = _Found(set(), [])
    has_graph = False
    for number, value in _fields(data):
        if number == _MODEL_GRAPH:
            found.graph(_message(value), 0)
            has_graph = True
        elif number == _MODEL_FUNCTION:
            for inner, node in _fields(_message(value)):
                if inner == _FUNCTION_NODE:
                    found.node(_message(node), 0)
    if not has_graph:
        raise ValueError("no ONNX file: it holds no graph")
    return OnnxContents(frozenset(found.operators), tuple(sorted(found.external)))


@dataclass(slots=True)
class _Found:
    """What has been found so far."""

    operators: set[tuple[str, str]]
    external: list[str]

    def graph(self, data: bytes, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError(f"no ONNX file: graphs within graphs, more than {_DEEPEST} deep")
        for number, value in _fields(data):
            if number == _GRAPH_NODE:
                self.node(_message(value), depth)
            elif number == _GRAPH_TENSOR:
                self.tensor(_message(value))
            elif number == _GRAPH_SPARSE:
                self.sparse(_message(value))

    def node(self, data: bytes, depth: int) -> None:
        domain, kind = "", ""
        for number, value in _fields(data):
            if number == _NODE_TYPE:
                kind = _text(value)
            elif number == _NODE_DOMAIN:
                domain = _text(value)
            elif number == _NODE_ATTRIBUTE:
                self.attribute(_message(value), depth)
        self.operators.add(("" if domain == "ai.onnx" else domain, kind))

    def attribute(self, data: bytes, depth: int) -> None:
        for number, value in _fields(data):
            if number in _ATTRIBUTE_TENSORS:
                self.tensor(_message(value))
            elif number in _ATTRIBUTE_GRAPHS:
                self.graph(_message(value), depth + 1)
            elif number in _ATTRIBUTE_SPARSE:
                self.sparse(_message(value))

    def sparse(self, data: bytes) -> None:
        for number, value in _fields(data):
            if number in _SPARSE_TENSORS:
                self.tensor(_message(value))

    def tensor(self, data: bytes) -> None:
        name, external = "(without a name)", False
        for number, value in _fields(data):
            if number == _TENSOR_NAME:
                name = _text(value)
            external |= number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_LOCATION and value != _IN_THIS_FILE)
        if external:
            self.external.append(name)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("no ONNX file: no protocol buffer")
        if number == 0 or at + length > len(data):
            raise ValueError("no ONNX file, or cut short")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("no ONNX file, or cut short")


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("no ONNX file: a number where a message should be")
    return value


def _text(value: int | bytes) -> str:
    return _message(value).decode("utf-8", "replace")
