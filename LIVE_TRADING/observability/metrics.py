"""Prometheus metrics, fed by the bus and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.observability.events import EventType, Notice

TRADING_STATES = ("active", "reduce_only", "halted")
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class Tally(Collector):
    """A counter that costs a dictionary entry to raise: a cycle raises dozens, a scrape reads them every few seconds.

    One thread raises, the engine's; any thread may read.
    """

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, *labels: str) -> None:
        """Raise the count of these labels."""
        self._counts[labels] = self._counts.get(labels, 0.0) + amount

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield what a scrape shows."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in sorted(self._counts.copy().items()):
            family.add_metric(labels, count)
        yield family


class MetricsCollector:
    """Listens to the bus and keeps counters, histograms and gauges in a registry of its own.

    Subscribe it with `bus.subscribe("metrics", collector)`. Names start with `live_trading_`; every type of notice
    stands in `live_trading_notices_total`, the rest is what dashboards and alert rules are made of.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server: tuple[WSGIServer, Thread] | None = None
        self._notices = self._counter("notices", "notices by type", "type")
        for kind in EventType:
            self._notices.add(0, kind.value)
        self._make_order_metrics()
        self._make_cycle_metrics()
        self._make_account_metrics()
        self._handlers: dict[EventType, Callable[[Notice], None]] = {
            EventType.ACCOUNT_MARKED: self._on_account,
            EventType.BANDIT_UPDATED: self._on_bandit,
            EventType.BROKER_CONNECTED: lambda notice: self._broker.set(1),
            EventType.BROKER_DISCONNECTED: lambda notice: self._broker.set(0),
            EventType.CHECKPOINT_WRITTEN: self._on_checkpoint,
            EventType.CYCLE_END: self._on_cycle,
            EventType.DECISION: self._on_decision,
            EventType.GATE_BLOCKED: self._on_gate,
            EventType.INFERENCE_COMPLETED: lambda notice: self._inference.observe(notice.fields["duration_s"]),
            EventType.LIMITED_MODE: lambda notice: self._limited.set(1),
            EventType.ORDER_FILLED: self._on_fill,
            EventType.ORDER_REJECTED: self._on_rejection,
            EventType.QUOTES_CONFLATED: self._on_quotes,
            EventType.SESSION_CLOSE: lambda notice: self._session.set(0),
            EventType.SESSION_OPEN: lambda notice: self._session.set(1),
            EventType.STAGE_COMPLETED: self._on_stage,
            EventType.TRADE_CLOSED: self._on_trade,
            EventType.TRADING_STATE_CHANGED: lambda notice: self._set_trading_state(notice.fields["new"]),
        }

    def __call__(self, notice: Notice) -> None:
        """Take a notice."""
        self._notices.add(1, notice.type.value)
        handler = self._handlers.get(notice.type)
        if handler is not None:
            handler(notice)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def serve(self, port: int, host: str = "127.0.0.1") -> int:
        """Answer on http://host:port/metrics from a thread of its own; return the port (for port 0, the one taken).

        Raises
        ------
        ConfigurationError
            The port cannot be had.
        """
        try:
            self._server = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"--metrics-port {port}: {host}:{port} cannot be had ({error.strerror})"
            ) from error
        return self._server[0].server_port

    def close(self) -> None:
        """Stop answering; harmless when not serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
            self._server = None

    def _make_order_metrics(self) -> None:
        self._rejections = self._counter("order_rejections", "orders refused", "source", "rule_id")
        self._fills = self._counter("fills", "executions booked", "leg", "side")
        self._fees = self._counter("fees", "fees paid, in their currency", "currency")
        self._notional = self._counter(
            "filled_notional", "price times quantity of fills, in their currency", "currency"
        )
        self._trades = self._counter("trades_closed", "round trips ended flat", "side", "result")
        self._trade_pnl = self._gauge("trades_net_pnl", "sum of net P&L of closed round trips since start, USD")

    def _make_cycle_metrics(self) -> None:
        self._cycle = self._histogram("cycle_seconds", "work of a cycle, waiting left out")
        self._stage = self._histogram("stage_seconds", "work of a stage", "stage")
        self._inference = self._histogram("inference_seconds", "prediction of all models for all symbols")
        self._checkpoint = self._histogram("checkpoint_seconds", "writing a checkpoint", "kind")
        self._cycle_time = self._gauge("cycle_time_seconds", "scheduled time of the last decided cycle, Unix seconds")
        self._symbols = self._counter("stage_symbols", "symbols by how a stage left them", "stage", "reason")
        self._settled = self._counter("settled_symbols", "symbols by the stage that settled them", "stage", "reason")
        self._blocked = self._counter("gate_blocked", "symbols a gate held", "gate", "reason")
        self._decisions = self._counter("decisions", "symbols of which something is wanted", "action", "side")
        self._quotes = self._counter("quotes", "trades and quotes between bars", "outcome")
        self._bandit = self._gauge("bandit_probability", "probability of a horizon", "horizon")

    def _make_account_metrics(self) -> None:
        self._account: Mapping[str, Any] = {}
        self._account_gauge("equity_usd", "cash and positions at the last closes", "equity")
        self._account_gauge("cash_usd", "cash", "cash")
        self._account_gauge("drawdown_frac", "equity over its peak, minus 1", "drawdown_frac")
        self._account_gauge("daily_loss_frac", "equity over that of the open, minus 1", "daily_loss_frac")
        self._account_gauge("gross_frac", "sum of absolute positions over equity", "gross")
        self._account_gauge("net_frac", "sum of positions over equity", "net")
        self._account_gauge("positions", "symbols held", "positions")
        self._broker = self._gauge("broker_connected", "1: connected")
        self._session = self._gauge("session_open", "1: within a session")
        self._limited = self._gauge("limited_mode", "1: no models, no decisions")
        self._state = self._gauge("trading_state", "1 for the state in force", "state")
        self._set_trading_state("active")

    def _on_account(self, notice: Notice) -> None:
        self._account = notice.fields

    def _on_bandit(self, notice: Notice) -> None:
        for horizon, probability in notice.fields["probabilities"].items():
            self._bandit.labels(horizon).set(probability)

    def _on_checkpoint(self, notice: Notice) -> None:
        self._checkpoint.labels(notice.fields["kind"]).observe(notice.fields["duration_s"])

    def _on_cycle(self, notice: Notice) -> None:
        self._cycle.observe(notice.fields["duration_s"])
        self._cycle_time.set(notice.fields["cycle_time_ns"] / NS_PER_S)
        for stage, reasons in notice.fields["decisions"].items():
            _add_all(self._settled, stage, reasons)

    def _on_decision(self, notice: Notice) -> None:
        self._decisions.add(1, notice.fields["action"], notice.fields["side"])

    def _on_gate(self, notice: Notice) -> None:
        _add_all(self._blocked, notice.fields["gate"], notice.fields["reasons"])

    def _on_fill(self, notice: Notice) -> None:
        fields = notice.fields
        self._fills.add(1, fields["leg"], fields["side"])
        # a fee may be negative, a rebate; a counter cannot fall
        self._fees.add(max(0.0, float(fields["fee"])), fields["currency"])
        self._notional.add(float(fields["price"] * fields["quantity"]), fields["currency"])

    def _on_quotes(self, notice: Notice) -> None:
        for outcome in ("offered", "conflated", "old", "unknown_symbols"):
            self._quotes.add(notice.fields[outcome], outcome)

    def _on_rejection(self, notice: Notice) -> None:
        self._rejections.add(1, notice.fields["source"], notice.fields["rule_id"])

    def _on_stage(self, notice: Notice) -> None:
        stage = notice.fields["stage"]
        _add_all(self._symbols, stage, notice.fields["reasons"])
        if notice.fields["duration_s"] is not None:
            self._stage.labels(stage).observe(notice.fields["duration_s"])

    def _on_trade(self, notice: Notice) -> None:
        net_pnl = notice.fields["net_pnl"]
        result = "win" if net_pnl > 0 else "loss" if net_pnl < 0 else "flat"
        self._trades.add(1, notice.fields["side"], result)
        self._trade_pnl.inc(float(net_pnl))

    def _set_trading_state(self, state: str) -> None:
        for name in TRADING_STATES:
            self._state.labels(name).set(1 if name == state else 0)

    def _counter(self, name: str, text: str, *labels: str) -> Tally:
        tally = Tally(f"live_trading_{name}", text, labels)
        self.registry.register(tally)
        return tally

    def _account_gauge(self, name: str, text: str, field: str) -> None:
        """Show a field of the last mark; read when it is asked for, since a mark comes with every bar."""
        self._gauge(name, text).set_function(lambda: float(self._account.get(field, 0.0)))

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"live_trading_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"live_trading_{name}", text, labels, registry=self.registry, buckets=_SECONDS)


def _add_all(tally: Tally, first: str, reasons: Mapping[str, int]) -> None:
    """Count reasons under a first label."""
    for reason, count in reasons.items():
        tally.add(count, first, reason)
