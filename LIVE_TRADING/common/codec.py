"""Records to JSON values and back, by their annotations: the one codec of journal, checkpoints and the paper venue.

NaN in an array is null; infinity is refused. Decimals and enums are text, floats keep every bit (shortest repr).
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any

import numpy as np

from LIVE_TRADING.common import events
from LIVE_TRADING.common.records import written
from LIVE_TRADING.common.types import BarBatch

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]


def to_json_value(value: Any) -> Any:
    """Return a JSON-ready value of a record, a container of records or a plain value.

    Raises
    ------
    ValueError
        A float is infinite, or a Decimal is no number.
    """
    return (_ENCODERS.get(type(value)) or _encoder_of(value))(value)


def _encoder_of(value: Any) -> Encoder:
    """Return what encodes values of this type, remembered for the next one."""
    kind = type(value)
    encoder: Encoder
    if isinstance(value, Enum):
        encoder = _enum_value
    elif isinstance(value, (str, int)):
        encoder = _as_it_is
    elif isinstance(value, float):
        encoder = _float_value
    elif isinstance(value, Decimal):
        encoder = _decimal_value
    elif isinstance(value, np.ndarray):
        encoder = _array_value
    elif is_dataclass(kind):
        encoder = _record_encoder(kind)
    elif isinstance(value, Mapping):
        encoder = _mapping_value
    elif isinstance(value, (list, tuple)):
        encoder = _list_value
    elif isinstance(value, np.generic):
        encoder = _scalar_value
    else:
        raise TypeError(f"{kind.__name__} cannot be recorded")
    _ENCODERS[kind] = encoder
    return encoder


def _record_encoder(kind: type) -> Encoder:
    """Return what encodes a kind of record: a function written for its fields.

    A value of exactly the type that is annotated is encoded in place; any other by its own type, as everywhere.
    """
    try:
        hints = _hints(kind)
    except NameError:  # annotations that cannot be resolved, such as those of a class within a function
        hints = {field.name: Any for field in fields(kind)}
    known: dict[str, Any] = {"_any": to_json_value, "_decimal": _decimal_value, "Decimal": Decimal}
    items = ", ".join(f"{name!r}: {_encoding_of(name, hint, known)}" for name, hint in hints.items())  # order: fields
    return written("encode_record", "record", [f"    return {{{items}}}"], known)


def _encoding_of(name: str, hint: Any, known: dict[str, Any]) -> str:
    """Return the expression that encodes a field."""
    value, optional = f"record.{name}", [each for each in typing.get_args(hint) if each is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(optional) == 1:
        return f"(None if {value} is None else {_encoding_of(name, optional[0], known)})"
    if hint in (str, int, bool):
        encoded = value
    elif hint is Decimal:
        encoded = f"_decimal({value})"
    elif isinstance(hint, type) and issubclass(hint, Enum):
        encoded = f"{value}._value_"
    else:
        return f"_any({value})"
    known[hint.__name__] = hint
    return f"({encoded} if {value}.__class__ is {hint.__name__} else _any({value}))"


def _as_it_is(value: Any) -> Any:
    return value


def _float_value(value: float) -> float | None:
    if math.isinf(value):
        raise ValueError("infinity cannot be recorded")
    return None if value != value else value


def _decimal_value(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"an amount of {value} cannot be recorded")
    return str(value)


def _enum_value(value: Enum) -> Any:
    return value.value


def _mapping_value(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): to_json_value(entry) for key, entry in value.items()}


def _list_value(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [to_json_value(entry) for entry in value]


def _scalar_value(value: Any) -> Any:
    return to_json_value(value.item())


def _array_value(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array itself: orjson writes it, NaN as null."""
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise ValueError("an array with infinity cannot be recorded")
    return np.ascontiguousarray(array)


_ENCODERS: dict[type, Encoder] = {
    type(None): _as_it_is,
    str: _as_it_is,
    int: _as_it_is,
    bool: _as_it_is,
    float: _float_value,
    Decimal: _decimal_value,
    np.ndarray: _array_value,
    dict: _mapping_value,
    list: _list_value,
    tuple: _list_value,
}


