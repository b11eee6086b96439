"""What the core does with a trade or a quote between bars: it knows it. What cannot be true stops entries instead."""

from __future__ import annotations

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.commands import Anomaly
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.state import CoreState


def on_market_data(context: CoreContext, state: CoreState, told: MarketData, now_ns: int) -> Step:
    """Take what is newer than what is known of the symbol; of a symbol outside the universe, nothing.

    A crossed, one-sided or withdrawn quote is a fact and is kept as it is: the spread gate says what it thinks of it.
    What no market can have said leaves the symbol without a quote until the next one, and the mark where it was.
    """
    at = context.column.get(told.asset)
    if at is None:
        return state, []
    quotes = state.quotes
    news = quotes.is_news(at, told)
    problem = ""
    if any(news):  # what is old is old, and nothing else
        problem = _impossible(told, now_ns, context.parts.config.gating.spread.max_quote_lead_s)
    if not problem:
        return replaced(state, quotes=quotes.with_told(at, told, now_ns, news)), []
    bid, ask = quotes.bid.item(at), quotes.ask.item(at)
    repeated = bid != bid and ask != ask and quotes.taken_ns.item(at) >= 0
    after = replaced(state, quotes=quotes.without_quote(at, now_ns))
    said = f"{told.asset}: {problem}; no entry until the next quote"
    return after, [] if repeated else [Anomaly("impossible_quote", said)]


def _impossible(told: MarketData, now_ns: int, max_lead_s: float) -> str:
    """Return what of it cannot be true, "" where all of it can."""
    newest_ns = max(told.timestamp_ns, told.trade_ns)
    lead_s = (newest_ns - now_ns) / NS_PER_S
    if lead_s > max_lead_s:
        return f"made {lead_s:.3f} s after now, at most {max_lead_s:g} s can be a difference of clocks"
    prices = (("price", told.price), ("bid", told.bid), ("ask", told.ask))
    for name, value in prices:
        if value <= 0.0:
            return f"{name} {value:g}"
    for name, value in (("volume", told.volume), ("bid size", told.bid_size), ("ask size", told.ask_size)):
        if value < 0.0:
            return f"{name} {value:g}"
    return ""
