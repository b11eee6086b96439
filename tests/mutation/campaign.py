"""Mutation testing of the stages that decide on money: `make mutation`, 20 to 30 minutes of one core.

    python tests/mutation/campaign.py [--only sizing/caps.py] [--only sizing/lots.py:19] [--quick]

Every mutant of LIVE_TRADING/{blending,arbitration,sizing} runs in a process of its own: the stage's tests first, and,
where they all pass, the properties of the whole decision (not with --quick, which may tell of more survivors). Prints
each survivor with its place and difference; those that docs/mutation.md explains are counted and not shown. Exits with
1 if one survives without an explanation, or if one that is explained is killed; with 2 if the tests fail as they stand.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

import LIVE_TRADING  # noqa: E402, F401, I001  the bootstrap comes before numpy
import hypothesis.extra.numpy  # noqa: E402, F401
import numba  # noqa: E402
import numpy.testing  # noqa: E402, F401  imported once here, so that no mutant pays for it
import pydantic  # noqa: E402, F401
import pytest  # noqa: E402
import scipy.linalg  # noqa: E402
import scipy.special  # noqa: E402, F401
from explained import Explanations, explanations  # noqa: E402
from mutants import Mutant, mutants_of  # noqa: E402

from LIVE_TRADING.common import config, horizons, kernels, reasons, types, units  # noqa: E402, F401
from LIVE_TRADING.gating import barrier, spread  # noqa: E402, F401
from LIVE_TRADING.prediction import memory  # noqa: E402, F401

PACKAGE = REPO / "LIVE_TRADING"
STAGES = ("blending", "arbitration", "sizing")
LAST = ("tests/engine/test_decide_properties.py",)
PYTEST = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin")
CPU_LIMIT_S = 60  # a mutant that runs longer runs for ever; unchanged, no selection takes ten seconds
PASSED, FAILED, BROKEN = 0, 1, 2  # exit codes of pytest: all passed, some failed, could not be collected


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: `survived`, `failed` (a test failed), `broken` (does not import), `timeout`."""

    module: str
    mutant: Mutant
    fate: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what docs/mutation.md names a mutant by."""
        return self.module, self.mutant.was, self.mutant.becomes


class MutantFinder(importlib.abc.MetaPathFinder):
    """Loads one module from a changed source, everything else as ever."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _SourceLoader(fullname, str(self._path))
        loader.changed = self._source
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    changed: str

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.changed, self.path, "exec", dont_inherit=True)


def run_tests(selection: Sequence[str], finder: MutantFinder | None) -> int:
    """Return pytest's exit code over `selection` in a fork of this process; -1 where it was stopped at the limit."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            numba.config.DISABLE_JIT = True  # machine code kept on disk is told apart by its file, which is unchanged
            if finder is not None:
                sys.meta_path.insert(0, finder)
            os._exit(int(pytest.main([*PYTEST, *selection])))
        finally:
            os._exit(BROKEN)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1


def fate_of(selections: Sequence[Sequence[str]], name: str, path: Path, mutant: Mutant) -> str:
    """Return what became of a mutant under some selections of tests, one after the other."""
    finder = MutantFinder(name, path, mutant.source)
    for selection in selections:
        code = run_tests(selection, finder)
        if code != PASSED:
            return {FAILED: "failed", -1: "timeout"}.get(code, "broken")
    return "survived"


def campaign(only: tuple[str, ...], last: Sequence[str], known: Explanations) -> list[Outcome]:
    """Run every mutant whose place (module:line:) begins with one of `only`; tell what is not explained."""
    outcomes: list[Outcome] = []
    for stage in STAGES:
        selections = [[f"tests/{stage}"], *([last] if last else [])]
        for path in sorted((PACKAGE / stage).glob("*.py")):
            module = path.relative_to(PACKAGE).as_posix()
            name = f"LIVE_TRADING.{stage}" + ("" if path.stem == "__init__" else f".{path.stem}")
            mutants = mutants_of(path.read_text(encoding="utf-8"))
            chosen = [mutant for mutant in mutants if f"{module}:{mutant.line}:".startswith(only)]
            fates: Counter[str] = Counter()
            for mutant in chosen:
                outcome = Outcome(module, mutant, fate_of(selections, name, path, mutant))
                outcomes.append(outcome)
                fates[outcome.fate] += 1
                if outcome.fate == "survived" and outcome.key not in known:
                    show(outcome)
            if chosen:
                tally = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
                print(f"{module}: {len(chosen)} mutants, {tally}", flush=True)
    return outcomes


def show(outcome: Outcome) -> None:
    """Print a survivor."""
    mutant = outcome.mutant
    print(f"\nLIVE_TRADING/{outcome.module}:{mutant.line}\n- {mutant.was}\n+ {mutant.becomes}\n", flush=True)


def prepare() -> None:
    """Set up what all forks share."""
    os.chdir(REPO)
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_PROFILE": "mutation"}
    early = sorted(name for name in sys.modules if name.startswith(tuple(f"LIVE_TRADING.{stage}" for stage in STAGES)))
    if early:
        raise RuntimeError(f"{', '.join(early)} must not be imported before its mutants are")
    kernels.compile_all()  # those of other stages, which every fork runs as they are


def main() -> int:
    """Run the campaign; see the module for what is returned."""
    parser = argparse.ArgumentParser(description="mutation testing of blending, arbitration and sizing")
    parser.add_argument("--only", action="append", help="a stage, module or line, such as sizing/caps.py:53")
    parser.add_argument("--quick", action="store_true", help="the tests of the stage alone")
    arguments = parser.parse_args()
    places = arguments.only or STAGES
    only, last = tuple(f"{place}:" if ":" in place else place for place in places), () if arguments.quick else LAST
    prepare()
    stages = (stage for stage in STAGES if any(place.startswith(stage) for place in places))
    for selection in (*([f"tests/{stage}"] for stage in stages), *([last] if last else [])):
        if (code := run_tests(selection, None)) != PASSED:
            print(f"{' '.join(selection)} does not pass as it stands (pytest's exit code {code}): mend that first")
            return 2
    known = explanations()
    outcomes = campaign(only, last, known)
    survivors = {outcome.key for outcome in outcomes if outcome.fate == "survived"}
    killed = {outcome.key for outcome in outcomes} - survivors
    for module, was, becomes in sorted(killed & known.keys()):
        print(f"\ndocs/mutation.md explains why this survives, but a test kills it: {module}\n- {was}\n+ {becomes}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = sum(outcome.fate == "survived" for outcome in outcomes)
    print(
        f"\n{len(outcomes)} mutants, {len(outcomes) - alive} killed, {alive} survive, "
        f"{sum(outcome.key in known for outcome in outcomes if outcome.fate == 'survived')} of them explained in "
        f"docs/mutation.md; {(used.ru_utime + used.ru_stime) / 60.0:.1f} minutes of one core"
    )
    return 1 if survivors - known.keys() or killed & known.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
