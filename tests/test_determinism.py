"""The bootstrap comes first, and nothing is iterated in an order that may differ between two runs."""

# covers: P1, P3

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from LIVE_TRADING.common.determinism import (
    THREAD_VARIABLES,
    glob_sorted,
    iterdir_sorted,
    repro_bootstrap,
    sorted_items,
)

REPO = Path(__file__).resolve().parent.parent
PACKAGE = REPO / "LIVE_TRADING"

# where a dict's order could reach a decision
DECIDING = ("arbitration", "blending", "engine", "gating", "learning", "models", "prediction", "risk", "sizing")
# a sum of floats is not free of order: it rounds
ORDER_FREE = (
    "sorted",
    "sorted_items",
    "set",
    "frozenset",
    "fsum",
    "len",
    "min",
    "max",
    "any",
    "all",
    "dict",
    "Counter",
)
FOLDER_CALLS = ("iterdir", "glob", "rglob", "listdir", "scandir", "walk")
PRAGMA = "# order:"


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process without thread variables."""
    clean = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **env}, cwd=REPO, capture_output=True, text=True, check=False
    )


def test_threads_are_fixed_before_numpy_is_loaded() -> None:
    done = run(
        "import sys, LIVE_TRADING, os; assert 'numpy' not in sys.modules; "
        f"print(*[os.environ[name] for name in {THREAD_VARIABLES}])"
    )
    assert (done.stdout.split(), done.stderr) == (["1"] * len(THREAD_VARIABLES), "")


def test_threads_that_the_environment_sets_are_kept() -> None:
    done = run("import LIVE_TRADING, os; print(os.environ['OMP_NUM_THREADS'])", OMP_NUM_THREADS="3")
    assert (done.stdout.strip(), done.stderr) == ("3", "")


def test_a_late_import_is_detected_and_said() -> None:
    done = run(
        "import numpy, LIVE_TRADING; from LIVE_TRADING.common import determinism; print(determinism.repro_bootstrap())"
    )
    assert done.stdout.strip() == "False"
    assert "RuntimeWarning: LIVE_TRADING was imported after numpy" in done.stderr


def test_a_late_import_with_threads_set_is_in_time() -> None:
    done = run("import numpy, LIVE_TRADING", **dict.fromkeys(THREAD_VARIABLES, "2"))
    assert (done.returncode, done.stderr) == (0, "")


def test_global_generators_are_seeded() -> None:
    code = "import LIVE_TRADING, random; print(random.random())"
    assert run(code).stdout == run(code).stdout
    assert repro_bootstrap() in (True, False)


IMPORT_ALL = """
import LIVE_TRADING, importlib, pkgutil, hashlib, re
names = sorted(found.name for found in pkgutil.walk_packages(LIVE_TRADING.__path__, "LIVE_TRADING."))
text = []
for name in names:
    module = importlib.import_module(name)
    for key, value in vars(module).items():
        if isinstance(value, (tuple, list, dict, str, int)) and not key.startswith("__"):
            text.append(f"{name}.{key}={value!r}")
