"""Makefile, pins, CI and the service: what can be checked without installing anything."""

# covers: P28, P33

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from requirements_report import main, named_rows, report, required_rows

REPO = Path(__file__).resolve().parent.parent
INSTALL = REPO / "CONFIG" / "systemd" / "install.sh"


def run(*command: str, cwd: Path = REPO, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**_outside_make(), **env}, capture_output=True, text=True, check=False, timeout=120
    )


def _outside_make() -> dict[str, str]:
    """The environment without what a `make` that runs these tests hands to its children."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_exactly() -> None:
    lines = [line for line in (REPO / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {normal(line.partition("==")[0]) for line in lines}
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    assert {normal(re.match(r"[A-Za-z0-9._-]+", name)[0]) for name in wanted} - pinned == set()  # type: ignore[index]


def test_the_environment_is_set_up_once_and_again_when_its_inputs_change(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((REPO / name).read_bytes())
    assert run("make", "-q", "venv", cwd=tmp_path).returncode == 1
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text("")
    later = (tmp_path / "constraints.txt").stat().st_mtime + 10
    os.utime(stamp, (later, later))
    assert run("make", "-q", "venv", cwd=tmp_path).returncode == 0
    done = run("make", "-n", "run", cwd=tmp_path)
    assert done.stdout.strip() == ".venv/bin/python -m bin.demo"
    os.utime(tmp_path / "constraints.txt", (later + 10, later + 10))
    assert "pip install" in run("make", "-n", "run", cwd=tmp_path).stdout


def test_a_wrong_python_is_named(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((REPO / name).read_bytes())
    done = run("make", "venv", "PYTHON=/nowhere/python", cwd=tmp_path)
    assert done.returncode == 2
    assert "/nowhere/python is not Python 3.11 or newer" in done.stdout


SKIPPING = """
import pytest
def test_skips():
    pytest.skip("no reason")
@pytest.mark.xfail(strict=True)
def test_fails_as_expected():
    assert False
def test_reads_recordings(shared_data):
    shared_data("nothing of this name")
"""


@pytest.mark.parametrize(
    ("strict", "recordings", "outcome"),
    [
        ("", "absent", "2 skipped, 1 xfailed"),
        ("1", "absent", "1 failed, 1 skipped, 1 xfailed"),
        ("1", "there", "2 failed, 1 xfailed"),
    ],
)
def test_ci_refuses_what_is_skipped(tmp_path: Path, strict: str, recordings: str, outcome: str) -> None:
    (tmp_path / "test_a.py").write_text(SKIPPING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    realdata: x\n")
    if recordings == "there":
        (tmp_path / "data").mkdir()
    done = run(
        sys.executable, "-m", "pytest", "-p", "conftest", "-q", "-n", "0", str(tmp_path),
        cwd=tmp_path, CI_STRICT_SKIPS=strict, LIVE_TRADING_DATA=str(tmp_path / "data"),
        PYTHONPATH=f"{REPO}{os.pathsep}{REPO / 'tests'}",
    )  # fmt: skip
    assert outcome in done.stdout
    assert done.returncode == (1 if "failed" in outcome.replace("xfailed", "") else 0)


def test_ci_stops_at_the_first_failure(tmp_path: Path) -> None:
    (tmp_path / "make").write_text(f'#!/bin/sh\necho "$CI_STRICT_SKIPS $*" >>{tmp_path}/calls\ntest "$1" != "$FAIL"\n')
    (tmp_path / "make").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert run(str(REPO / ".ci" / "run"), PATH=path, FAIL="").returncode == 0
    assert run(str(REPO / ".ci" / "run"), PATH=path, FAIL="test").returncode != 0
    assert (tmp_path / "calls").read_text().splitlines() == ["1 test", "1 check", "1 test"]


def test_rows_are_read_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "| row | requirement |\n|---|---|\n| P1 | one |\n| P2 | two |\n| A14 | three |\n"
    assert required_rows(table) == {"P1": "one", "P2": "two", "A14": "three"}
    assert named_rows('"""x\n\ncovers: P1, A14\n"""\n# covers: P3-P5\nx = "# covers: B1"\n') == {
        "P1", "P3", "P4", "P5", "A14",
    }  # fmt: skip
    assert report({"P1": "one", "P2": "two"}, {"P1": ["a"], "Z9": ["b", "c"]}) == [
        "1 of 2 rows are named by a test; not yet:",
        "  P2   two",
        "Z9 is no row, but b, c names it",
    ]
    assert main([str(tmp_path / "none.md")]) == 2
    (tmp_path / "rows.md").write_text(table)
    assert main([str(tmp_path / "rows.md")]) == 1
    assert "of 3 rows" in capsys.readouterr().out


def staged(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_installing_twice_changes_nothing_and_keeps_what_was_edited(tmp_path: Path) -> None:
    stage = {"DESTDIR": str(tmp_path), "PREFIX": "/srv/trading"}
    assert run(str(INSTALL), **stage).returncode == 0
    first = staged(tmp_path)
    assert run(str(INSTALL), **stage).returncode == 0
    assert staged(tmp_path) == first
    assert first["etc/live-trading/live-trading.env"][1] == 0o600
    assert "srv/trading/LIVE_TRADING/common/files.py" in first
    assert not [name for name in first if "__pycache__" in name or name.startswith("srv/trading/tests")]
    alerts = tmp_path / "srv/trading/CONFIG/alerts.yaml"
    settings = tmp_path / "etc/live-trading/live-trading.env"
    stale = tmp_path / "srv/trading/LIVE_TRADING/stale.py"
    for path in (alerts, settings, stale):
        path.write_text("# edited\n")
    done = run(str(INSTALL), **stage)
    assert f"kept {alerts}" in done.stdout
    assert alerts.read_text() == settings.read_text() == "# edited\n"
    assert alerts.with_name("alerts.yaml.new").exists()
    assert not stale.exists()


@pytest.mark.parametrize("prefix", ["relative", "/with space", "/with|pipe"])
def test_a_prefix_that_cannot_work_is_refused(tmp_path: Path, prefix: str) -> None:
    done = run(str(INSTALL), DESTDIR=str(tmp_path), PREFIX=prefix)
    assert done.returncode == 2
    assert f"PREFIX={prefix}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_service_restarts_after_a_crash_and_not_after_a_refusal(tmp_path: Path) -> None:
    run(str(INSTALL), DESTDIR=str(tmp_path), PREFIX="/srv/trading")
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(tmp_path / "etc/systemd/system/live-trading.service")
    service = unit["Service"]
    assert "@" not in service["ExecStart"]
    assert service["ExecStart"].startswith("/srv/trading/.venv/bin/python -m bin.run_live_trading ")
    assert service["WorkingDirectory"] == "/srv/trading"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2 3 4 5")
    assert (service["User"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("live-trading", "yes", "strict")
