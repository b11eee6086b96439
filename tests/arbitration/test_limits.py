"""Every setting of the stage: its default and its limits are those of the documentation."""

# covers: P12

from __future__ import annotations

import pytest
from documented_limits import check, documented

from LIVE_TRADING.arbitration import ArbitrationConfig


@pytest.mark.parametrize("setting", documented("arbitration"), ids=str)
def test_default_and_limits(setting):
    check(ArbitrationConfig, setting)
