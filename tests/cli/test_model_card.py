"""`python -m bin.model_card`."""

# covers: R8

from __future__ import annotations

from cli_bench import RUN_ID, Bench, run_verb

from LIVE_TRADING.cli.exits import ExitCode


def test_a_card_is_written_where_it_is_asked_for(bench: Bench, tmp_path) -> None:
    out = tmp_path / "card.html"
    result = run_verb("model_card", "--run-root", bench.runs / RUN_ID, "--out", out)
    assert result.exit_code == ExitCode.DONE
    assert out.read_text().startswith("<!doctype html>")
    assert f"Model card of run {RUN_ID}" in out.read_text()


def test_no_run_and_a_folder_in_place_of_a_file_are_refused(bench: Bench, tmp_path) -> None:
    assert run_verb("model_card").exit_code == ExitCode.USAGE
    assert run_verb("model_card", "--run-root", tmp_path).exit_code == ExitCode.USAGE
    result = run_verb("model_card", "--run-root", bench.runs / RUN_ID, "--out", tmp_path)
    assert result.exit_code == ExitCode.USAGE
