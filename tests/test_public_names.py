"""The names that users import stay importable."""

from __future__ import annotations

# covers: P8, P9, P10, P11, P12, P13, P14, P15, P16, P17, P20, P23
import importlib

import pytest

import LIVE_TRADING
from LIVE_TRADING import compat
from LIVE_TRADING.common.types import Record


@pytest.mark.parametrize("name", LIVE_TRADING.__all__)
def test_public_name_is_importable(name: str) -> None:
    assert getattr(LIVE_TRADING, name) is not None


@pytest.mark.parametrize("name", compat.__all__)
def test_compat_name_is_the_class_itself(name: str) -> None:
    assert isinstance(getattr(compat, name), type)


def test_emitters_are_importable_and_strangers_are_not() -> None:
    assert callable(LIVE_TRADING.emit_order_filled)
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(LIVE_TRADING, "no_such_name")  # noqa: B009


def test_records_give_their_fields_in_declared_order() -> None:
    session = importlib.import_module("LIVE_TRADING.common.types").Session(1, "2025-01-02", 5, 9)
    assert isinstance(session, Record)
    assert session.to_dict() == {"index": 1, "date": "2025-01-02", "open_ns": 5, "close_ns": 9}
