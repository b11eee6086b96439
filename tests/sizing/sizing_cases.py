"""Builders for the tests of sizing: a request in a few numbers."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import Action
from LIVE_TRADING.sizing import PositionSizer, SizingConfig, SizingRequest

NAN = float("nan")
CONFIG = SizingConfig()
EQUITY = 100_000.0
CODES = ("action", "side")
FIELDS = (
    "action",
    "side",
    "net_bps",
    "sigma_h_bps",
    "sigma_day_bps",
    "gate_factor",
    "entry_allowed",
    "held_shares",
    "price_usd",
    "lot",
    "min_notional_usd",
    "working_weight",
)
# A long entry of full conviction: 4 bps over a σ_h of 100 is two units of IC_ref = 0.02; 100 USD, so 5 % are 50 shares.
FULL = {
    "action": Action.ENTER,
    "side": +1,
    "net_bps": 4.0,
    "sigma_h_bps": 100.0,
    "sigma_day_bps": 100.0,
    "gate_factor": 1.0,
    "entry_allowed": True,
    "held_shares": 0.0,
    "price_usd": 100.0,
    "lot": 1.0,
    "min_notional_usd": 0.0,
    "working_weight": 0.0,
}


def request_of(*symbols, equity_usd=EQUITY, reserve_bps=0.5):
    """Return a request; each symbol is a dict of what differs from `FULL`."""
    rows = [{**FULL, **symbol} for symbol in symbols]
    columns = {name: np.array([row[name] for row in rows], dtype=float) for name in FIELDS}
    columns |= {name: columns[name].astype(np.int16) for name in CODES}
    columns["entry_allowed"] = columns["entry_allowed"].astype(bool)
    return SizingRequest(**columns, equity_usd=equity_usd, reserve_bps=reserve_bps)


def size(*symbols, config=CONFIG, **account):
    """Size these symbols."""
    return PositionSizer(config).size(request_of(*symbols, **account))


def held(shares, **more):
    """Return a position that is kept, with full conviction on its side."""
    side = 1 if shares > 0 else -1
    return {"action": Action.HOLD, "side": side, "held_shares": shares, **more}


def replaced(request, **columns):
    """Return a request with some columns or account figures replaced."""
    given = {name: getattr(request, name) for name in (*FIELDS, "equity_usd", "reserve_bps")}
    return SizingRequest(**{**given, **columns})


def reordered(request, order):
    """Return a request with its symbols in another order."""
    return replaced(request, **{name: getattr(request, name)[order] for name in FIELDS})


def random_request(seed, n_symbols=24, lot=1.0):
    """Return a request with every kind of symbol, gaps included; positions up to and beyond the caps."""
    rng = np.random.default_rng(seed)
    price = rng.uniform(5.0, 400.0, n_symbols)
    is_held = rng.random(n_symbols) < rng.choice([0.0, 0.3, 0.8])
    weight = rng.choice([-1.0, 1.0], n_symbols) * rng.uniform(0.0, rng.choice([0.03, 0.08]), n_symbols)
    if rng.random() < 0.5:
        weight = np.abs(weight) * rng.choice([-1.0, 1.0])
    shares = np.where(is_held, np.trunc(weight * EQUITY / price / lot) * lot, 0.0)
    side = np.where(shares != 0.0, np.sign(shares), rng.choice([-1, 1], n_symbols, p=[0.3, 0.7]))
    keeps = rng.choice([Action.HOLD, Action.EXTEND, Action.EXIT, Action.REVERSE], n_symbols, p=[0.5, 0.2, 0.2, 0.1])
    action = np.where(shares != 0.0, keeps, rng.choice([Action.NONE, Action.ENTER], n_symbols, p=[0.3, 0.7]))
    gaps = rng.random((3, n_symbols)) < 0.04
    return SizingRequest(
        action=action.astype(np.int16),
        side=np.where(action == Action.NONE, 0, side).astype(np.int16),
        net_bps=rng.uniform(-2.0, 8.0, n_symbols),
        sigma_h_bps=np.where(gaps[0], NAN, rng.uniform(20.0, 300.0, n_symbols)),
        sigma_day_bps=np.where(gaps[1], NAN, rng.uniform(60.0, 500.0, n_symbols)),
        gate_factor=rng.uniform(0.2, 1.0, n_symbols),
        entry_allowed=rng.random(n_symbols) < 0.9,
        held_shares=shares,
        price_usd=np.where(gaps[2] & (shares == 0.0), NAN, price),
        lot=np.full(n_symbols, lot),
        min_notional_usd=np.full(n_symbols, rng.choice([0.0, 100.0])),
        working_weight=np.where(rng.random(n_symbols) < 0.1, rng.uniform(-0.02, 0.02, n_symbols), 0.0),
        equity_usd=EQUITY,
        reserve_bps=0.5,
    )
