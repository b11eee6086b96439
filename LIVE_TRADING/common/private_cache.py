"""Where results of computing are kept between runs of the program, out of the reach of other users."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

_OTHERS = 0o077


def private_cache(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder `live_trading/<name>` of the user's cache, created if absent; only its owner has access to it.

    The user's cache is XDG_CACHE_HOME, or .cache in the home folder.

    Raises
    ------
    OSError
        It cannot be created, or belongs to someone else, or others have access: what is in it is not to be trusted.
    """
    given = Path(environment.get("XDG_CACHE_HOME", ""))
    base = given if given.is_absolute() else _home(environment) / ".cache"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = base / "live_trading"
    for part in (folder, folder / name):
        part.mkdir(mode=0o700, exist_ok=True)
        found = part.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
            raise PermissionError(f"{part} is open to others; remove it, or chmod 700 it if you know all that is in it")
    return folder / name


def _home(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME", ""))
    if not home.is_absolute():
        raise FileNotFoundError("neither XDG_CACHE_HOME nor HOME names a folder")
    return home
