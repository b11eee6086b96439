"""`forest_kernel.add_trees` as vector code, which numba's compiler would not make of a loop by itself.

It is written for registers of any width: the compiler cuts its vectors of 32 × 16 bits to what the processor has. Rows
stay in registers while the nodes of a tree go by. Each node waits for the one before, so two trees go side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from LIVE_TRADING.models.forest_kernel import BLOCK_ROWS, LANES, NOWHERE, PADDING, add_trees, on_a_line

_DOUBLES = 8  # numbers of 64 bits in the widest register there is


@cache
def register() -> None:
    """Tell numba what the functions are that the walks call."""
    from numba.extending import overload, register_jitable

    compiled = _add_trees_intrinsic()

    @overload(add_trees)  # type: ignore[untyped-decorator]
    def typed(
        ranks: Any,
        nodes: Any,
        first_node: Any,
        leaf: Any,
        first_leaf: Any,
        first: Any,
        end: Any,
        count: Any,
        total: Any,
    ) -> Any:
        def implementation(
            ranks: Any,
            nodes: Any,
            first_node: Any,
            leaf: Any,
            first_leaf: Any,
            first: Any,
            end: Any,
            count: Any,
            total: Any,
        ) -> Any:
            return compiled(ranks, nodes, first_node, leaf, first_leaf, first, end, count, total)

        return implementation

    register_jitable(on_a_line)


def _add_trees_intrinsic() -> Any:
    from numba import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def add(
        _context: Any,
        ranks: Any,
        nodes: Any,
        first_node: Any,
        leaf: Any,
        first_leaf: Any,
        first: Any,
        end: Any,
        count: Any,
        total: Any,
    ) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, arguments, strict=True)
            ]
            permutes = "+avx512f" in context.codegen().magic_tuple()[2].split(",")
            _Code(builder, permutes, *values).build()
            return context.get_dummy_value()

        return types.void(ranks, nodes, first_node, leaf, first_leaf, first, end, count, total), build

    return add


class _Code:
    """Builds the instructions of one call; the arguments are those of `add_trees`, arrays as pointers."""

    def __init__(
        self,
        builder: Any,
        permutes: bool,
        ranks: Any,
        nodes: Any,
        first_node: Any,
        leaf: Any,
        first_leaf: Any,
        first: Any,
        end: Any,
        count: Any,
        total: Any,
    ) -> None:
        from llvmlite import ir
        from numba.core import cgutils

        self.ir, self.cgutils, self.builder, self.permutes = ir, cgutils, builder, permutes
        self.ranks, self.nodes, self.first_node = ranks, nodes, first_node
        self.leaf, self.first_leaf, self.first, self.end = leaf, first_leaf, first, end
        self.count, self.total = count, total
        self.int16, self.int32, self.int64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
        self.lanes, self.words = ir.VectorType(self.int16, LANES), ir.VectorType(self.int32, LANES // 2)
        self.indices, self.doubles = ir.VectorType(self.int64, _DOUBLES), ir.VectorType(ir.DoubleType(), _DOUBLES)

    def build(self) -> None:
        """Choose by the number of vectors that the rows fill, then go through the trees, two by two."""
        b = self.builder
        done = b.append_basic_block("done")
        cases = b.switch(b.udiv(b.add(self.count, self.number(LANES - 1)), self.number(LANES)), done)
        for n_vectors in range(1, BLOCK_ROWS // LANES + 1):
            case = b.append_basic_block(f"vectors_{n_vectors}")
            cases.add_case(self.number(n_vectors), case)
            b.position_at_end(case)
            with self.loop(self.first, self.end, 2) as tree:
                self.add_two(tree, n_vectors)
            b.branch(done)
        b.position_at_end(done)

    def add_two(self, tree: Any, n_vectors: int) -> None:
        """Find the leaves of LANES × n_vectors rows in a tree and, if there is one, the next; add them in order."""
        b = self.builder
        following = b.add(tree, self.number(1))
        is_there = b.icmp_signed("<", following, self.end)
        at = [[self.cgutils.alloca_once(b, self.lanes) for _ in range(n_vectors)] for _ in range(2)]
        for numbers in (each for of_tree in at for each in of_tree):
            b.store(self.filled(self.lanes, 0), numbers)
        first = [self.at(self.first_node, tree), self.at(self.first_node, following)]
        end = self.at(self.first_node, b.add(following, b.zext(is_there, self.int64)))
        length = [b.sub(first[1], first[0]), b.sub(end, first[1])]
        shared = b.select(b.icmp_signed("<", length[0], length[1]), length[0], length[1])
        with self.loop(self.number(0), shared, 1) as step:
            for start, numbers in zip(first, at, strict=True):
                self.ask(b.add(start, step), numbers)
        for start, n_nodes, numbers in zip(first, length, at, strict=True):
            with self.loop(shared, n_nodes, 1) as step:
                self.ask(b.add(start, step), numbers)
        self.add(tree, length[0], at[0])
        with b.if_then(is_there):
            self.add(following, length[1], at[1])

    def add(self, tree: Any, n_nodes: Any, at: list[Any]) -> None:
        """Add the leaves of a tree that rows have come to."""
        b = self.builder
        leaves = b.gep(self.leaf, [self.at(self.first_leaf, tree)])
        found = [b.load(numbers) for numbers in at]
        if not self.permutes:
            self.one_by_one(leaves, found)
            return
        with b.if_else(b.icmp_signed("<", n_nodes, self.number(PADDING))) as (fits, fits_not):
            with fits:
                self.permuted(leaves, found)
            with fits_not:
                self.one_by_one(leaves, found)

    def ask(self, node: Any, at: list[Any]) -> None:
        """Ask one node of all rows."""
        b = self.builder
        start = b.shl(node, self.number(2))
        part = [self.at(self.nodes, b.add(start, self.number(j))) for j in range(4)]
        column = b.zext(part[0], self.int64)
        rank, leaf_below, n_left = (self.spread(word) for word in part[1:])
        for vector, numbers in enumerate(at):
            ranks = self.load(self.ranks, b.add(column, self.number(LANES * vector)), self.lanes, 2)
            goes_right = b.icmp_unsigned(">", ranks, rank)
            # asked in this order, only one comparison waits for the node before
            here = b.select(goes_right, leaf_below, self.filled(self.lanes, NOWHERE))
            now = b.load(numbers)
            goes_on = b.icmp_unsigned("==", now, here)
            b.store(b.select(goes_on, b.add(now, n_left), now), numbers)

    def permuted(self, leaves: Any, found: list[Any]) -> None:
        """Add from a table of 32 leaves in registers: AVX-512 looks eight of them up in two instructions."""
        b, ir = self.builder, self.ir
        kind = ir.FunctionType(self.doubles, [self.doubles, self.indices, self.doubles])
        look_up = self.cgutils.get_or_insert_function(b.module, kind, "llvm.x86.avx512.vpermi2var.pd.512")
        table = [self.load(leaves, self.number(j), self.doubles, 8) for j in range(0, PADDING, _DOUBLES)]
        for vector, numbers in enumerate(found):
            for part in range(0, LANES, _DOUBLES):
                chosen = ir.Constant(ir.VectorType(self.int32, _DOUBLES), list(range(part, part + _DOUBLES)))
                index = b.zext(b.shuffle_vector(numbers, numbers, chosen), self.indices)
                low, high = (b.call(look_up, [table[j], index, table[j + 1]]) for j in (0, 2))
                value = b.select(b.icmp_unsigned(">", index, self.filled(self.indices, 15)), high, low)
                place = self.number(LANES * vector + part)
                total = b.fadd(self.load(self.total, place, self.doubles, 8), value)
                b.store(total, self.pointer(self.total, place, self.doubles)).align = 8

    def one_by_one(self, leaves: Any, found: list[Any]) -> None:
        """Add leaf after leaf."""
        b = self.builder
        kept = self.cgutils.alloca_once(b, self.int16, size=self.ir.Constant(self.int32, BLOCK_ROWS))
        for vector, numbers in enumerate(found):
            b.store(numbers, self.pointer(kept, self.number(LANES * vector), self.lanes)).align = 2
        with self.loop(self.number(0), self.count, 1) as row:
            value = self.at(leaves, b.zext(self.at(kept, row), self.int64))
            b.store(b.fadd(self.at(self.total, row), value), b.gep(self.total, [row]))

    @contextmanager
    def loop(self, start: Any, stop: Any, step: int) -> Iterator[Any]:
        """Repeat what is built within; the value is the index."""
        with self.cgutils.for_range_slice(self.builder, start, stop, self.number(step), intp=self.int64) as (index, _):
            yield index

    def number(self, value: int) -> Any:
        """Return a constant of 64 bits."""
        return self.ir.Constant(self.int64, value)

    def filled(self, kind: Any, value: int) -> Any:
        """Return a constant vector of one number."""
        return self.ir.Constant(kind, [value] * kind.count)

    def spread(self, word: Any) -> Any:
        """Fill a register with a word of 32 bits, and see it as numbers of 16."""
        none = self.ir.Constant(self.words, self.ir.Undefined)
        one = self.builder.insert_element(none, word, self.ir.Constant(self.int32, 0))
        return self.builder.bitcast(self.builder.shuffle_vector(one, none, self.filled(self.words, 0)), self.lanes)

    def at(self, data: Any, place: Any) -> Any:
        """Read one number."""
        return self.builder.load(self.builder.gep(data, [place]))

    def pointer(self, data: Any, place: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [place]), kind.as_pointer())

    def load(self, data: Any, place: Any, kind: Any, align: int) -> Any:
        """Read a vector, of which only its parts are aligned."""
        value = self.builder.load(self.pointer(data, place, kind))
        value.align = align
        return value
