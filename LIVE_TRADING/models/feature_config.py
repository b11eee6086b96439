"""Which features there are: their spans, their names, and the bars that each needs."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.models.indicators import IndicatorConfig

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
FunctionPath = Annotated[str, Field(pattern=rf"^{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}$")]


class FeatureConfig(FrozenConfig):
    """Spans of the features, in bars of the symbol, and their indicators."""

    return_spans: tuple[int, ...] = Field((3, 6, 12, 36), min_length=1, max_length=8, description="besides one bar")
    volatility_spans: tuple[int, ...] = Field((12, 24, 60), min_length=2, max_length=6, description="ascending")
    volume_span: int = Field(24, ge=2, le=1_000, description="window that a bar's log volume is compared with")
    volume_trend_span: int = Field(5, ge=1, le=1_000, description="EWMA of the volume surprise")
    volume_level_sessions: float = Field(5.0, gt=0, le=250, description="EWMA of log volume, in sessions")
    volume_clip: float = Field(4.0, gt=0, le=20, description="largest surprise, natural log units; 4 is a factor of 55")
    indicators: IndicatorConfig = IndicatorConfig()
    extra: tuple[FunctionPath, ...] = Field((), max_length=64, description="user features, `package.module:function`")
    extra_lookback: int = Field(256, ge=1, le=10_000, description="bars that a user feature is given, at most")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, spans in (("return_spans", self.return_spans), ("volatility_spans", self.volatility_spans)):
            if list(spans) != sorted(set(spans)) or not 2 <= spans[0] <= spans[-1] <= 1_000:
                raise ValueError(f"{name} {list(spans)} must ascend between 2 and 1000")
        functions = [path.rpartition(":")[2] for path in self.extra]
        if len(set(functions)) != len(functions):
            raise ValueError(f"extra {list(self.extra)} names a function twice; its name is the feature's, rename one")
        return self

    @property
    def ranked(self) -> tuple[str, ...]:
        """Return the names of the features that are also ranked across symbols."""
        return ("return_1", "return_session", "volume_surprise", "rsi", f"volatility_{self.volatility_spans[0]}")

    def bars_needed(self) -> dict[str, int]:
        """Return the features that look at one symbol alone, in order, each with the bars that it needs."""
        rsi, macd, _, _, atr, _, moments = self.indicators.bars_needed()
        spans = self.volatility_spans
        return {
            "return_1": 1,
            **{f"return_{span}": span for span in self.return_spans},
            "return_session": 1,
            "return_last_session": 1,
            "gap": 1,
            "rsi": rsi,
            "macd": macd,
            "macd_signal": macd,
            "macd_histogram": macd,
            "atr": atr,
            "bollinger_z": moments,
            "bollinger_width": moments,
            **{f"volatility_{span}": span for span in spans},
            "volatility_ratio": spans[-1],
            "bar_range": 1,
            "bar_location": 1,
            "session_location": 1,
            "volume_surprise": 2,
            "volume_trend": self.volume_trend_span,
            "volume_ratio": self.volume_span,
            "session_elapsed": 1,
            "session_bars_left": 1,
        }
