"""Exit codes, and the one place where an error becomes one."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from enum import IntEnum

from LIVE_TRADING.common.exceptions import (
    BrokerError,
    ConfigurationError,
    DataProviderError,
    KillSwitchTriggeredError,
    LiveTradingError,
    ModelLoadError,
    ReconciliationError,
    RiskLimitError,
    StateError,
)


class ExitCode(IntEnum):
    """What a process ends with."""

    DONE = 0
    CRASH = 1
    USAGE = 2
    LIVE_GATE = 3
    HALTED = 4
    ALREADY_RUNNING = 5
    TIMEOUT = 6


class LiveGateError(ConfigurationError):
    """Refuse to trade real money: a condition is not met."""


def exit_code_of(error: LiveTradingError) -> ExitCode:
    """Return the exit code of an error."""
    from LIVE_TRADING.common.files import FolderLockedError

    if isinstance(error, LiveGateError):
        return ExitCode.LIVE_GATE
    if isinstance(error, FolderLockedError):
        return ExitCode.ALREADY_RUNNING
    if isinstance(error, (KillSwitchTriggeredError, ReconciliationError, StateError)):
        return ExitCode.HALTED
    if isinstance(error, (ConfigurationError, ModelLoadError, DataProviderError, RiskLimitError, BrokerError)):
        return ExitCode.USAGE
    return ExitCode.CRASH


def run_command(command: Callable[[], int]) -> None:
    """Run a verb and leave the process with its code; an error of ours is one message, anything else a trace."""
    try:
        code = command()
    except LiveTradingError as error:
        print(f"error: {error}", file=sys.stderr)
        code = int(exit_code_of(error))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nothing is left to say to it
        code = int(ExitCode.DONE)
    except Exception:  # noqa: BLE001  the process's outer boundary
        traceback.print_exc()
        code = int(ExitCode.CRASH)
    raise SystemExit(code)
