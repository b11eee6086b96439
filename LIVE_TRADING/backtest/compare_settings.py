"""What is not the same in several runs: their models, and their settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from LIVE_TRADING.backtest.compare_files import Output
from LIVE_TRADING.common.config import leaves
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason

NOT_SET = "not set"
NOT_RECORDED = "not recorded"
SHORT = 12  # digits of a hash


def model_differences(outputs: Sequence[Output]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what of models, families, horizons and barrier gate is not the same everywhere, with the text of each."""
    rows = (
        ("models", models_text),
        ("families", lambda output: ", ".join(output.run["families"])),
        ("horizons", lambda output: ", ".join(output.run["horizons"])),
        ("barrier gate", _gate_text),
    )
    texts = [(name, tuple(form(output) for output in outputs)) for name, form in rows]
    return tuple((name, values) for name, values in texts if len(set(values)) > 1)


def models_text(output: Output) -> str:
    """Return a short hash of all models of a run, and how many they are."""
    hashes = output.run.get("models")
    if hashes is None:
        return NOT_RECORDED
    if not hashes:
        return "none"
    whole = hashlib.sha256(orjson.dumps(hashes, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{whole[:SHORT]}… ({len(hashes):,})"


def _gate_text(output: Output) -> str:
    """Return whether the barrier gate judged anything: it is off where it gives no other reason."""
    reasons = output.summary["decisions"].get("barrier_gate", {})
    return "off" if set(reasons) <= {REASON_TEXT[Reason.GATE_OFF]} else "on"


def setting_differences(configs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the settings that are not the same everywhere, by dotted key, with the value of each as JSON."""
    flat = [{key: orjson.dumps(value).decode() for key, value in leaves(config).items()} for config in configs]
    keys = sorted(set().union(*flat))
    rows = [(key, tuple(settings.get(key, NOT_SET) for settings in flat)) for key in keys]
    return tuple((key, values) for key, values in rows if len(set(values)) > 1)
