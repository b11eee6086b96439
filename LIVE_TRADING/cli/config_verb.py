"""`python -m bin.config`: check and show the configuration."""

from __future__ import annotations

from LIVE_TRADING.cli.config_folder import folder_in_words
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.settings import load_settings
from LIVE_TRADING.common.config import config_hash, flat


def check(profile: str | None, overrides: list[str] | None) -> int:
    """Read everything; errors end the process with all of them listed."""
    loaded = load_settings(profile, overrides or ())
    given = sum(key in loaded.sources for key in flat(loaded.config))
    print(f"configuration is valid, hash {config_hash(loaded.config)[:16]}, {given} values given")
    print(f"read from {folder_in_words()}")
    return int(ExitCode.DONE)


def show(profile: str | None, overrides: list[str] | None) -> int:
    """Print every value with where it comes from; secrets stay hidden."""
    loaded = load_settings(profile, overrides or ())
    print(f"# read from {folder_in_words()}")
    for key, value in sorted(flat(loaded.config).items()):
        print(f"{key} = {value}  # {loaded.sources.get(key, 'default')}")
    return int(ExitCode.DONE)
