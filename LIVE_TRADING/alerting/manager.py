"""From notices to alerts: which, how often, to whom."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from LIVE_TRADING.alerting.channels import Alert, AlertChannel, LogChannel
from LIVE_TRADING.alerting.config import AlertingConfig, AlertRule
from LIVE_TRADING.alerting.webhook import WebhookChannel
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.observability.emit_safety import emit_alert_failed
from LIVE_TRADING.observability.events import EventType, Notice, Severity

_MAX_GROUPS = 10_000
_PLAIN_RULE = AlertRule()


class _Group:
    """What is remembered of like notices: when the last ones came, when one was sent, how many were not."""

    def __init__(self, threshold: int) -> None:
        self.recent_ns: deque[int] = deque(maxlen=threshold)
        self.sent_ns: int | None = None
        self.held_back = 0


class AlertManager:
    """Listens to the bus and sends alerts to channels, by the rules of its configuration.

    Times are those of the notices, so the same notices give the same alerts. A rise in severity is never held back: it
    is a group of its own. Failed deliveries are emitted as `alert_failed` with the next notice, in the thread that
    emits, and never sent to the channel that failed.
    """

    def __init__(self, config: AlertingConfig, channels: Sequence[AlertChannel]) -> None:
        self._config = config
        self._channels = tuple(channels)
        self._groups: OrderedDict[tuple[str, ...], _Group] = OrderedDict()
        self._bus: NoticeBus | None = None
        self._now_ns = 0
        names = [channel.name for channel in self._channels]
        for kind, rule in config.rules.items():
            unknown = [name for name in rule.channels or () if name not in names]
            if unknown:
                raise ConfigurationError(
                    f"alerting.rules.{kind}.channels: {', '.join(unknown)} is not set up; there is {', '.join(names)}"
                )

    def attach(self, bus: NoticeBus) -> None:
        """Listen to every type of notice, and tell failures there."""
        self._bus = bus
        bus.subscribe("alerts", self)

    def __call__(self, notice: Notice) -> None:
        """Take a notice."""
        self._now_ns = notice.time_ns
        for channel in self._channels:
            if channel.failures:
                self._tell_failures(channel, notice.time_ns)
        rule = self._config.rules.get(notice.type, _PLAIN_RULE)
        severity = rule.severity or notice.severity
        if not rule.enabled or severity.level < self._config.min_severity.level:
            return
        alert = self._due(notice, rule, severity)
        if alert is not None:
            for channel in self._channels:
                if self._wants(channel, alert, rule):
                    channel.send(alert)

    def close(self) -> None:
        """Let the channels deliver what is waiting and stop them; then tell what failed."""
        if self._bus is not None:
            self._bus.unsubscribe(self)
        for channel in self._channels:
            channel.close(self._config.close_timeout_s)
            self._tell_failures(channel, self._now_ns)

    def _due(self, notice: Notice, rule: AlertRule, severity: Severity) -> Alert | None:
        """Return the alert if it is time for one of its group, else note that it was held back."""
        key = (notice.type.value, severity.value, *(str(notice.fields.get(name)) for name in rule.group_by))
        group = self._groups.setdefault(key, _Group(rule.threshold))
        self._groups.move_to_end(key)
        if len(self._groups) > _MAX_GROUPS:
            self._groups.popitem(last=False)
        now_ns = notice.time_ns
        group.recent_ns.append(now_ns)
        if len(group.recent_ns) < rule.threshold or now_ns - group.recent_ns[0] > rule.window_s * NS_PER_S:
            return None
        min_interval_s = self._config.min_interval_s if rule.min_interval_s is None else rule.min_interval_s
        if group.sent_ns is not None and now_ns - group.sent_ns < min_interval_s * NS_PER_S:
            group.held_back += 1
            return None
        alert = Alert(severity, notice, group.held_back)
        group.sent_ns, group.held_back = now_ns, 0
        return alert

    def _wants(self, channel: AlertChannel, alert: Alert, rule: AlertRule) -> bool:
        """Return whether an alert goes to a channel."""
        if alert.notice.type is EventType.ALERT_FAILED and alert.notice.fields["channel"] == channel.name:
            return False
        listed = rule.channels is None or channel.name in rule.channels
        return listed and alert.severity.level >= channel.min_severity.level

    def _tell_failures(self, channel: AlertChannel, time_ns: int) -> None:
        """Emit the failures of a channel."""
        while channel.failures:
            failure = channel.failures.popleft()
            if self._bus is not None:
                emit_alert_failed(
                    self._bus, time_ns, channel=channel.name, alert=failure.type.value, message=failure.message
                )


def alert_channels(config: AlertingConfig) -> tuple[AlertChannel, ...]:
    """Return the channels that a configuration asks for: the log, and the webhook if it has a URL."""
    log = LogChannel()
    return (log,) if config.webhook is None else (log, WebhookChannel(config.webhook))
