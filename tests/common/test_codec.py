"""Events and records through JSON and back: nothing is lost, nothing is guessed."""

from __future__ import annotations

# covers: P23, A3, A4, B8
import string
import types
import typing
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from LIVE_TRADING.common import codec
from LIVE_TRADING.common.codec import EVENT_TYPES, decode, encode, from_json_value, record_from, to_json_value
from LIVE_TRADING.common.events import PRIORITY, OrderAck, OrderFill, RunStarted
from LIVE_TRADING.common.layered import Layered
from LIVE_TRADING.common.types import Leg, Order, Side

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FLOATS = st.one_of(st.floats(allow_infinity=False), st.just(-0.0), st.just(5e-324))
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may hold."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if one is type(None) else values_of(one) for one in arguments))
    if origin is np.ndarray:
        kind = typing.get_args(arguments[1])[0]
        elements = {"elements": {"allow_infinity": False}} if kind is np.float64 else {}
        return npst.arrays(kind, npst.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), **elements)
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, values_of(arguments[1]), max_size=3)
    if annotation is Any:
        return st.sampled_from([1, "a", None, True])
    if is_dataclass(annotation):
        return records_of(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    return {Decimal: AMOUNTS, float: FLOATS, int: INT64, str: TEXT, bool: st.booleans()}[annotation]


def records_of(record_type: Any) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(record_type)
    return st.builds(record_type, **{field.name: values_of(hints[field.name]) for field in fields(record_type)})


def same(one: Any, other: Any) -> bool:
    """Equality to the last bit: NaN is NaN, −0 is not 0, 1 is not 1.0, and an amount keeps its digits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and same_bits(one, other)
    if isinstance(one, float):
        return (one != one and other != other) or (one == other and str(one) == str(other))
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "f":
        nan = np.isnan(one)
        return bool((nan == np.isnan(other)).all()) and bool(
            (one[~nan].view(np.int64) == other[~nan].view(np.int64)).all()
        )
    return bool((one == other).all())


def through_json(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_every_event_comes_back_as_it_went(name: str, data: st.DataObject) -> None:
    event = data.draw(records_of(EVENT_TYPES[name]))
    back = decode(through_json(encode(event)))
    assert same(back, event)


def test_every_event_of_the_queue_has_a_name_in_the_journal() -> None:
    assert set(EVENT_TYPES.values()) == set(PRIORITY)


@settings(deadline=None, max_examples=20)
@given(records_of(RunStarted))
def test_what_opens_a_run_comes_back_as_it_went(run: RunStarted) -> None:
    # where None is a value, it is what NaN is on file
    tables = {
        name: [[None if value is None or value != value else value for value in row] for row in getattr(run, name)]
        for name in ("ic_val", "n_val", "rmse_val")
    }
    assert same(record_from(RunStarted, through_json(to_json_value(run))), replace(run, **tables))


@settings(deadline=None, max_examples=40)
@given(records_of(Order))
def test_an_order_comes_back_as_it_went(order: Order) -> None:
    assert same(record_from(Order, through_json(to_json_value(order))), order)


def test_what_stands_on_file_is_plain() -> None:
    order = Order("id", 1, "AAA", Side.BUY, Decimal("1.50"), Leg.ENTRY, 2**60)
    assert through_json(to_json_value(order)) == {
        "client_order_id": "id",
        "order_number": 1,
        "symbol": "AAA",
        "side": "buy",
        "quantity": "1.50",
        "leg": "entry",
        "decision_time_ns": 2**60,
        "order_type": "market",
        "time_in_force": "day",
        "limit_price": None,
    }


def test_nan_is_null_and_minus_zero_is_kept() -> None:
    assert through_json(to_json_value([float("nan"), -0.0])) == [None, -0.0]
    assert str(through_json(to_json_value(-0.0))) == "-0.0"
    array = np.array([[np.nan, -0.0], [1.5, 5e-324]])
    back = from_json_value(codec._hints(codec.BarBatch)["open"], through_json(to_json_value(array)))
    assert same(back, array)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        -np.inf,
        np.float64("inf"),
        np.array([1.0, np.inf]),
        [1.0, {"a": float("inf")}],
        Decimal("Infinity"),
        Decimal("NaN"),
    ],
    ids=repr,
)
def test_what_is_no_number_cannot_be_recorded(value: Any) -> None:
    with pytest.raises(ValueError, match="recorded"):
        to_json_value(value)


def test_what_is_no_record_cannot_be_recorded() -> None:
    with pytest.raises(TypeError, match="complex cannot be recorded"):
        to_json_value(1j)


def test_arrays_are_written_whatever_their_layout() -> None:
    array = np.arange(12.0).reshape(3, 4).T[::2]
    assert through_json(to_json_value(array)) == array.tolist()
    assert through_json(to_json_value(np.int64(3))) == 3
    assert through_json(to_json_value(np.float64("nan"))) is None


@dataclass(frozen=True)
class Nested:
    """Fields of every kind at once."""

    amounts: dict[str, Decimal]
    sides: tuple[Side, ...]
    maybe: Order | None
    rows: list[list[float]]


@settings(deadline=None, max_examples=40)
@given(records_of(Nested))
def test_containers_of_records_come_back_as_they_went(record: Nested) -> None:
    assert same(record_from(Nested, through_json(to_json_value(record))), record)


def test_an_unknown_event_or_field_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="OrderTeleported is unknown"):
        decode(["OrderTeleported", {}])
    with pytest.raises(ValueError, match=r"OrderAck: fields \['when'\]"):
        decode(["OrderAck", {"order_id": "a", "timestamp_ns": 1, "when": 2}])
    with pytest.raises(ValueError, match=r"OrderAck: fields \['timestamp_ns'\]"):
        decode(["OrderAck", {"order_id": "a"}])


def test_a_fill_keeps_every_digit() -> None:
    fill = OrderFill(
        "o", "x", "A", Side.SELL, Decimal("0.00001230"), Decimal("1E-6"), Decimal("-0.10"), "USD", 1, Decimal("0")
    )
    assert same(decode(through_json(encode(fill))), fill)
    assert same(decode(through_json(encode(OrderAck("o" + string.printable, 1)))), OrderAck("o" + string.printable, 1))


def test_a_mapping_of_another_kind_is_written_like_a_dict() -> None:
    layered = Layered.of({"a": Decimal("1.50")}).with_item("b", Decimal("2"))
    assert to_json_value(layered) == to_json_value(dict(layered)) == {"a": "1.50", "b": "2"}
