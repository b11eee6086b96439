"""Validating a configuration and saying in words what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from LIVE_TRADING.common.config_merge import TOP_KEY, Merge
from LIVE_TRADING.common.config_schema import SchemaNode, nearest_key, node_at
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.yaml_tree import KeyPath, dotted

HIDDEN = "**********"
_LONGEST_VALUE = 80
_RANGE_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "enum", "literal_error")
_COUNT_ERRORS = ("too_short", "too_long")
_KEYS_WANTED = ("model_type", "model_attributes_type", "dict_type", "mapping_type")

M = TypeVar("M", bound=BaseModel)


def validated(root_class: type[M], merge: Merge) -> M:
    """Return the tree.

    Strict JSON mode: true is no number and "5" is no integer, while lists become tuples and text dates and enums.

    Raises
    ------
    ConfigurationError
        Lists everything that is wrong.
    """
    problems = list(merge.problems)
    try:
        config = root_class.model_validate_json(json.dumps(merge.tree, allow_nan=False), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        for detail in details:
            if detail["type"] == "missing" and merge.problems:
                continue  # it may stand in what could not be read
            if detail["type"] == "too_short" and any(_is_below(other["loc"], detail["loc"]) for other in details):
                continue  # entries that are refused are not counted
            problems.append(_problem(root_class, merge, detail))
        raise ConfigurationError(_report(problems)) from error
    except ConfigurationError as error:  # a validator's, which pydantic lets through
        raise ConfigurationError(_report([*problems, f"configuration: {error}"])) from error
    if problems:
        raise ConfigurationError(_report(problems))
    return config


def _problem(root_class: type[BaseModel], merge: Merge, detail: ErrorDetails) -> str:
    """Return one error in words: origin, key, value, what is allowed."""
    path = _place(merge.tree, detail["loc"], missing=detail["type"] == "missing")
    origin, key = merge.origin(path), dotted(path) or TOP_KEY
    if detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",):
        nearest = nearest_key(root_class, path, wants_keys=isinstance(_at(merge.tree, path), dict))
        return f"{origin}: {key}{_shown_unknown(root_class, merge.tree, path)}: unknown key; {nearest}"
    if detail["type"] == "missing":
        return f"{origin}: {key}: must be set"
    node = node_at(root_class, path)
    value = _shown(detail["input"], node) if path else ""
    allowed = node.allowed() if node is not None else ""
    if allowed and detail["type"] in _RANGE_ERRORS:
        return f"{origin}: {key}{value}: must be {allowed}"
    if detail["type"] in _KEYS_WANTED:
        return f"{origin}: {key}{value}: {_keys_wanted(node)}"
    if detail["type"] in _COUNT_ERRORS:
        return f"{origin}: {key}: {_entries_wanted(detail, node)}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if isinstance(detail["input"], dict) and detail["type"] == "value_error":  # a rule over several values
        origin = merge.origins_below(path, message)
    return f"{origin}: {key}{value}: {message}" + (f" (allowed: {allowed})" if allowed else "")


def _place(tree: Mapping[str, Any], loc: tuple[int | str, ...], *, missing: bool) -> KeyPath:
    """Return the part of pydantic's location that exists in the tree; the rest names union members and the like."""
    path: list[str | int] = []
    value: Any = tree
    for part in loc:
        inside = part in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(part, int)
        if not inside:
            return (*path, part) if missing and part == loc[-1] else tuple(path)
        path.append(part)
        value = value[part]
    return tuple(path)


def _is_below(loc: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _keys_wanted(node: SchemaNode | None) -> str:
    """Return what to write where a value stands in the place of keys."""
    known = node.known_keys() if node is not None else ()
    return "keys stand below it" + (f": {', '.join(known)}" if known else ", each with its value")


def _entries_wanted(detail: ErrorDetails, node: SchemaNode | None) -> str:
    """Return how many entries a list must have, and what each may be where that is a choice."""
    limits = detail["ctx"]
    bound = f"at least {limits['min_length']}" if "min_length" in limits else f"at most {limits['max_length']}"
    entry = node.child(0) if node is not None else None
    each = f" (each {entry.allowed()})" if entry is not None and entry.allowed() else ""
    return f"must have {bound} {'entry' if bound.endswith(' 1') else 'entries'}, not {len(detail['input'])}{each}"


def _shown_unknown(root_class: type[BaseModel], tree: Mapping[str, Any], path: KeyPath) -> str:
    """Return ` = value` for a number under an unknown key; nothing where it might be a secret that was misplaced."""
    value, section = _at(tree, path), node_at(root_class, path[:-1])
    if isinstance(value, str | dict | list) or section is None or section.holds_secrets():
        return ""
    return f" = {json.dumps(value)}"


def _shown(value: Any, node: SchemaNode | None) -> str:
    """Return ` = value` for a message; nothing for secrets and for whole sections."""
    if isinstance(value, dict | list):
        return ""
    if node is None or node.is_secret:
        return f" = {HIDDEN}"
    text = json.dumps(value, ensure_ascii=False)
    return f" = {text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '…'}"


def _report(problems: Sequence[str]) -> str:
    """Return the message that lists all problems."""
    problems = list(dict.fromkeys(problems))
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([f"configuration: {count}", *problems])
