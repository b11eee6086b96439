"""User features over a whole recording: does a row depend on bars that come after it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.backtest.observed import FEATURES, Difference, Observation, canonical
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.models.user_features import FeatureBars, UserFeature

WHOLE_FILE = "user feature"


@dataclass(frozen=True, slots=True)
class UserFeatureReport:
    """One function.

    compared     numbers of its whole-file form, known ones, that were compared with the form that ends at an instant
    difference   the first in which a later bar changes an earlier row
    other        of the engine's `known` values at the instants, those that are not what the whole-file form says: the
                 function looks back further than the lookback; that is no look-ahead
    """

    name: str
    compared: int
    difference: Difference | None
    other: int
    known: int


def whole_bars(panel: BarPanel) -> FeatureBars:
    """Return all bars of a recording as a function would be given them; a bar without all of its prices is missing."""
    gone = ~(np.isfinite(panel.open + panel.high + panel.low + panel.close) & (panel.low > 0))
    arrays = [np.where(gone, np.nan, getattr(panel, name)) for name in ("open", "high", "low", "close", "volume")]
    for array in arrays:
        array.setflags(write=False)
    return FeatureBars(panel.symbols, panel.bar_end_ns, panel.slot, *arrays)


def check_user_feature(
    feature: UserFeature, bars: FeatureBars, instants_ns: Sequence[int], observed: Mapping[int, Observation]
) -> UserFeatureReport:
    """Compare f(all bars)[:t+1] with f(bars up to t), bit for bit, and the engine's value with f(all)[t].

    Raises
    ------
    ConfigurationError
        The function fails on these bars.
    """
    whole = canonical(feature.values(bars))
    has_bar = np.isfinite(bars.close)
    compared = other = known = 0
    difference = None
    for instant_ns in instants_ns:
        row = int(np.searchsorted(bars.bar_end_ns, instant_ns))
        part = canonical(feature.values(bars.until(row + 1)))
        compared += int(np.isfinite(part).sum())
        difference = difference or _first_parting(feature, bars, whole[: row + 1], part, instant_ns)
        engine = observed[instant_ns].rows[FEATURES][feature.name] if instant_ns in observed else None
        if engine is not None:
            there = np.flatnonzero(has_bar[row])
            known += int(np.isfinite(engine[there]).sum())
            other += int((engine.view(np.int64)[there] != whole[row].view(np.int64)[there]).sum())
    return UserFeatureReport(feature.name, compared, difference, other, known)


def _first_parting(
    feature: UserFeature, bars: FeatureBars, whole: FloatArray, part: FloatArray, instant_ns: int
) -> Difference | None:
    """Return the newest row, and in it the first symbol, in which two forms differ."""
    parting = whole.view(np.int64) != part.view(np.int64)
    rows = np.flatnonzero(parting.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[-1])
    column = int(np.flatnonzero(parting[row])[0])
    return Difference(
        instant_ns,
        WHOLE_FILE,
        f"{feature.name} of the bar to {iso_utc(int(bars.bar_end_ns[row]))}",
        bars.symbols[column],
        repr(float(whole[row, column])),
        repr(float(part[row, column])),
    )
