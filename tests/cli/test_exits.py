"""Errors become exit codes in one place."""

from __future__ import annotations

# covers: A14
import pytest

from LIVE_TRADING.cli.exits import ExitCode, LiveGateError, exit_code_of, run_command
from LIVE_TRADING.common.exceptions import (
    BrokerConnectionError,
    BrokerError,
    ConfigurationError,
    ContractError,
    DataProviderError,
    GatingError,
    KillSwitchTriggeredError,
    LiveTradingError,
    ModelLoadError,
    OrderRejectedError,
    ReconciliationError,
    RiskLimitError,
    StateError,
)
from LIVE_TRADING.common.files import FolderLockedError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), ExitCode.USAGE),
        (ModelLoadError("x"), ExitCode.USAGE),
        (DataProviderError("x"), ExitCode.USAGE),
        (RiskLimitError("x"), ExitCode.USAGE),
        (BrokerError("x"), ExitCode.USAGE),
        (BrokerConnectionError("x"), ExitCode.USAGE),
        (OrderRejectedError("x"), ExitCode.USAGE),
        (LiveGateError("x"), ExitCode.LIVE_GATE),
        (KillSwitchTriggeredError("x"), ExitCode.HALTED),
        (ReconciliationError("x"), ExitCode.HALTED),
        (StateError("x"), ExitCode.HALTED),
        (FolderLockedError("x", 7), ExitCode.ALREADY_RUNNING),
        (ContractError("x"), ExitCode.CRASH),
        (GatingError("x"), ExitCode.CRASH),
        (LiveTradingError("x"), ExitCode.CRASH),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_every_error_has_its_code(error: LiveTradingError, code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(error) is code

    def command() -> int:
        raise error

    with pytest.raises(SystemExit) as left:
        run_command(command)
    assert left.value.code == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_what_nobody_foresaw_is_a_crash_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: 1 // 0)
    assert left.value.code == ExitCode.CRASH
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        closed = False

        def close(self) -> None:
            self.closed = True

    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)

    def command() -> int:
        raise BrokenPipeError

    with pytest.raises(SystemExit) as left:
        run_command(command)
    assert left.value.code == ExitCode.DONE
    assert stream.closed


def test_the_code_of_a_verb_is_that_of_the_process() -> None:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: 6)
    assert left.value.code == ExitCode.TIMEOUT
