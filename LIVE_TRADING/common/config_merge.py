"""Laying the sources of a configuration over each other, remembering where each value came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from LIVE_TRADING.common.config_schema import SchemaNode, node_at, root_node
from LIVE_TRADING.common.yaml_tree import KeyPath, dotted, parse_text, read_yaml

TOP_KEY = "live_trading"


@dataclass(slots=True)
class Merge:
    """Raw values from all sources, where each came from, and what is wrong already."""

    root_class: type[BaseModel]
    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add_file(self, path: Path) -> None:
        """Lay a YAML file over what is there."""
        document = read_yaml(path)
        self.problems.extend(document.problems)
        top = document.value
        if top is None:
            return
        wrong = [key for key in top if key != TOP_KEY] if isinstance(top, dict) else []
        for key in wrong:
            self.problems.append(f"{path}:{document.lines[(key,)]}: {key}: the one top key is {TOP_KEY}")
        if not isinstance(top, dict) or (not wrong and not top):
            self.problems.append(f"{path}:1: the one top key {TOP_KEY}: is missing")
            return
        lines = {place[1:]: f"{path}:{line}" for place, line in document.lines.items() if place[0] == TOP_KEY}
        section = top.get(TOP_KEY)
        if isinstance(section, dict):
            self._lay(self.tree, section, (), lines)
        elif section is not None:
            self.problems.append(f"{lines[()]}: {TOP_KEY}: sections are wanted below it")

    def add_text(self, parts: Sequence[str], text: str, origin: str) -> None:
        """Lay one value of the environment or the command line over what is there."""
        path: list[str] = []
        node: SchemaNode | None = root_node(self.root_class)
        for part in parts:
            path.append(node.spelled(part) if node is not None else part)
            node = node.child(path[-1]) if node is not None else None
        try:
            overlay: Any = typed(text, node)
        except ValueError as error:
            self.problems.append(f"{origin}: {dotted(path)} = {text}: {error}")
            return
        for part in reversed(path):
            overlay = {part: overlay}
        self._lay(self.tree, overlay, (), {tuple(path): origin}, origin)

    def _lay(
        self,
        target: dict[str, Any],
        overlay: Mapping[str, Any],
        path: KeyPath,
        lines: Mapping[KeyPath, str],
        by: str = "",
    ) -> None:
        """Lay a mapping over another and note where each value comes from; `by` where `lines` does not say."""
        for key, value in overlay.items():
            place = (*path, key)
            if value is None and self._is_section(place):
                value = {}  # a section all of whose keys are commented out
            if isinstance(value, dict):
                if key not in target:
                    target[key] = {}
                elif not isinstance(target[key], dict):
                    self._forget(place)
                    target[key] = {}
                self.origins.setdefault(place, lines.get(place, by))
                self._lay(target[key], value, place, lines, by)
            else:
                if key in target:
                    self._forget(place)
                target[key] = value
                self.origins[place] = lines.get(place, by)
                if isinstance(value, list):
                    self.origins.update({deep: line for deep, line in lines.items() if deep[: len(place)] == place})

    def _is_section(self, place: KeyPath) -> bool:
        """Return whether keys belong here, so that an empty place means no keys."""
        node = node_at(self.root_class, place)
        return node is not None and not node.nullable and node.takes_keys

    def _forget(self, place: KeyPath) -> None:
        """Drop the origins at and below a place that is set anew."""
        for old in [path for path in self.origins if path[: len(place)] == place]:
            del self.origins[old]

    def origin(self, path: KeyPath) -> str:
        """Return where a value comes from, or the nearest place above it that was set."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return "configuration"

    def origins_below(self, path: KeyPath, named_in: str) -> str:
        """Return where the values below a place come from, last those that were set last.

        Of those, the ones whose keys stand in a message, if there are any. Nothing set below: where the place is from.
        """
        values = {place: origin for place, origin in self.origins.items() if place[: len(path)] == path}
        for length in range(len(path) + 1):  # a section is no value; only what stands in it was chosen
            values.pop(path[:length], None)
        words = set(re.findall(r"\w+", named_in))
        named = [origin for place, origin in values.items() if str(place[-1]) in words]
        return ", ".join(dict.fromkeys(named or values.values())) or self.origin(path)


def typed(text: str, node: SchemaNode | None) -> Any:
    """Return the value of a text: YAML as in a file, unless text is wanted there; `a,b` where a list is.

    Raises
    ------
    ValueError
        Keys stand there, and the text is no YAML.
    """
    tree = parse_text(text)
    value = text if tree.problems else tree.value
    if node is None:
        return value
    if node.takes_keys and tree.problems:
        raise ValueError(f"{tree.problems[0]}; write {{key: value}}")
    if isinstance(value, dict) and not node.takes_keys:
        value = text
    if isinstance(value, list) or (value is None and node.nullable):
        return value
    if node.is_sequence:
        element = node.child(0)
        return [typed(part.strip(), element) for part in text.split(",")] if text.strip() else []
    return value if node.is_number or node.takes_keys else text