def from_json_value(annotation: Any, value: Any) -> Any:
    """Return the value an annotation describes."""
    return _decoder_of(annotation)(value)


@lru_cache(maxsize=1024)
def _decoder_of(annotation: Any) -> Decoder:
    """Return what turns JSON values into those of an annotation, made once for each."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (_decoder_of(argument) for argument in arguments if argument is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is np.ndarray:
        dtype = typing.get_args(arguments[1])[0]
        return lambda value: np.array(value, dtype=dtype)
    if origin is tuple:
        entry = _decoder_of(arguments[0])
        return lambda value: tuple([entry(one) for one in value])
    if origin is list:
        entry = _decoder_of(arguments[0])
        return lambda value: [entry(one) for one in value]
    if origin in (dict, Mapping):
        entry = _decoder_of(arguments[1])
        return lambda value: {key: entry(one) for key, one in value.items()}
    if is_dataclass(annotation):
        return _record_decoder(annotation)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        members = {member.value: member for member in annotation}
        return lambda value: members[value] if value in members else annotation(value)
    if isinstance(annotation, type) and issubclass(annotation, (Decimal, Enum)):
        return annotation
    if annotation is float:
        return _float_from
    return _as_it_is


def _float_from(value: Any) -> float:
    return math.nan if value is None else float(value)


def _record_decoder(record_type: Any) -> Decoder:
    """Return what makes a kind of record of its values: a function written for its fields."""
    hints = _hints(record_type)
    known: dict[str, Any] = {"_made": record_type, "_known": hints.keys(), "_refused": _fields_differ}
    arguments = list[str]()
    for name, hint in hints.items():  # order: of the fields
        decoder = _decoder_of(hint)
        known[f"_of_{name}"] = decoder
        arguments.append(f"values[{name!r}]" if decoder is _as_it_is else f"_of_{name}(values[{name!r}])")
    lines = ["    if values.keys() != _known: _refused(_made, values)", f"    return _made({', '.join(arguments)})"]
    return written("decode_record", "values", lines, known)


def _fields_differ(record_type: Any, values: dict[str, Any]) -> None:
    different = sorted(values.keys() ^ _hints(record_type).keys())
    raise ValueError(f"{record_type.__name__}: fields {different} missing or unknown")


def record_from(record_type: Any, values: dict[str, Any]) -> Any:
    """Return a record of a type from the values that `to_json_value` gave.

    Raises
    ------
    ValueError
        A field is missing or unknown.
    """
    return _decoder_of(record_type)(values)


@lru_cache(maxsize=256)
def _hints(record_type: Any) -> dict[str, Any]:
    resolved = typing.get_type_hints(record_type)
    return {field.name: resolved[field.name] for field in fields(record_type)}


EVENT_TYPES: dict[str, Any] = {
    record.__name__: record
    for record in (
        events.SystemFault,
        events.OrderAck,
        events.OrderFill,
        events.OrderReject,
        events.OrderCancelled,
        events.CancelRejected,
        events.OrderExpired,
        events.OrderUnknown,
        events.OrderStatusReport,
        events.BrokerSnapshot,
        events.ControlRequest,
        events.CodeChanged,
        events.PredictionsReady,
        events.TargetsReady,
        BarBatch,
        events.ScheduledTrigger,
        events.CycleAborted,
        events.MarketData,
    )
}


def encode(event: Any) -> list[Any]:
    """Return [type name, fields] of an event."""
    return [type(event).__name__, to_json_value(event)]


def decode(entry: list[Any]) -> Any:
    """Return the event of [type name, fields].

    Raises
    ------
    ValueError
        The type is unknown to this version.
    """
    name, values = entry
    if name not in EVENT_TYPES:
        raise ValueError(f"event type {name} is unknown to this version")
    return record_from(EVENT_TYPES[name], values)
