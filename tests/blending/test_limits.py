"""Every setting of the stage: its default and its limits are those of the documentation."""

# covers: P11

from __future__ import annotations

import pytest
from documented_limits import check, documented

from LIVE_TRADING.blending import BlendingConfig


@pytest.mark.parametrize("setting", documented("blending"), ids=str)
def test_default_and_limits(setting):
    check(BlendingConfig, setting)
