"""Sizing stage: net conviction in, whole lots that the book should hold out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, BoolArray, CodeArray, FloatArray, SizingResult
from LIVE_TRADING.sizing.caps import CapsConfig, ExposureCaps, Scales, reserved_weight, room_of, sides
from LIVE_TRADING.sizing.lots import order_too_small, whole_lots
from LIVE_TRADING.sizing.request import SizingRequest
from LIVE_TRADING.sizing.turnover import TurnoverConfig, TurnoverManager
from LIVE_TRADING.sizing.volatility_scaler import VolatilityScaler, VolatilityScalerConfig

# Plain integers: numpy takes several times longer over an enum member.
_OK, _SIZED, _GATED, _CAPPED = int(Reason.OK), int(Reason.SIZED), int(Reason.GATED), int(Reason.CAPPED)
_DRIFT_CUT, _BELOW_LOT = int(Reason.DRIFT_CUT), int(Reason.BELOW_LOT)
_VOL_UNKNOWN, _QUOTE_MISSING = int(Reason.VOL_UNKNOWN), int(Reason.QUOTE_MISSING)
_NONE, _EXIT, _REVERSE = int(Action.NONE), int(Action.EXIT), int(Action.REVERSE)
_MAX_PASSES = 4


class SizingConfig(VolatilityScalerConfig, TurnoverConfig, CapsConfig):
    """Settings of the sizing stage: those of its parts, and the unit of conviction."""

    ic_ref: float = Field(
        0.02, gt=0.0, le=1.0, description="IC_ref: a net alpha of ic_ref · σ_h is one unit of conviction"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """The account in weights; shape (N,) but for the equity. NaN: there is no price, or no equity."""

    equity_usd: float
    price_usd: FloatArray
    held: FloatArray
    is_held: BoolArray
    leaves: BoolArray


class PositionSizer:
    """w = side · clip(z, 0, z_max)/z_max · max_weight · min(1, σ_target/σ_day) · g, with z = net/(σ_h · IC_ref).

    Then, in this order:

    1. entries below min_entry_weight are dropped; a position is resized only when |Δw| ≥ band_weight and net ≥ reserve
       (`TurnoverManager`); an entry or increase that is not allowed keeps what is held; so does a symbol without a
       price or a volatility. A target never crosses zero.
    2. Drift beyond a cap is cut; gross and net caps scale the increases of this cycle (`ExposureCaps`). A cap per name
       needs no step of its own: no weight that is wanted exceeds max_weight, and scaling only shrinks.
    3. The band again, on what was scaled; whole lots, towards zero; no order below the minimum notional. Where rounding
       or dropping on one side lifts the net of the other beyond its cap, that side is scaled again.

    EXIT and REVERSE have the target 0, whatever else is true. The result does not depend on the order of symbols.

    Reads stages 3 and 4, the ledger and the volatility model; read by the risk rules and the orders.
    """

    def __init__(self, config: SizingConfig) -> None:
        self._ic_ref = config.ic_ref
        self._scaler = VolatilityScaler(config)
        self._turnover = TurnoverManager(config)
        self._caps = ExposureCaps(config, config.max_weight) if config.caps else None

    def size(self, request: SizingRequest) -> SizingResult:
        """Return the target of every symbol: signed shares that the book should hold, and why.

        `raw_weight` is the formula's weight before step 1; `target_weight` is the weight of `target_shares` (NaN where
        a position has no price).
        """
        n_symbols = request.action.size
        result = SizingResult(
            np.zeros(n_symbols), np.zeros(n_symbols), np.zeros(n_symbols), np.full(n_symbols, _OK, dtype=np.int16)
        )
        # Most symbols of most cycles are flat and stay flat; what is left is sized as if it were all.
        active = np.flatnonzero(
            (request.action != _NONE) | (request.held_shares != 0.0) | (request.working_weight != 0.0)
        )
        if active.size:
            part = self._size(request.of(active))
            result.raw_weight[active], result.target_weight[active] = part.raw_weight, part.target_weight
            result.target_shares[active], result.reason[active] = part.target_shares, part.reason
        return result

    def _size(self, request: SizingRequest) -> SizingResult:
        """Size symbols that hold, want or work something."""
        book, conviction = _as_weights(request, self._ic_ref)
        raw = self._scaler.scale(conviction, request.sigma_day_bps)
        raw *= request.gate_factor
        target, reason = self._wanted(request, book, raw)
        if self._caps is not None:
            target = _without_drift(self._caps, book, target, reason)
        grows = np.abs(target) > np.abs(book.held)
        if self._caps is not None and grows.any():
            shares = self._within_caps(self._caps, request, book, target, grows, reason)
        else:
            shares = _shares(request, book, target, grows, reason)
        return SizingResult(raw, _weights(shares, book), shares, reason)

    def _wanted(self, request: SizingRequest, book: _Book, raw: FloatArray) -> tuple[FloatArray, CodeArray]:
        """Return the targets before caps: step 1."""
        whole = raw * (raw * book.held >= 0.0)
        worth = request.net_bps >= request.reserve_bps
        target, reason = self._turnover.settle(whole, book.held, book.is_held, worth)
        overrule(
            request.action,
            request.entry_allowed,
            request.sigma_h_bps,
            book.price_usd,
            request.sigma_day_bps,
            book.held,
            target,
            reason,
        )
        return target, reason

    def _within_caps(
        self,
        caps: ExposureCaps,
        request: SizingRequest,
        book: _Book,
        target: FloatArray,
        grows: BoolArray,
        reason: CodeArray,
    ) -> FloatArray:
        """Return shares within the caps, steps 2 and 3; writes what happened into `reason`."""
        reserved = reserved_weight(book.held, request.working_weight)
        added = _added(target, reserved, grows)
        room = room_of(reserved, added)
        if caps.fits(room):
            return _shares(request, book, target, grows, reason)
        scales = caps.scales(room)
        for attempt in range(_MAX_PASSES + 1):
            # Factors only shrink, so that what one pass writes into `reason` holds in the next, or becomes CAPPED.
            fitted = self._scaled(scales, book, target, reserved, added, reason)
            shares = _shares(request, book, fitted, grows, reason)
            long, short = sides(_added(_weights(shares, book), reserved, grows))
            smaller = caps.rescale(scales, room, long, short)
            if smaller == scales:
                break
            # The two sides may chase each other for ever: then nothing is added.
            scales = smaller if attempt < _MAX_PASSES - 1 else (0.0, 0.0)
        return shares

    def _scaled(
        self,
        scales: Scales,
        book: _Book,
        target: FloatArray,
        reserved: FloatArray,
        added: FloatArray,
        reason: CodeArray,
    ) -> FloatArray:
        """Return targets with increases scaled, and dropped where the band no longer lets them pass."""
        factor = np.where(added > 0.0, *scales)
        capped = (added != 0.0) & (factor < 1.0)
        smaller = np.where(capped, np.copysign(reserved, target) + added * factor, target)
        reason[capped] = _CAPPED
        return np.where(capped & ~self._turnover.enough(smaller, book.held, book.is_held), book.held, smaller)


def _as_weights(request: SizingRequest, ic_ref: float) -> tuple[_Book, FloatArray]:
    """Return the account in weights, and the signed convictions (N,) in units of IC_ref.

    Equity that is not positive makes every weight unknown.
    """
    equity = request.equity_usd if 0.0 < request.equity_usd < math.inf else math.nan
    price, held, conviction = weighed = np.empty((3, request.action.size))
    weigh(
        request.side,
        request.net_bps,
        request.sigma_h_bps,
        request.held_shares,
        request.price_usd,
        equity,
        ic_ref,
        weighed,
    )
    leaves = (request.action == _EXIT) | (request.action == _REVERSE)
    return _Book(equity, price, held, request.held_shares != 0.0, leaves), conviction


@kernel("void(int16[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64, float64, float64[:, ::1])")
def weigh(
    side: CodeArray,
    net_bps: FloatArray,
    sigma_h_bps: FloatArray,
    held_shares: FloatArray,
    price_usd: FloatArray,
    equity_usd: float,
    ic_ref: float,
    out: FloatArray,
) -> None:
    """Write prices (NaN: none), weights held and convictions side · max(net/(σ_h · IC_ref), 0), (3, N).

    A conviction is NaN where net or σ_h is not known.
    """
    for i in range(len(side)):
        price = price_usd[i] if 0.0 < price_usd[i] < np.inf else np.nan
        out[0, i] = price
        out[1, i] = held_shares[i] * price / equity_usd if held_shares[i] != 0.0 else 0.0
        out[2, i] = np.nan
        if sigma_h_bps[i] > 0.0:
            conviction = net_bps[i] / (sigma_h_bps[i] * ic_ref)
            out[2, i] = 0.0 if conviction < 0.0 else conviction * side[i]


@kernel(
    "void(int16[::1], boolean[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], int16[::1])"
)
def overrule(
    action: CodeArray,
    entry_allowed: BoolArray,
    sigma_h_bps: FloatArray,
    price_usd: FloatArray,
    sigma_day_bps: FloatArray,
    held: FloatArray,
    target: FloatArray,
    reason: CodeArray,
) -> None:
    """Put what the band has settled (N,) back to what is held where something forbids it; what leaves, to 0.

    A target that was not settled as `SIZED` is what is held. NaN: no price, σ unknown.
    """
    for i in range(len(action)):
        if action[i] == _NONE:
            reason[i] = _OK
        elif np.isnan(price_usd[i]):
            reason[i] = _QUOTE_MISSING
        elif not (sigma_h_bps[i] > 0.0 and sigma_day_bps[i] > 0.0):
            reason[i] = _VOL_UNKNOWN
        elif not entry_allowed[i] and abs(target[i]) > abs(held[i]):
            reason[i] = _GATED
        if reason[i] != _SIZED:
            target[i] = held[i]
        if action[i] == _EXIT or action[i] == _REVERSE:
            target[i] = 0.0


def _without_drift(caps: ExposureCaps, book: _Book, target: FloatArray, reason: CodeArray) -> FloatArray:
    """Return targets with drift cut; writes into `reason` what was cut and what was dropped for it."""
    cut = caps.cut_drift(target, book.held)
    if cut is not target:
        smaller = np.abs(cut) < np.abs(target)
        reason[smaller] = _CAPPED
        reason[smaller & (np.abs(cut) < np.abs(book.held))] = _DRIFT_CUT
    return cut


def _added(target: FloatArray, reserved: FloatArray, grows: BoolArray) -> FloatArray:
    """Return by how much (N,), signed, each target exceeds what is reserved, where it grows; 0 elsewhere."""
    return np.where(grows, np.copysign(np.maximum(np.abs(target) - np.abs(reserved), 0.0), target), 0.0)


def _shares(request: SizingRequest, book: _Book, target: FloatArray, grows: BoolArray, reason: CodeArray) -> FloatArray:
    """Return whole lots; what is held where nothing moves or the order would be too small (written into `reason`)."""
    moves = np.abs(target - book.held) > 0.0
    lots = whole_lots(target * (book.equity_usd / book.price_usd), request.lot)
    small = order_too_small(lots, request.held_shares, grows, book.price_usd, request.min_notional_usd)
    reason[moves & small & (reason != _CAPPED)] = _BELOW_LOT
    shares = np.where(moves & ~small, lots, request.held_shares)
    shares[book.leaves] = 0.0
    reason[book.leaves] = _SIZED
    return shares + 0.0


def _weights(shares: FloatArray, book: _Book) -> FloatArray:
    """Return the weights of shares; 0 where there are none, price or not."""
    return np.where(shares != 0.0, shares * book.price_usd / book.equity_usd, 0.0)
