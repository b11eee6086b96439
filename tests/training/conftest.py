"""Panels for tests of training."""

from __future__ import annotations

import pytest
from training_panels import random_panel

from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel


@pytest.fixture(scope="session")
def half_day_panel() -> BarPanel:
    """Thirteen half-hour bars a session; 2025-07-03 ends at 13:00."""
    return random_panel(session_table("XNYS", "2025-06-13", "2025-07-11"))


@pytest.fixture(scope="session")
def crypto_panel() -> BarPanel:
    return random_panel(session_table("24/7", "2025-01-01", "2025-01-20"), minutes=60)
