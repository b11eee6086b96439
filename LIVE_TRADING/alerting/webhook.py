"""Alerts by HTTP POST."""

from __future__ import annotations

from LIVE_TRADING.alerting.channels import Alert, BackgroundChannel, DeliveryError, alert_body
from LIVE_TRADING.alerting.config import WebhookConfig

_TRY_AGAIN = (408, 425, 429)


class WebhookChannel(BackgroundChannel):
    """Posts alerts as JSON to a URL. The URL is a secret (chat services put the key in it) and stands in no message."""

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        super().__init__(
            "webhook",
            self._post,
            min_severity=config.min_severity,
            attempts=config.attempts,
            backoff_s=config.backoff_s,
            queue_size=config.queue_size,
        )

    def _post(self, alert: Alert) -> None:
        """Post one alert.

        Raises
        ------
        DeliveryError
            Nobody answered, or the answer was no success.
        """
        import httpx  # a tenth of a second, spent in this thread and by those only who have a webhook

        try:
            response = httpx.post(
                self._config.url.get_secret_value(),
                content=alert_body(alert),
                headers={"Content-Type": "application/json"},
                timeout=self._config.timeout_s,
            )
        except httpx.RequestError as error:
            raise DeliveryError(type(error).__name__, transient=True) from error
        if not response.is_success:
            transient = response.is_server_error or response.status_code in _TRY_AGAIN
            raise DeliveryError(f"HTTP {response.status_code}", transient=transient)
