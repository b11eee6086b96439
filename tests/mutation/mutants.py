"""Small changes to a source file, one at a time, each of which a test should notice.

Changed are comparisons, arithmetic, boolean and bitwise operators, signs, numbers, switches, words that are compared,
bounds of settings, conditions, calls (minimum for maximum, any for all, …), arguments that stand side by side, and
return values; statements that only have an effect are left out. Left alone are imports, annotations, decorators,
docstrings, descriptions, error texts and `__all__`.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
}
CALLS = {
    "minimum": "maximum",
    "maximum": "minimum",
    "fmin": "fmax",
    "fmax": "fmin",
    "min": "max",
    "max": "min",
    "argmax": "argmin",
    "argmin": "argmax",
    "any": "all",
    "all": "any",
    "logical_and": "logical_or",
    "logical_or": "logical_and",
    "isnan": "isfinite",
    "isfinite": "isnan",
    "floor": "ceil",
    "ceil": "floor",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
}
DROPPED = {"abs", "sqrt", "fsum", "floor", "copysign"}  # the call is replaced by its (first) argument, fsum by sum
COMMUTATIVE = {"minimum", "maximum", "fmin", "fmax", "min", "max"}
BOUNDS = {"ge": "gt", "gt": "ge", "le": "lt", "lt": "le"}
TEXTS = {"description"}


@dataclass(frozen=True)
class Mutant:
    """One changed source; `was` and `becomes` are the lines that differ, without indentation."""

    line: int
    was: str
    becomes: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of the source; those that do not compile or repeat are left out."""
    found: dict[str, Mutant] = {}
    for start, end, text in sorted(set(_Changes(source).all())):
        data = source.encode()
        changed = (data[:start] + text.encode() + data[end:]).decode()
        if changed != source and changed not in found and _compiles(changed):
            was, becomes = _difference(source, changed)
            line = data[:start].count(b"\n") + 1
            found[changed] = Mutant(line, was, becomes, changed)
    return list(found.values())


def _compiles(source: str) -> bool:
    try:
        compile(source, "<mutant>", "exec")
    except SyntaxError:
        return False
    return True


def _difference(old: str, new: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    return tuple(" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in "-+")


Change = tuple[int, int, str]  # bytes from, to, and what stands there instead


class _Changes:
    """The changes to one source, as bytes to replace: what is not changed keeps its layout."""

    def __init__(self, source: str) -> None:
        self._data = source.encode()
        self._starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._tree = ast.parse(source)

    def all(self) -> Iterator[Change]:
        yield from self._within(self._tree)

    def _within(self, node: ast.AST) -> Iterator[Change]:
        yield from self._at(node)
        for child in self._children(node):
            yield from self._within(child)

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what may be changed below a node."""
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "bases", "targets", "target"}:
                targets = [target for target in (value if isinstance(value, list) else [value]) if target is not None]
                if name in {"targets", "target"}:
                    yield from (target for target in targets if isinstance(target, ast.Subscript))
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not self._is_left_alone(child):
                    yield child

    def _is_left_alone(self, node: ast.AST) -> bool:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
                return True
            case ast.Expr(value=ast.Constant(value=str())):
                return True
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return True
            case ast.keyword(arg=arg) if arg in TEXTS:
                return True
        return False

    def _span(self, node: ast.AST) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._data[start:end].decode()

    def _instead(self, node: ast.AST, text: str) -> Change:
        return (*self._span(node), text)

    def _between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[Change]:
        """Replace an operator, which stands between two operands with nothing but brackets and space beside it."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._data[start:end].decode()
        found = re.search(rf"(?<![\w<>=!*/])({re.escape(old)})(?![\w<>=*/])", gap)
        if found:
            yield start + found.start(1), start + found.end(1), new

    def _at(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=right):
                for a, op, b in zip([left, *right], ops, right, strict=False):
                    old, others = COMPARISONS[type(op)]
                    for new in others:
                        yield from self._between(a, b, old, new)
                for word in right:
                    if isinstance(word, ast.Constant) and isinstance(word.value, str):
                        yield self._instead(word, '"another"')
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                yield from self._between(left, right, *OPERATORS[type(op)])
            case ast.AugAssign(target=target, op=op, value=value):
                old, new = OPERATORS[type(op)]
                yield from self._between(target, value, f"{old}=", f"{new}=")
                yield self._instead(node, "pass")
            case ast.BoolOp(op=op, values=values):
                old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for a, b in itertools.pairwise(values):
                    yield from self._between(a, b, old, new)
            case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
                yield self._instead(node, f"({self._text(operand)})")
            case ast.Constant():
                yield from self._constant(node)
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield from (self._instead(test, truth) for truth in ("True", "False"))
            case ast.comprehension(ifs=conditions):
                yield from (self._instead(condition, "True") for condition in conditions)
            case ast.Call():
                yield from self._call(node)
            case ast.Return(value=value) if value is not None:
                yield self._instead(value, "None")
            case ast.Raise() | ast.Continue() | ast.Break():
                yield self._instead(node, "pass")
            case ast.Expr(value=ast.Call()):
                yield self._instead(node, "pass")
            case ast.Assign(targets=[ast.Subscript() | ast.Tuple()]):
                yield self._instead(node, "pass")

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield self._instead(node, str(not value))
        elif isinstance(value, int):
            yield from (self._instead(node, str(other)) for other in (value + 1, value - 1))
        elif isinstance(value, float):
            others = (2.0 * value, 0.5 * value) if value else (1.0, -1.0)
            yield from (self._instead(node, repr(other)) for other in others)

    def _call(self, node: ast.Call) -> Iterator[Change]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        function = self._text(node.func)
        if name in CALLS:
            swapped = function[: len(function) - len(name)] + CALLS[name]
            yield self._instead(node.func, swapped)
        if name == "reduce" and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Attribute):
            kind = node.func.value
            if kind.attr in CALLS:
                yield self._instead(kind, f"{self._text(kind.value)}.{CALLS[kind.attr]}")
        if name in DROPPED and node.args:
            yield self._instead(node, f"({self._text(node.args[0])})" if name != "fsum" else self._plain_sum(node))
        if name == "copy" and isinstance(node.func, ast.Attribute) and not node.args:
            yield self._instead(node, self._text(node.func.value))
        if name == "raise" or name.endswith("Error"):
            return
        if name not in COMMUTATIVE and not any(isinstance(argument, ast.Starred) for argument in node.args):
            for a, b in itertools.pairwise(node.args):
                (start, middle), (after, end) = self._span(a), self._span(b)
                gap = self._data[middle:after].decode()
                yield start, end, f"{self._text(b)}{gap}{self._text(a)}"
        for keyword in node.keywords:
            if keyword.arg in BOUNDS:
                start, _ = self._span(keyword)
                yield start, start + len(keyword.arg), BOUNDS[keyword.arg]

    def _plain_sum(self, node: ast.Call) -> str:
        return f"sum({self._text(node.args[0])})"
