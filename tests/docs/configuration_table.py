"""The tables of docs/configuration.md, read from the configuration classes.

`PYTHONPATH=. python tests/docs/configuration_table.py` writes them anew into the page. Running text stays as it is, and
so do meanings that the classes do not give.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from LIVE_TRADING.cli.settings import Settings
from LIVE_TRADING.common.config_schema import SchemaNode, node_at, root_node

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
HEAD = "| key | default | allowed | meaning |\n|---|---|---|---|"

# sections whose keys are free: what stands for one of them in the documentation
PLACEHOLDERS = {"alerting.rules": "TYPE", "instruments.symbols": "SYMBOL"}
WORDS = {
    bool: "true, false",
    int: "whole number",
    float: "number",
    Decimal: "number",
    str: "text",
}


@dataclass(frozen=True)
class Row:
    """One key: where it stands, its default as one writes it in YAML, what is allowed, and the class's own words."""

    key: str
    default: str
    allowed: str
    meaning: str

    def line(self) -> str:
        return f"| `{self.key}` | {self.default} | {self.allowed} | {self.meaning} |"


def rows() -> list[Row]:
    """Return every key of the tree, sections in the order of the classes."""
    return list(_section(Settings, ""))


def _section(section: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, info in section.model_fields.items():
        key = f"{prefix}{name}"
        below = _sections_below(info.annotation)
        place = PLACEHOLDERS.get(key)
        if below is None or place is not None or _is_nullable(info.annotation):
            node = root_node(section).child(name)
            assert node is not None
            yield Row(key, _default(info), _allowed(info.annotation, node), _one_line(info.description or ""))
        if below is not None:
            yield from _section(below, f"{key}.{place}." if place else f"{key}.")


def _sections_below(annotation: Any) -> type[BaseModel] | None:
    """Return the configuration class of a section, also of an optional one, or of the values of a mapping of them."""
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        if typing.get_origin(kind) is dict:
            return _sections_below(typing.get_args(kind)[1])
    return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) is Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for part in typing.get_args(annotation) for kind in _alternatives(part))
    return (annotation,)


def _is_nullable(annotation: Any) -> bool:
    return type(None) in _alternatives(annotation)


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "must be set"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        value = int(value)  # 300.0 and 300 are the same number in YAML
    if isinstance(value, Decimal):
        return f"`{value.normalize():f}`"
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(to_jsonable_python(value), ensure_ascii=False)}`".replace('"', "")


def _allowed(annotation: Any, node: SchemaNode) -> str:
    bounds = node.allowed().removeprefix("one of ")
    word = _word(annotation)
    if any(isinstance(kind, type) and issubclass(kind, Enum) for kind in node.alternatives):
        word = ""
    parts = [part for part in (word, _plain_bounds(bounds)) if part]
    text = parts[-1] if word in ("", "true, false") else " ".join(parts)
    return f"{text}, or null" if node.nullable else text


def _word(annotation: Any) -> str:
    kinds = [kind for kind in _alternatives(annotation) if kind is not type(None)]
    kind = kinds[0]
    origin = typing.get_origin(kind)
    if origin is tuple:
        return "list"
    if origin is dict:
        return "mapping"
    if origin is typing.Literal:
        return ""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    return WORDS.get(kind, "date" if kind.__name__ == "date" else "text")


def _plain_bounds(text: str) -> str:
    return text.replace(".0 ", " ").removesuffix(".0").replace(" and ", ", ")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def documented(text: str) -> dict[str, Row]:
    """Return the rows of the page's tables by key.

    Raises
    ------
    ValueError
        A key is documented twice.
    """
    found: dict[str, Row] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            key = cells[0].strip("`")
            if key in found:
                raise ValueError(f"{key} is documented twice")
            found[key] = Row(key, *cells[1:])
    return found


def renewed(text: str) -> str:
    """Return the page with its tables written anew; a section without a heading gets one at the end."""
    known = documented(text)
    for section in Settings.model_fields:
        table = "\n".join(_renewed_row(row, known).line() for row in rows() if row.key.partition(".")[0] == section)
        table = f"{HEAD}\n{table}\n"
        place = re.compile(rf"(^### {section}\n(?:(?!\||###).*\n)*)(?:\|.*\n?)*", re.MULTILINE)
        if place.search(text):
            text = place.sub(lambda match, table=table: match[1] + table, text)
        else:
            text = f"{text.rstrip()}\n\n### {section}\n\n{table}"
    return text


def _renewed_row(row: Row, known: dict[str, Row]) -> Row:
    there = known.get(row.key)
    return row if row.meaning or there is None else replace(row, meaning=there.meaning)


def is_known(key: str) -> bool:
    """Return whether a dotted key, or one with a placeholder in it, stands in the tree."""
    path = [part for part in key.split(".") if part]
    return node_at(Settings, tuple(path)) is not None


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
