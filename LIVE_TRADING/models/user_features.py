"""Features that a user writes: functions over the bars seen so far, called on the last of them at every bar end."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.models.arrivals import Arrival

NAME_PREFIX = "extra_"
_ROWS = ("open", "high", "low", "close", "volume")
_NUMBERS = "fiub"
TRIAL_NS = 0  # end of the bar that functions are tried out with


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBars:
    """The bars that a user feature is given, oldest first; arrays are read-only.

    `open, high, low, close, volume` (T, N), all NaN where a symbol has no bar, volume alone where it is unknown;
    `bar_end_ns` (T,) UTC, of every bar end there was, nights left out; `slot` (T,) number of the bar within its
    session, from 0; `symbols` (N,) in UTF-8 order.
    """

    symbols: tuple[str, ...]
    bar_end_ns: IntArray
    slot: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.bar_end_ns)

    def until(self, n_rows: int) -> FeatureBars:
        """Return the first `n_rows` bars."""
        arrays = (getattr(self, name)[:n_rows] for name in ("bar_end_ns", "slot", *_ROWS))
        return FeatureBars(self.symbols, *arrays)


@dataclass(frozen=True, slots=True, eq=False)
class RecentBars(ArrayRecord):
    """The last bars (5, T, N): open, high, low, close, volume; their ends and slots (T,). T grows to the lookback."""

    values: FloatArray
    bar_end_ns: IntArray
    slot: IntArray

    def joined(self, row: FloatArray, bar_end_ns: int, slot: int, lookback: int) -> RecentBars:
        """Return the bars with one more (5, N), the newest `lookback` of them, read-only."""
        kept = slice(max(0, len(self.slot) + 1 - lookback), None)
        arrays = (
            np.concatenate([self.values[:, kept], row[:, None]], axis=1),
            np.append(self.bar_end_ns[kept], np.int64(bar_end_ns)),
            np.append(self.slot[kept], np.int64(slot)),
        )
        for array in arrays:
            array.setflags(write=False)
        return RecentBars(*arrays)


@dataclass(frozen=True, slots=True)
class UserFeature:
    """One function, found by `package.module:function`; `source` is the SHA-256 of its module's file."""

    path: str
    function: Callable[[FeatureBars], FloatArray]
    source: str

    @property
    def name(self) -> str:
        """Return the feature's name."""
        return feature_name(self.path)

    def values(self, bars: FeatureBars) -> FloatArray:
        """Return what the function gives for these bars, (T, N), NaN: no value.

        Raises
        ------
        ConfigurationError
            It raises, or gives anything but real numbers of that shape.
        """
        shape = bars.close.shape
        try:
            with np.errstate(all="ignore"):  # NaN is a bar that is missing, and infinity is refused below
                given = np.asarray(self.function(bars))
        except (Exception, SystemExit) as error:  # whatever a user's code raises; it ends no process of ours
            raise self.error(bars, f"raised {type(error).__name__}: {error}") from error
        if given.dtype.kind not in _NUMBERS or given.shape != shape:
            raise self.error(bars, f"gave {given.dtype} {given.shape} for bars {shape}; return one number for each")
        return given.astype(np.float64)

    def newest(self, bars: FeatureBars) -> FloatArray:
        """Return the last row (N,) of `values`.

        Raises
        ------
        ConfigurationError
            As `values`, or the row holds infinity.
        """
        row: FloatArray = self.values(bars)[-1]
        infinite = np.flatnonzero(np.isinf(row))
        if len(infinite):
            named = ", ".join(bars.symbols[column] for column in infinite[:5])
            raise self.error(bars, f"gave infinity for {named}; return NaN where there is no value")
        return row

    def error(self, bars: FeatureBars, what: str) -> ConfigurationError:
        """Return the error that says what the function did."""
        return ConfigurationError(f"features.extra {self.path}: {what} (given {_in_words(bars)})")


class UserFeatures:
    """The functions of `features.extra` and what they look back on.

    Each function is called at every bar end with the last `lookback` bars, and its last row is the feature: what it
    could say of earlier rows is not looked at, so it sees no bar that has not ended. A symbol without a bar has NaN.

    Raises
    ------
    ConfigurationError
        A function cannot be found, takes something else than one record, or does not do with the first bar of a run.
    """

    def __init__(self, paths: Sequence[str], lookback: int, symbols: Sequence[str]) -> None:
        self._symbols = tuple(symbols)
        self._lookback = lookback
        self.features = tuple(find(path) for path in paths)
        self.names = tuple(feature.name for feature in self.features)
        self.sources = {feature.path: feature.source for feature in self.features}
        self._try_out()

    def initial(self) -> RecentBars:
        """Return the memory before the first bar."""
        never = np.empty(0, dtype=np.int64)
        return RecentBars(np.empty((len(_ROWS), 0, len(self._symbols))), never, never)

    def advance(self, recent: RecentBars, bars: BarBatch, now: Arrival, slot: int, out: FloatArray) -> RecentBars:
        """Return the memory with the bars `now`, and write each function's value (N,) into its row of `out` (X, N)."""
        recent = recent.joined(now.values, bars.bar_end_ns, slot, self._lookback)
        seen = self.bars_of(recent)
        for place, feature in zip(out, self.features, strict=True):
            place[:] = feature.newest(seen)
        if now.n_missing:
            out[:, ~now.has_bar] = np.nan
        return recent

    def bars_of(self, recent: RecentBars) -> FeatureBars:
        """Return the bars as a function is given them."""
        return FeatureBars(self._symbols, recent.bar_end_ns, recent.slot, *recent.values)

    def _try_out(self) -> None:
        """Call each function with one bar, as the engine will at the first, so that a wrong one refuses the start."""
        bar = np.array([10.0, 11.0, 9.0, 10.5, 1000.0])
        row = np.repeat(bar[:, None], len(self._symbols), axis=1)
        trial = self.bars_of(self.initial().joined(row, TRIAL_NS, 0, self._lookback))
        for feature in self.features:
            feature.newest(trial)


def _in_words(bars: FeatureBars) -> str:
    n_rows = len(bars)
    if not n_rows:
        return "no bars"
    if n_rows == 1 and bars.bar_end_ns[0] == TRIAL_NS:
        return "one made-up bar, to try it out before the start"
    return f"{n_rows} {'bar' if n_rows == 1 else 'bars'} to {iso_utc(int(bars.bar_end_ns[-1]))}"


def feature_name(path: str) -> str:
    """Return the name of the feature of `package.module:function`."""
    return NAME_PREFIX + path.rpartition(":")[2]


def find(path: str) -> UserFeature:
    """Return the function of `package.module:function`.

    Raises
    ------
    ConfigurationError
        The module cannot be imported, has no such function, or the function does not take one record of bars.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises when it is run
        raise ConfigurationError(
            f"features.extra {path}: {module_name} cannot be imported ({type(error).__name__}: {error}); it must lie "
            "in the working folder, on PYTHONPATH, or be installed"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in sorted(vars(module).items()) if inspect.isfunction(value)]
        raise ConfigurationError(
            f"features.extra {path}: {module_name} has no function {name}; it has {', '.join(known) or 'none'}"
        )
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"features.extra {path}: takes something else than one record of bars ({error}); write def {name}(bars)"
        ) from error
    if module.__file__ is None:
        raise ConfigurationError(f"features.extra {path}: {module_name} is no file, so its version cannot be recorded")
    return UserFeature(path, function, hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest())