plain = re.sub(" at 0x[0-9a-f]+", "", "\\n".join(text))
print(hashlib.sha256(plain.encode()).hexdigest())
"""


def test_no_module_depends_on_the_hash_seed() -> None:
    runs = [run(IMPORT_ALL, PYTHONHASHSEED=seed) for seed in ("0", "1")]
    assert [done.stderr for done in runs] == ["", ""]
    assert runs[0].stdout == runs[1].stdout != ""


def test_sorted_helpers(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).write_text("")
    assert [path.name for path in iterdir_sorted(tmp_path)] == ["a.txt", "b.txt", "c.csv"]
    assert [path.name for path in glob_sorted(tmp_path, "*.txt")] == ["a.txt", "b.txt"]
    assert sorted_items({"b": 1, "a": 2}) == [("a", 2), ("b", 1)]


class OrderLint(ast.NodeVisitor):
    """Finds iteration over folders and sets, and in deciding code over dicts, that nothing sorts.

    A line whose order is fixed all the same says why: `# order: insertion, by order number`.
    """

    def __init__(self, source: str, *, deciding: bool) -> None:
        self._lines = source.splitlines()
        self._deciding = deciding
        self._sets: list[set[str]] = [set()]
        self.found: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = {argument.arg for argument in arguments if _is_set_annotation(argument.annotation)}
        self._sets.append(names)
        self.generic_visit(node)
        self._sets.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  ast's name

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._note(target.id, self._is_set(node.value))
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._note(node.target.id, _is_set_annotation(node.annotation))
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._check(node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_For  # noqa: N815  ast's name

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in ORDER_FREE:
            for argument in node.args:
                self._visit_order_free(argument)
            for keyword in node.keywords:
                self.visit(keyword)
            return
        if name in ("list", "tuple", "enumerate", "iter", "next", "join", "deque", "array", "fromiter", "extend"):
            for argument in node.args:
                self._check(argument)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> None:
        for generator in node.generators:
            self._check(generator.iter)
        self.generic_visit(node)

    visit_GeneratorExp = visit_ListComp  # noqa: N815  ast's name

    def visit_Starred(self, node: ast.Starred) -> None:
        self._check(node.value)
        self.generic_visit(node)

    def _visit_order_free(self, node: ast.expr) -> None:
        """Look into what feeds an order-free function, its own iteration excused."""
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            self.visit(node.elt)
            for generator in node.generators:
                self._visit_order_free(generator.iter)
                for condition in generator.ifs:
                    self.visit(condition)
        elif isinstance(node, ast.Call):
            self.generic_visit(node)
        else:
            self.visit(node)

    def _check(self, node: ast.expr) -> None:
        """Note an iteration over something whose order is not fixed."""
        reason = ""
        if self._is_set(node):
            reason = "a set"
        elif isinstance(node, ast.Call) and _called(node) in FOLDER_CALLS:
            reason = "a folder"
        elif self._deciding and isinstance(node, ast.Call) and _called(node) in ("items", "keys", "values"):
            reason = "a dict in deciding code"
        if reason and PRAGMA not in self._lines[node.lineno - 1]:
            self.found.append(f"line {node.lineno}: iterates over {reason}; sort it, or say `{PRAGMA} why`")

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            return any(node.id in names for names in self._sets)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return self._is_set(node.left) or self._is_set(node.right)
        return isinstance(node, ast.Call) and _called(node) in (
            "set", "frozenset", "union", "intersection", "difference", "symmetric_difference",
        )  # fmt: skip

    def _note(self, name: str, is_set: bool) -> None:
        (self._sets[-1].add if is_set else self._sets[-1].discard)(name)


def _called(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_set_annotation(node: ast.expr | None) -> bool:
    base = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(base, ast.Name) and base.id in ("set", "frozenset", "AbstractSet")


def unsorted_iterations(source: str, *, deciding: bool) -> list[str]:
    lint = OrderLint(source, deciding=deciding)
    lint.visit(ast.parse(source))
    return lint.found


def our_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", our_files(), ids=lambda path: path.relative_to(REPO).as_posix())
def test_nothing_is_iterated_unsorted(path: Path) -> None:
    deciding = path.relative_to(PACKAGE).parts[0] in DECIDING
    assert unsorted_iterations(path.read_text(encoding="utf-8"), deciding=deciding) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("for p in folder.iterdir(): pass", 1),
        ("for p in sorted(folder.iterdir()): pass", 0),
        ("names = [p.name for p in folder.glob('*')]", 1),
        ("names = sorted(p.name for p in folder.glob('*'))", 0),
        ("names = list(os.listdir(folder))", 1),
        ("n = len([p for p in folder.rglob('*')])", 0),
        ("for s in {1, 2}: pass", 1),
        ("for s in set(names): pass", 1),
        ("known = set(names)\nfor s in known: pass", 1),
        ("known = set(names)\nfor s in sorted(known): pass", 0),
        ("known = set(names)\nknown = sorted(known)\nfor s in known: pass", 0),
        ("known = set(names)\nok = [n for n in names if n in known]", 0),
        ("def f(known: set[str]): return tuple(known)", 1),
        ("def f(known: frozenset[str]): return ','.join(known - gone)", 1),
        ("x = [*set(names)]", 1),
        ("for k, v in orders.items(): pass", 1),
        ("for k, v in sorted_items(orders): pass", 0),
        ("for k, v in sorted(orders.items()): pass", 0),
        ("for v in orders.values():  # order: insertion, by order number\n    pass", 0),
        ("total = sum(o.quantity for o in orders.values())", 1),
        ("total = math.fsum(o.quantity for o in orders.values())", 0),
        ("worst = max(f(list(set(o))) for o in orders.values())", 1),
        ("d = {k: v for k, v in orders.items()}", 0),
    ],
)
def test_the_lint_finds_what_it_is_for(source: str, found: int) -> None:
    assert len(unsorted_iterations(source, deciding=True)) == found


def test_outside_of_deciding_code_dicts_are_free() -> None:
    assert unsorted_iterations("for k, v in orders.items(): pass", deciding=False) == []
