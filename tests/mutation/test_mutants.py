"""What a mutant is, what is left alone, and that the page explains mutants that exist."""

# covers: P33

from __future__ import annotations

from pathlib import Path

import pytest
from explained import PAGE, explanations
from mutants import mutants_of

PACKAGE = Path(__file__).resolve().parents[2] / "LIVE_TRADING"


def changes(source):
    return [mutant.becomes for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("x = a < b", ["x = a <= b", "x = a >= b"], id="comparison"),
        pytest.param("x = a == b", ["x = a != b"], id="equality"),
        pytest.param("x = a is None", ["x = a is not None"], id="identity"),
        pytest.param(
            "x = a < b <= c", ["x = a <= b <= c", "x = a >= b <= c", "x = a < b < c", "x = a < b > c"], id="chain"
        ),
        pytest.param("x = a + b", ["x = a - b"], id="sum"),
        pytest.param("x = (a * b) / c", ["x = (a / b) / c", "x = (a * b) * c"], id="product-in-brackets"),
        pytest.param("x = a**b", ["x = a*b"], id="power"),
        pytest.param("x = a & ~b", ["x = a | ~b", "x = a & (b)"], id="masks"),
        pytest.param("x = a and not b", ["x = a or not b", "x = a and (b)"], id="conditions"),
        pytest.param("x = -a", ["x = (a)"], id="sign"),
        pytest.param("x = 3", ["x = 2", "x = 4"], id="whole-number"),
        pytest.param("x = 0.5", ["x = 0.25", "x = 1.0"], id="number"),
        pytest.param("x = 0.0", ["x = -1.0", "x = 1.0"], id="zero"),
        pytest.param("x = True", ["x = False"], id="switch"),
        pytest.param('x = mode == "off"', ['x = mode != "off"', 'x = mode == "another"'], id="word"),
        pytest.param("x += a", ["pass", "x -= a"], id="increment"),
        pytest.param("x[i] = a", ["pass"], id="element"),
        pytest.param("x = a if b else c", ["x = a if False else c", "x = a if True else c"], id="either-or"),
        pytest.param("x = f(a, b)", ["x = f(b, a)"], id="arguments"),
        pytest.param("x = np.minimum(a, b)", ["x = np.maximum(a, b)"], id="minimum-is-commutative"),
        pytest.param("x = np.abs(a)", ["x = (a)"], id="call-that-is-dropped"),
        pytest.param("x = a.all()", ["x = a.any()"], id="method"),
        pytest.param("x = np.logical_or.reduce(a)", ["x = np.logical_and.reduce(a)"], id="reduction"),
        pytest.param("x = math.fsum(a)", ["x = sum(a)"], id="exact-sum"),
        pytest.param("x = a.copy()", ["x = a"], id="copy"),
        pytest.param("x = Field(a, ge=b)", ["x = Field(a, gt=b)"], id="bound"),
        pytest.param("x = [a for a in b if a]", ["x = [a for a in b if True]"], id="filter"),
        pytest.param("f(a)", ["pass"], id="effect"),
    ],
)
def test_changes(source, expected):
    assert sorted(changes(source)) == sorted(expected)


def test_changes_within_functions():
    source = "def f(a):\n    if a:\n        raise ValueError(f'{a} < 3')\n    return a\n"
    assert changes(source) == ["if False:", "if True:", "pass", "return None"]
    assert [mutant.line for mutant in mutants_of(source)] == [2, 2, 3, 4]


@pytest.mark.parametrize(
    "source",
    [
        '"""Says 3 < 4."""',
        "import a",
        "from __future__ import annotations\nx: Literal[3] = a",
        "@decorated(frozen=True)\nclass A:\n    pass",
        "x = Field(a, description=f(b < 3))",
        "x = f'{a < 3}'",
        "__all__ = [3]",
        "x = ValueError(a, b)",
    ],
)
def test_left_alone(source):
    assert changes(source) == []


def test_what_is_changed_stands_in_a_source_that_is_otherwise_the_same():
    source = "# σ is not ASCII\nx = 'σ' if a < b else c  # kept\n"
    assert {mutant.source for mutant in mutants_of(source)} == {
        source.replace("a < b", other) for other in ("a <= b", "a >= b", "True", "False")
    }


def test_every_mutant_that_is_explained_exists():
    by_module: dict[str, set[tuple[str, str]]] = {}
    for module, was, becomes in explanations():
        if module not in by_module:
            source = (PACKAGE / module).read_text(encoding="utf-8")
            by_module[module] = {(mutant.was, mutant.becomes) for mutant in mutants_of(source)}
        assert (was, becomes) in by_module[module], (
            f"{module}: {was} → {becomes}: the code has changed; mend {PAGE.name}"
        )


def test_every_line_that_looks_like_an_explanation_is_read():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("- `") and "→" in line]
    assert len(explanations()) == len(lines)
