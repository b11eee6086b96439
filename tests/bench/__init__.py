"""Benchmarks: `make bench` measures every budget row that exists and writes docs/benchmarks.md."""

import LIVE_TRADING  # noqa: F401  sets thread counts before the numeric libraries are loaded
