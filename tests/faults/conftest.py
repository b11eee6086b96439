"""Sessions whose decisions are simple: in and out."""

from __future__ import annotations

import pytest
from small_session import InAndOut

from LIVE_TRADING.engine import deciding


@pytest.fixture(autouse=True)
def in_and_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every cycle enter what is flat and leave what is held."""
    monkeypatch.setattr(deciding, "decide", InAndOut())
