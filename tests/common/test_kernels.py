"""Kernels: the same compiled and interpreted, kept between starts, refused for arrays they were not compiled for."""

from __future__ import annotations

# covers: P29
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common import kernels
from LIVE_TRADING.common.kernels import Kernel, compile_all, kernel
from LIVE_TRADING.common.types import FloatArray


def ratios(values: FloatArray, by: FloatArray, out: FloatArray) -> None:
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i] / by[i]
        out[i] = total * np.sqrt(abs(values[i]))


SIGNATURE = "void(float64[::1], float64[::1], float64[::1])"


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "live_trading" / "numba"


def result(code: object, n: int = 50) -> bytes:
    rng = np.random.default_rng(7)
    values, by, out = rng.standard_normal(n), rng.standard_normal(n), np.empty(n)
    by[3] = values[5] = by[5] = 0.0  # infinity, then NaN, and no exception
    with np.errstate(all="ignore"):
        code(values, by, out)  # type: ignore[operator]
    return out.tobytes()


def test_compiled_and_interpreted_say_the_same(cache_folder: Path) -> None:
    made = kernel(SIGNATURE)(ratios)
    assert made.compiled() is not ratios
    assert result(made) == result(ratios)


def test_machine_code_is_kept(cache_folder: Path) -> None:
    Kernel(ratios, SIGNATURE).compiled()
    kept = sorted(cache_folder.rglob("*.nbc"))
    assert len(kept) == 1
    written_ns = kept[0].stat().st_mtime_ns
    assert result(Kernel(ratios, SIGNATURE)) == result(ratios)
    assert [path.stat().st_mtime_ns for path in sorted(cache_folder.rglob("*.nbc"))] == [written_ns]


def test_other_arrays_are_an_error(cache_folder: Path) -> None:
    made, strided = Kernel(ratios, SIGNATURE), np.ones((4, 2))[:, 0]
    with pytest.raises(TypeError, match="No matching definition"):
        made(strided, strided, strided)


def test_without_numba_it_is_interpreted(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    made = Kernel(ratios, SIGNATURE)
    assert result(made) == result(ratios)
    assert made.compiled().__wrapped__ is ratios  # type: ignore[attr-defined]


def test_all_are_compiled_at_a_start(cache_folder: Path) -> None:
    made = Kernel(ratios, SIGNATURE)
    compile_all()
    assert made._code is not None


def test_only_compiling_is_explained_and_reading_what_is_kept_is_not(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernels, "EXPLAINED_AFTER_S", 0.0)
    said = []
    for _ in range(2):
        monkeypatch.setattr(kernels, "_KERNELS", [])
        Kernel(ratios, SIGNATURE)
        Kernel(ratios, "void(float64[:], float64[:], float64[:])")
        with caplog.at_level("WARNING", logger="live_trading.kernels"):
            compile_all()
        said.append(len(caplog.records))
        caplog.clear()
    assert said == [1, 0]
