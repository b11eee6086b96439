"""Settings and secrets out of a .env file in the working folder."""

from __future__ import annotations

# covers: P2
from pathlib import Path

import pytest

from LIVE_TRADING.cli.settings import load_settings


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        "LIVE_TRADING__ALERTING__WEBHOOK__URL=http://127.0.0.1:9/hook-4711\nLIVE_TRADING__ENGINE__SEED=11\nOTHER=1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVE_TRADING__ENGINE__SEED", "12")
    config = load_settings().config
    assert config.engine.seed == 12
    assert config.alerting.webhook is not None
    assert config.alerting.webhook.url.get_secret_value() == "http://127.0.0.1:9/hook-4711"
    assert "4711" not in repr(config)
