"""The configuration: one frozen tree, read from YAML files, the environment and flags, in this order.

Every setting's default stands in its class and nowhere else. All errors are reported at once, each with the place that
set the value, the value, what is allowed, and for an unknown key the nearest known one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic_core import to_jsonable_python

from LIVE_TRADING.common.config_merge import TOP_KEY, Merge
from LIVE_TRADING.common.config_problems import HIDDEN, validated
from LIVE_TRADING.common.config_schema import nearest_key
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.common.yaml_tree import dotted

ENV_PREFIX = "LIVE_TRADING__"
_REQUIRED: Any = object()


class FrozenConfig(BaseModel):
    """A frozen section of the configuration: unknown keys are refused, NaN and infinity too."""

    # inputs stay out of pydantic's own messages: they may be secrets, and a traceback may end in a log
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


C = TypeVar("C", bound=FrozenConfig)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[C]):
    """A configuration and, by dotted key, the place that set each value which is no default."""

    config: C
    sources: Mapping[str, str]


def load_tree(
    root_class: type[C],
    files: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Loaded[C]:
    """Read the configuration; what comes later wins, key by key (lists as a whole).

    Parameters
    ----------
    root_class
        Class of the tree, whose fields are the sections.
    files
        YAML files, each with the one top key `live_trading` (an empty file says nothing).
    env
        Environment; of it `LIVE_TRADING__SECTION__KEY` counts, the value being YAML (text where text is wanted).
    overrides
        Dotted key to value, from flags; values as in the environment. A leading `live_trading.` may be given.

    Raises
    ------
    ConfigurationError
        Something is wrong; the message lists everything that is.
    """
    merge = Merge(root_class)
    for path in files:
        merge.add_file(path)
    for name, text in sorted((env or {}).items()):
        if name.startswith(ENV_PREFIX):
            merge.add_text(name.removeprefix(ENV_PREFIX).split("__"), text, name)
    for key, text in (overrides or {}).items():
        merge.add_text(key.removeprefix(f"{TOP_KEY}.").split("."), text, "command line")
    config = validated(root_class, merge)
    return Loaded(config, {dotted(path): merge.origins[path] for path in sorted(merge.origins, key=dotted)})


def config_from_dict(root_class: type[C], tree: Mapping[str, Any]) -> C:
    """Return the configuration that `config_dict` wrote, secrets at their defaults.

    Raises
    ------
    ConfigurationError
        The tree does not fit the class.
    """
    merge = Merge(root_class)
    merge.tree.update(tree)
    return validated(root_class, merge)


def config_dict(config: BaseModel) -> dict[str, Any]:
    """Return a configuration as JSON knows it, without its secrets, Decimals as plain text."""
    public: dict[str, Any] = _public(config)
    return public


def config_hash(config: BaseModel) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of `config_dict`: sorted keys, no spaces."""
    return hashlib.sha256(orjson.dumps(_public(config), option=orjson.OPT_SORT_KEYS)).hexdigest()


def flat(config: BaseModel) -> dict[str, Any]:
    """Return dotted key to value for display, secrets as asterisks."""
    rows: dict[str, Any] = {}

    def collect(value: Any, prefix: str) -> None:
        for name in type(value).model_fields:
            member = getattr(value, name)
            if isinstance(member, BaseModel):
                collect(member, f"{prefix}{name}.")
            else:
                rows[f"{prefix}{name}"] = HIDDEN if isinstance(member, SecretStr) else _public(member)

    collect(config, "")
    return rows


def leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted key to value of a configuration as JSON knows it; an empty mapping is a value."""
    rows: dict[str, Any] = {}
    for key, value in sorted(tree.items()):
        if isinstance(value, dict) and value:
            rows |= leaves(value, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = value
    return rows


def lookup(config: BaseModel, key: str, default: Any = _REQUIRED) -> Any:
    """Return the value at a dotted key (`live_trading.` in front may be given).

    Raises
    ------
    ConfigurationError
        There is no such key and no default is given; names the nearest known key.
    """
    parts = key.removeprefix(f"{TOP_KEY}.").split(".")
    value: Any = config
    for depth, part in enumerate(parts, start=1):
        if isinstance(value, BaseModel) and part in type(value).model_fields:
            value = getattr(value, part)
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        elif default is _REQUIRED:
            raise ConfigurationError(f"{key}: unknown key; {nearest_key(type(config), tuple(parts[:depth]))}")
        else:
            return default
    return value


def _public(value: Any) -> Any:
    """Return a value as JSON knows it, secrets left out."""
    if isinstance(value, BaseModel):
        members = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: _public(member) for name, member in members if not isinstance(member, SecretStr)}
    if isinstance(value, Mapping):
        return {str(_public(key)): _public(member) for key, member in value.items()}
    if isinstance(value, tuple | list):
        return [_public(member) for member in value]
    if isinstance(value, frozenset | set):
        return sorted(_public(member) for member in value)
    if isinstance(value, Enum):
        return value.value
    return plain(value) if isinstance(value, Decimal) else to_jsonable_python(value)
