"""What equality of digests depends on: the code, CPU features, numpy and the C library."""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from pathlib import Path

from LIVE_TRADING import __version__

PACKAGE = Path(__file__).parents[1]


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the package's version and a hash of its sources, as 0.1.0+1a2b3c4d5e6f: what decides, to the line."""
    hashed = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_bytes()
        hashed.update(f"{path.relative_to(PACKAGE).as_posix()}\n{len(text)}\n".encode() + text)
    return f"{__version__}+{hashed.hexdigest()[:12]}"


def cpu_fingerprint() -> str:
    """Return machine type, a hash of the CPU's feature flags, numpy's and libc's version.

    numpy's exp and log differ in the last bit with other vector units, so digests are compared per fingerprint.
    """
    import numpy as np

    flags = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith(("flags", "Features"))]
        flags = " ".join(sorted(lines[0].partition(":")[2].split())) if lines else ""
    hashed = hashlib.sha256(flags.encode()).hexdigest()[:12]
    libc = "-".join(platform.libc_ver())
    return f"{platform.machine()}/{hashed}/numpy-{np.__version__}/{libc}"
