"""Contracts of orders and fills at the boundary: a dict becomes a record, or is refused with every fault named.

Nothing is guessed and no key goes unread. Amounts and prices are text ("101.25"), integers, Decimals or floats. A
float stands for the shortest decimal that reads back as it (101.1 is 101.1), which is what a venue's JSON said; an
artefact of float arithmetic keeps all its places, so that the rule on lot and tick finds it. Booleans are no numbers.
Times are aware datetimes, or ISO 8601 text with a zone.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from LIVE_TRADING.common import contract_fields as read
from LIVE_TRADING.common.exceptions import ContractError
from LIVE_TRADING.common.types import FillReport, Leg, Order, Side
from LIVE_TRADING.common.units import iso_utc, plain


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"


Identifier = Annotated[str, BeforeValidator(read.identifier)]
Count = Annotated[int, BeforeValidator(read.count)]
Amount = Annotated[Decimal, BeforeValidator(read.amount)]
Positive = Annotated[Decimal, BeforeValidator(read.positive)]
NotNegative = Annotated[Decimal, BeforeValidator(read.not_negative)]
Instant = Annotated[int, BeforeValidator(read.instant)]
Currency = Annotated[str, BeforeValidator(read.currency)]
OrderSide = Annotated[Side, BeforeValidator(read.choice(Side))]


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class OrderContract(_Contract):
    """Keys of an order dict. A limit price belongs to limit orders and to no other."""

    client_order_id: Identifier = Field(description="text that no other order has")
    order_number: Count = Field(description="the number of the order, 0 or more")
    symbol: Identifier = Field(description="text such as AAPL")
    side: OrderSide = Field(description="buy or sell")
    quantity: Positive = Field(description="a number above 0")
    leg: Annotated[Leg, BeforeValidator(read.choice(Leg))] = Field(description="what the order is for, such as entry")
    decision_time: Instant = Field(description="the aware time of the decision")
    order_type: Annotated[OrderType, BeforeValidator(read.choice(OrderType))] = OrderType.MARKET
    time_in_force: Annotated[TimeInForce, BeforeValidator(read.choice(TimeInForce))] = TimeInForce.DAY
    limit_price: Positive | None = None

    @model_validator(mode="after")
    def _price_of_limit_orders(self) -> Self:
        if self.order_type is OrderType.LIMIT and self.limit_price is None:
            raise ValueError("limit_price: missing; a limit order needs one, a number above 0")
        if self.order_type is OrderType.MARKET and self.limit_price is not None:
            raise ValueError(
                f"limit_price: {self.limit_price} given with a market order; leave it out, or make it a limit"
            )
        return self


class FillContract(_Contract):
    """Keys of a fill dict. What fills, works and is cancelled cannot be more than was ordered."""

    execution_id: Identifier = Field(description="the venue's id of this execution")
    client_order_id: Identifier = Field(description="the id of the order it belongs to")
    symbol: Identifier = Field(description="text such as AAPL")
    side: OrderSide = Field(description="buy or sell")
    quantity: Positive = Field(description="a number above 0, of this execution")
    price: Positive = Field(description="a number above 0")
    fee: Amount = Field(description="a number, negative for a rebate, 0 for none")
    currency: Currency = Field(description="the currency of the fee, such as USD")
    exchange_time: Instant = Field(description="the aware time of the execution")
    cumulative_quantity: Positive | None = None
    leaves_quantity: NotNegative | None = None
    cancelled_quantity: NotNegative | None = None
    ordered_quantity: Positive | None = None
    venue_order_id: Identifier | None = None

    @model_validator(mode="after")
    def _quantities_add_up(self) -> Self:
        filled = self.quantity if self.cumulative_quantity is None else self.cumulative_quantity
        if filled < self.quantity:
            raise ValueError(f"cumulative_quantity: {filled} is less than this execution's quantity of {self.quantity}")
        leaves, cancelled = self.leaves_quantity or Decimal(0), self.cancelled_quantity or Decimal(0)
        if self.ordered_quantity is not None and filled + leaves + cancelled > self.ordered_quantity:
            raise ValueError(
                f"ordered_quantity: filled {filled} + working {leaves} + cancelled {cancelled} is more than the "
                f"{self.ordered_quantity} ordered; ask the venue for the order again"
            )
        return self


C = TypeVar("C", bound=_Contract)


def parse_order(data: Mapping[str, Any]) -> Order:
    """Return the order of a dict with the keys of `OrderContract`.

    Raises
    ------
    ContractError
        Lists every field that is missing, unknown or not what it should be, its value, and what to give.
    """
    checked = _validated(OrderContract, data, "order")
    return Order(
        client_order_id=checked.client_order_id,
        order_number=checked.order_number,
        symbol=checked.symbol,
        side=checked.side,
        quantity=checked.quantity,
        leg=checked.leg,
        decision_time_ns=checked.decision_time,
        order_type=checked.order_type.value,
        time_in_force=checked.time_in_force.value,
        limit_price=checked.limit_price,
    )


def parse_fill(data: Mapping[str, Any]) -> FillReport:
    """Return the fill of a dict with the keys of `FillContract`.

    Raises
    ------
    ContractError
        Lists every field that is missing, unknown or not what it should be, its value, and what to give.
    """
    checked = _validated(FillContract, data, "fill")
    return FillReport(
        execution_id=checked.execution_id,
        client_order_id=checked.client_order_id,
        symbol=checked.symbol,
        side=checked.side,
        quantity=checked.quantity,
        price=checked.price,
        fee=checked.fee,
        currency=checked.currency,
        exchange_time_ns=checked.exchange_time,
        cumulative_quantity=checked.cumulative_quantity,
        venue_order_id=checked.venue_order_id,
    )


def order_dict(order: Order) -> dict[str, Any]:
    """Return the dict that `parse_order` reads as this order, ready for JSON."""
    limit = {} if order.limit_price is None else {"limit_price": plain(order.limit_price)}
    return {
        "client_order_id": order.client_order_id,
        "order_number": order.order_number,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": plain(order.quantity),
        "leg": order.leg.value,
        "decision_time": iso_utc(order.decision_time_ns),
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        **limit,
    }


def fill_dict(fill: FillReport) -> dict[str, Any]:
    """Return the dict that `parse_fill` reads as this fill, ready for JSON."""
    optional = {
        "cumulative_quantity": None if fill.cumulative_quantity is None else plain(fill.cumulative_quantity),
        "venue_order_id": fill.venue_order_id,
    }
    return {
        "execution_id": fill.execution_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity": plain(fill.quantity),
        "price": plain(fill.price),
        "fee": plain(fill.fee),
        "currency": fill.currency,
        "exchange_time": iso_utc(fill.exchange_time_ns),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _validated(contract: type[C], data: Mapping[str, Any], what: str) -> C:
    if not isinstance(data, Mapping):
        raise ContractError(f"{what} refused: {read.shown(data)} is no mapping of fields to values")
    known = contract.model_fields
    # only known keys go on: a key may be of any type, or text that no encoding can hold
    strangers = [key for key in data if key not in known]
    problems = {read.shown(key): f"{read.shown(key)}: unknown key; {_nearest(key, known)}" for key in strangers}
    try:
        checked = contract.model_validate({key: data[key] for key in known if key in data})
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = {**{_field(detail): _problem(contract, detail) for detail in details}, **problems}
        raise ContractError(f"{what} refused: " + "; ".join(problems.values()), tuple(problems)) from error
    if problems:
        raise ContractError(f"{what} refused: " + "; ".join(problems.values()), tuple(problems))
    return checked


def _nearest(key: Any, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(key, list(known), 1) if isinstance(key, str) else []
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def _field(detail: ErrorDetails) -> str:
    """Return the field; a check across fields names it at the start of its message."""
    return str(detail["loc"][0]) if detail["loc"] else _message(detail).partition(":")[0]


def _problem(contract: type[_Contract], detail: ErrorDetails) -> str:
    if not detail["loc"]:
        return _message(detail)
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{name}: missing; give {contract.model_fields[name].description}"
    return f"{name}: {read.shown(detail['input'])}: {_message(detail)}"


def _message(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Value error, ")
