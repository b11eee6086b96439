"""A limit on exposure, as a share of equity, with its slack."""

from __future__ import annotations

from dataclasses import dataclass

from LIVE_TRADING.risk.context import ROUNDING


@dataclass(frozen=True, slots=True)
class ExposureLimit:
    """|exposure| ≤ limit · (1 + tolerance) · equity, inclusive. Equity unknown or not positive allows nothing."""

    limit: float
    tolerance_frac: float

    @property
    def binding(self) -> float:
        """Return the share of equity at which the limit binds."""
        return self.limit * (1.0 + self.tolerance_frac)

    def allows(self, exposure_usd: float, equity_usd: float) -> bool:
        """Return whether an exposure is within the limit; NaN is not."""
        return equity_usd > 0.0 and exposure_usd <= self.binding * equity_usd * (1.0 + ROUNDING)

    def says(self, what: str, exposure_usd: float, equity_usd: float) -> str:
        """Return the value against the limit, in words."""
        if not equity_usd > 0.0:
            return f"equity is {equity_usd:.2f} USD, so {what} of {exposure_usd:.2f} USD cannot be judged"
        return (
            f"{what} could become {exposure_usd / equity_usd:.2%} of equity "
            f"({exposure_usd:.2f} of {equity_usd:.2f} USD); "
            f"the limit is {self.limit:.2%}, {self.binding:.2%} with its tolerance"
        )
