"""Benchmarks: `make bench` measures every budget row that exists and writes docs/benchmarks.md."""
