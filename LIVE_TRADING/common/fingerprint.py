"""What equality of digests depends on besides the code: CPU features, numpy and the C library."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path


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
