"""By symbol, horizon, family and time of day: everything adds up to the account."""

# covers: R4, R8

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from backtest.backtest_records import FAMILIES, synthetic

from LIVE_TRADING.backtest import attribution
from LIVE_TRADING.backtest.outputs import write_outputs

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def record():
    return synthetic(trade_rate=0.2, flatten=False, n_sessions=8).record


@pytest.fixture(scope="module")
def rows(record, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "run"
    write_outputs(record, out)
    with (out / "trades.csv").open(newline="") as stream:
        return list(csv.DictReader(stream)), json.loads((out / "summary.json").read_text(), parse_float=Decimal)


def sums_of_file(rows, key):
    """Net P&L by a key, from trades.csv alone."""
    sums = defaultdict(Decimal)
    for row in rows:
        sums[key(row)] += Decimal(row["net_pnl_usd"])
    return dict(sums)


def local_minutes(row, step):
    at = datetime.fromisoformat(row["entry_time_utc"]).astimezone(NEW_YORK)
    return (at.hour * 60 + at.minute) // step * step


def test_tables_are_the_sums_of_the_file(record, rows):
    trades, _ = rows
    found = attribution.by_symbol(record.trades)
    assert {name: portion.net_usd for name, portion in found.items()} == sums_of_file(trades, lambda r: r["symbol"])
    nets = [portion.net_usd for portion in found.values()]
    assert nets == sorted(nets, reverse=True)
    found = attribution.by_horizon_and_side(record.trades)
    expected = sums_of_file(trades, lambda r: (r["horizon"], r["side"]))
    assert {name: portion.net_usd for name, portion in found.items()} == expected
    for step in (30, 60):
        found = attribution.by_time_of_day(record.trades, "America/New_York", step)
        expected = sums_of_file(trades, lambda r, step=step: local_minutes(r, step))
        assert {name: portion.net_usd for name, portion in found.items()} == expected
        assert list(found) == sorted(found)


def test_families_get_their_share_of_every_trade(record, rows):
    trades, _ = rows
    expected = dict.fromkeys(FAMILIES, 0.0)
    for row in trades:
        for part in row["family_shares"].split(";"):
            family, share = part.split("=")
            expected[family] += float(share) * float(row["net_pnl_usd"])
    found = attribution.by_family(record.trades, FAMILIES)
    assert {name: portion.net_usd for name, portion in found.items()} == pytest.approx(expected, abs=1e-6)
    total = sum(Decimal(row["net_pnl_usd"]) for row in trades)
    assert sum(portion.net_usd for portion in found.values()) == pytest.approx(float(total), abs=0.001)
    for portion in found.values():
        assert portion.net_usd == pytest.approx(portion.gross_usd - portion.costs_usd, abs=1e-6)


def test_trades_without_shares_stand_apart(record):
    half = [replace(t, belief=None) if n % 2 else t for n, t in enumerate(record.trades)]
    found = attribution.by_family(half, FAMILIES)
    assert found[attribution.NO_FAMILY].net_usd == pytest.approx(float(sum(t.net_pnl_usd for t in half[1::2])))
    assert sum(portion.net_usd for portion in found.values()) == pytest.approx(float(sum(t.net_pnl_usd for t in half)))
    assert list(attribution.by_family([], FAMILIES)) == list(FAMILIES)


def test_every_table_and_what_is_open_add_up_to_the_account(record, rows):
    _, summary = rows
    still_open = sum((row["net_pnl_usd"] for row in summary["open_positions"]), Decimal(0))
    for table in (
        attribution.by_symbol(record.trades),
        attribution.by_horizon_and_side(record.trades),
        attribution.by_time_of_day(record.trades, "UTC", 60),
    ):
        assert sum(portion.net_usd for portion in table.values()) + still_open == summary["net_pnl_usd"]
        for portion in table.values():
            assert portion.net_usd == portion.gross_usd - portion.costs_usd


def test_what_was_earned_by_time_of_day_adds_up_to_the_account(record):
    found = attribution.earned_by_time_of_day(record, 30)
    net = float(record.equity.equity_usd[-1] - record.scope.start_equity_usd)
    assert sum(found.values()) == pytest.approx(net, abs=1e-6)
    equity = pd.Series(
        np.array([float(value) for value in record.equity.equity_usd]),
        index=pd.to_datetime(record.equity.time_ns, utc=True) - pd.Timedelta(minutes=5),
    )
    changes = equity.diff()
    changes.iloc[0] = equity.iloc[0] - float(record.scope.start_equity_usd)
    local = changes.index.tz_convert("America/New_York").floor("30min")
    expected = changes.groupby(local.hour * 60 + local.minute).sum()
    assert found == pytest.approx(expected.to_dict(), abs=1e-6)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_the_local_minute_is_the_zone_s(zone):
    rng = np.random.default_rng(3)
    for instant_ns in rng.integers(0, 2_000_000_000, 300) * 1_000_000_000:
        local = datetime.fromtimestamp(int(instant_ns) / 1e9, ZoneInfo(zone))
        assert attribution.minute_of_day(int(instant_ns), zone) == local.hour * 60 + local.minute


def test_short_sessions_are_told_by_the_half_hour(record):
    assert attribution.step_minutes(record) == 30
    day = record.scope.sessions[0]
    whole = replace(day, close_ns=day.open_ns + 24 * 3600 * 10**9)
    assert attribution.step_minutes(replace(record, scope=replace(record.scope, sessions=(whole,)))) == 60
    assert attribution.step_minutes(replace(record, scope=replace(record.scope, sessions=()))) == 60
