"""`python -m bin.compare_runs`."""

# covers: R8

from __future__ import annotations

from backtest.test_compare import written
from cli_bench import run_verb

from LIVE_TRADING.cli.exits import ExitCode


def test_two_runs_are_compared(tmp_path):
    folders = [str(written(tmp_path / name, seed=seed, n_sessions=4)) for seed, name in enumerate(("a", "b"))]
    out = tmp_path / "pages" / "compare.html"
    result = run_verb("compare_runs", *folders, "--out", str(out))
    assert result.exit_code == ExitCode.DONE
    assert "Run against run" in result.output
    assert "written to" in result.output
    assert out.read_text().startswith("<!doctype html>")


def test_what_is_no_output_is_refused(tmp_path):
    good = str(written(tmp_path / "good", n_sessions=2))
    (tmp_path / "empty").mkdir()
    result = run_verb("compare_runs", good, str(tmp_path / "empty"), "--out", str(tmp_path / "x.html"))
    assert result.exit_code == ExitCode.USAGE
    assert not (tmp_path / "x.html").exists()
    result = run_verb("compare_runs", good, good, "--out", str(tmp_path))
    assert result.exit_code == ExitCode.USAGE
