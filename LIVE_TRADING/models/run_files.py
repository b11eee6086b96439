"""Files of a training run, read or refused: each error names the file, what is wrong with it, and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ModelLoadError
from LIVE_TRADING.models.artifacts import FORMAT, sha256

RETRAIN = "restore the run from a copy or train it again"
R = TypeVar("R", bound=FrozenConfig)


def read_file(path: Path) -> bytes:
    """Return the contents of a file of the run."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"{path}: no such file; check --run-id or --run-root, restore the run from a copy, or train it"
        ) from error
    except OSError as error:
        raise ModelLoadError(f"{path}: cannot be read ({error.strerror}); check permissions and the disk") from error


def verified(path: Path, expected: str) -> bytes:
    """Return the contents of a file whose SHA-256 is as recorded."""
    data = read_file(path)
    found = sha256(data)
    if found != expected:
        raise mismatch(path, "SHA-256", expected, found, f"the file was altered: {RETRAIN}")
    return data


def parse_record(path: Path, data: bytes, record: type[R]) -> R:
    """Return the record on file; a format newer than this code knows is refused."""
    try:
        raw: Any = orjson.loads(data)
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise mismatch(path, "format", FORMAT, found, "use the version that wrote it, or train the run again")
        return record.model_validate_json(data)
    except orjson.JSONDecodeError as error:
        raise ModelLoadError(f"{path}: is no JSON ({error}); {RETRAIN}") from error
    except ValidationError as error:
        raise ModelLoadError(f"{path}: {error}; {RETRAIN}") from error


def mismatch(path: Path, what: str, expected: object, found: object, remedy: str) -> ModelLoadError:
    """Return the error of a file that is not what the run says it is."""
    return ModelLoadError(f"{path}: {what} expected {expected}, found {found}; {remedy}")
