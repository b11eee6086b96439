"""Every setting of the stage: its default and its limits are those of the documentation."""

# covers: P14

from __future__ import annotations

import pytest
from documented_limits import check, documented

from LIVE_TRADING.sizing import SizingConfig


@pytest.mark.parametrize("setting", documented("sizing"), ids=str)
def test_default_and_limits(setting):
    check(SizingConfig, setting)
