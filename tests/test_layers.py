"""Imports point down only, as the map of the design draws them."""

# covers: A1, A9

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PACKAGE = "LIVE_TRADING"

STAGES = ("arbitration", "blending", "gating", "prediction", "risk", "sizing")
CORE = (*STAGES, "learning", "models", "observability", "common")
SHELLS = ("engine", *CORE, "alerting", "brokers", "data", "pages")
ALLOWED: dict[str, tuple[str, ...]] = {
    "common": (),
    "models": ("common",),
    "data": ("common",),
    "pages": ("common",),
    "brokers": ("common",),
    "observability": ("common",),
    "alerting": ("observability", "common"),
    **dict.fromkeys(STAGES, ("models", "common")),
    "learning": ("models", "common"),
    # of the adapters the engine knows the Protocols and nothing else
    "engine": (*CORE, "brokers.interface", "data.interface"),
    "training": SHELLS,
    "backtest": SHELLS,
    "research": ("backtest", "training", *SHELLS),
    "api": SHELLS,
    "dashboard": ("api.client",),
    "cli": ("api", "research", "backtest", "training", *SHELLS),
    "bin": ("cli", "observability", "common"),
}


def imported_modules(source: str, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every module of ours that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                above = package[: len(package) - node.level + 1]
                base = ".".join([*above, base]) if base else ".".join(above)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in (PACKAGE, "bin"):
                yield node.lineno, name


def violation(importer: str, imported: str) -> str | None:
    """Return what is wrong with one of our modules importing another, or None."""
    home, target = _place(importer), _place(imported)
    if not home or not target or home[0] == target[0]:
        return None
    if home[0] not in ALLOWED:
        return f"{home[0]} stands in no layer; add it to tests/test_layers.py"
    dotted = ".".join(target)
    if any(dotted == allowed or dotted.startswith(f"{allowed}.") for allowed in ALLOWED[home[0]]):
        return None
    return f"{importer} imports {imported}; {home[0]} may import {', '.join(ALLOWED[home[0]]) or 'nothing of ours'}"


def _place(module: str) -> list[str]:
    """Return the parts of a module's name below the package; empty for the package itself and its public names."""
    parts = module.split(".")
    if parts[0] == "bin":
        return parts
    below = parts[1:]
    known = bool(below) and (below[0] in ALLOWED or (REPO / PACKAGE / below[0]).is_dir())
    return below if known else []


def our_files() -> list[Path]:
    return sorted([*(REPO / PACKAGE).rglob("*.py"), *(REPO / "bin").rglob("*.py")])


@pytest.mark.parametrize("path", our_files(), ids=lambda path: path.relative_to(REPO).as_posix())
def test_imports_point_down(path: Path) -> None:
    parts = list(path.relative_to(REPO).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    found = [
        f"line {line}: {wrong}"
        for line, name in imported_modules(path.read_text(encoding="utf-8"), module, is_package=is_package)
        if (wrong := violation(module, name)) is not None
    ]
    assert found == []


def test_every_folder_stands_in_a_layer() -> None:
    folders = {path.name for path in (REPO / PACKAGE).iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(ALLOWED)


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("LIVE_TRADING.sizing.sizer", "from LIVE_TRADING.gating import BarrierGate", True),
        ("LIVE_TRADING.sizing.sizer", "import LIVE_TRADING.engine.core", True),
        ("LIVE_TRADING.sizing.sizer", "from LIVE_TRADING import risk", True),
        ("LIVE_TRADING.sizing.sizer", "def f():\n    from LIVE_TRADING.brokers import interface", True),
        ("LIVE_TRADING.sizing.sizer", "from ..gating import barrier", True),
        ("LIVE_TRADING.sizing.sizer", "from . import turnover", False),
        ("LIVE_TRADING.sizing.sizer", "from ..models.volatility import VolatilityModel", False),
        ("LIVE_TRADING.sizing.sizer", "import numpy as np", False),
        ("LIVE_TRADING.brokers.paper", "from LIVE_TRADING.data.interface import DataProvider", True),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING.brokers.interface import Broker", False),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING.brokers import interface", False),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING.brokers import Broker", True),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING.brokers.paper import PaperBroker", True),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING.alerting import AlertManager", True),
        ("LIVE_TRADING.engine.core", "from LIVE_TRADING import __version__", False),
        ("LIVE_TRADING.common.files", "from LIVE_TRADING.observability import NoticeBus", True),
        ("LIVE_TRADING.backtest.engine", "from LIVE_TRADING.training import labels", True),
        ("bin.demo", "from LIVE_TRADING.cli.demo import main", False),
        ("bin.demo", "from LIVE_TRADING.engine.core import EngineCore", True),
        ("LIVE_TRADING.cli.demo", "import bin.demo", True),
    ],
)
def test_the_reader_of_imports_finds_what_points_up_or_sideways(module: str, source: str, wrong: bool) -> None:
    names = [name for _, name in imported_modules(source, module, is_package=False)]
    assert any(violation(module, name) for name in names) is wrong


def test_the_independent_recomputation_imports_nothing_of_ours() -> None:
    for path in sorted((REPO / "tests" / "independent").rglob("*.py")):
        if not path.name.startswith("test_"):
            assert list(imported_modules(path.read_text(encoding="utf-8"), path.stem, is_package=False)) == []
