"""The exception tree. A class is a reaction: refuse to start, retry, skip, halt."""


class FoxMLError(Exception):
    """Root of every error this project raises on purpose."""


class LiveTradingError(FoxMLError):
    """Anything that goes wrong while trading, backtesting or replaying."""


class ConfigurationError(LiveTradingError):
    """Refuse to start: a setting or a command line cannot be used. Names file, line, key and remedy."""


class ModelLoadError(LiveTradingError):
    """Refuse to start: an artifact is missing, altered or does not fit the data."""


class StateError(LiveTradingError):
    """Refuse to start: state on file cannot be read, or another process owns it."""


class ReconciliationError(LiveTradingError):
    """Refuse to trade: the venue's book and the ledger differ."""


class BrokerError(LiveTradingError):
    """A broker could not do what it was asked."""


class OrderRejectedError(BrokerError):
    """The venue refused an order for good; never retried."""


class BrokerConnectionError(BrokerError):
    """The venue cannot be reached, or the adapter is not connected; retried with backoff."""


ConnectionError = BrokerConnectionError  # noqa: A001  the sketch's name


class ContractError(LiveTradingError, ValueError):
    """Refuse one order or fill: it is not what an order or a fill looks like. Nothing has changed.

    `fields` names what is wrong; the message says for each what was given and what to give instead.
    """

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class DataProviderError(LiveTradingError):
    """Market data are missing, malformed or impossible."""


class GatingError(LiveTradingError):
    """A gate was given inputs it cannot judge (strict mode)."""


class RiskLimitError(LiveTradingError):
    """A risk limit is missing, unreadable or contradictory."""


class KillSwitchTriggeredError(LiveTradingError):
    """Trading is halted until an operator lifts it."""
