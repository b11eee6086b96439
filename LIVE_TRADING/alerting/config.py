"""Configuration of alerts: what is worth one, how often, and where it goes."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, NonNegativeFloat, PositiveFloat, SecretStr, field_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.observability.events import EventType, Severity


class AlertRule(FrozenConfig):
    """What differs, for one type of notice, from the rule for all.

    An alert goes out at the `threshold`-th notice within `window_s`, and then not again for `min_interval_s`; the next
    one says how many were held back. Counting is done per group: notices that agree in all fields of `group_by`.
    """

    enabled: bool = True
    severity: Severity | None = Field(None, description="in place of the notice's own")
    min_interval_s: NonNegativeFloat | None = Field(None, description="in place of the general one")
    threshold: int = Field(1, ge=1, le=10_000)
    window_s: PositiveFloat = 300.0
    group_by: tuple[str, ...] = Field((), description="fields of the notice, e.g. symbol, rule_id")
    channels: tuple[str, ...] | None = Field(None, description="names of channels; none: all")


class WebhookConfig(FrozenConfig):
    """A receiver of HTTP POST with a JSON body; the `text` in it is what chat services show."""

    url: SecretStr
    min_severity: Severity = Severity.ERROR
    timeout_s: PositiveFloat = Field(5.0, le=60)
    attempts: int = Field(5, ge=1, le=10)
    backoff_s: PositiveFloat = Field(1.0, description="pause after the first failure; doubled after each")
    queue_size: int = Field(256, ge=1, le=100_000)

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: SecretStr) -> SecretStr:
        """Refuse what cannot be posted to, without repeating it."""
        try:
            parts = urlsplit(url.get_secret_value())
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must start with http:// or https:// and name a host")
        return url


class AlertingConfig(FrozenConfig):
    """Every notice from `min_severity` on is an alert, once per `min_interval_s` and type, unless a rule differs."""

    min_severity: Severity = Severity.WARNING
    min_interval_s: NonNegativeFloat = 60.0
    rules: dict[EventType, AlertRule] = Field({}, description="by type of notice")
    webhook: WebhookConfig | None = None
    close_timeout_s: PositiveFloat = Field(5.0, le=60, description="time for undelivered alerts at shutdown")
