"""Alerts: rules over the notices of the bus, and the channels they go to. Changes nothing, only listens."""

from LIVE_TRADING.alerting.channels import Alert, AlertChannel, BackgroundChannel, DeliveryError, LogChannel
from LIVE_TRADING.alerting.config import AlertingConfig, AlertRule, WebhookConfig
from LIVE_TRADING.alerting.manager import AlertManager, alert_channels
from LIVE_TRADING.alerting.webhook import WebhookChannel

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertManager",
    "AlertRule",
    "AlertingConfig",
    "BackgroundChannel",
    "DeliveryError",
    "LogChannel",
    "WebhookChannel",
    "WebhookConfig",
    "alert_channels",
]
