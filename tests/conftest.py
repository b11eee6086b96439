"""Shared fixtures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import LIVE_TRADING  # noqa: F401  the reproducibility bootstrap comes before numpy

REPO = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIVE_TRADING_DATA", REPO.parent / "shared" / "data"))

# No deadline: a machine that is busy with something else fails no test. `ci`: the same examples at every run, so that a
# change is judged by what it changes; the search at random goes on in `make test` and, longer, in `make slow`.
# `mutation`: the same examples for every mutant.
settings.register_profile("tests", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))

STRICT_SKIPS = os.environ.get("CI_STRICT_SKIPS", "") not in ("", "0")
DATA_FIXTURES = ("shared_data", "shared_reference")

# Test files mirror the tree, so their names repeat, which asks for pytest's importlib mode; that mode puts no folder on
# the path. Folders that hold helper modules beside their tests are put there here.
HELPERS = (path for path in Path(__file__).parent.rglob("*.py") if not path.name.startswith(("test_", "conftest")))
sys.path[:0] = sorted({str(path.parent) for path in HELPERS})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that read the recordings."""
    for item in items:
        if any(name in getattr(item, "fixturenames", ()) for name in DATA_FIXTURES):
            item.add_marker(pytest.mark.realdata)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped, where CI_STRICT_SKIPS is set; `realdata` tests may skip where ../shared is absent."""
    report = yield
    expected = item.get_closest_marker("realdata") is not None and not DATA.exists()
    if STRICT_SKIPS and report.skipped and not expected and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail modules that skip themselves, likewise."""
    report = yield
    if STRICT_SKIPS and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return the path of a recorded data set by its file name; skips where the recordings are absent."""

    def path_of(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip("recorded market data are absent")
        return path

    return path_of


@pytest.fixture(scope="session")
def shared_reference() -> Callable[[str], Path]:
    """Return the path of a file of published reference numbers; skips where they are absent."""

    def path_of(name: str) -> Path:
        path = DATA.parent / "reference" / name
        if not path.exists():
            pytest.skip("published reference numbers are absent")
        return path

    return path_of
