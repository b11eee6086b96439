"""`forest_kernel.add_tree` as vector code, which numba's compiler would not make of a loop by itself.

It is written for registers of any width: the compiler cuts its vectors of 32 × 16 bits to what the processor has.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from LIVE_TRADING.models.forest_kernel import BLOCK_ROWS, LANES, NOWHERE, PADDING, add_tree, on_a_line

_DOUBLES = 8  # numbers of 64 bits in the widest register there is


@cache
def register() -> None:
    """Tell numba what the functions are that the walks call."""
    from numba.extending import overload, register_jitable

    intrinsic = _add_tree_intrinsic()

    @overload(add_tree)  # type: ignore[untyped-decorator]
    def compiled(
        ranks: Any, nodes: Any, first: Any, end: Any, leaf: Any, first_leaf: Any, count: Any, total: Any
    ) -> Any:
        def implementation(
            ranks: Any, nodes: Any, first: Any, end: Any, leaf: Any, first_leaf: Any, count: Any, total: Any
        ) -> Any:
            return intrinsic(ranks, nodes, first, end, leaf, first_leaf, count, total)

        return implementation

    register_jitable(on_a_line)


def _add_tree_intrinsic() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    int16, int32, int64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
    lanes, words = ir.VectorType(int16, LANES), ir.VectorType(int32, LANES // 2)
    indices, doubles = ir.VectorType(int64, _DOUBLES), ir.VectorType(ir.DoubleType(), _DOUBLES)

    def filled(kind: Any, value: int) -> Any:
        return ir.Constant(kind, [value] * kind.count)

    def spread(builder: Any, word: Any) -> Any:
        """Fill a register with a word of 32 bits, and see it as numbers of 16."""
        none = ir.Constant(words, ir.Undefined)
        one = builder.insert_element(none, word, ir.Constant(int32, 0))
        return builder.bitcast(builder.shuffle_vector(one, none, filled(words, 0)), lanes)

    def vector_at(builder: Any, data: Any, place: Any, kind: Any) -> Any:
        return builder.bitcast(builder.gep(data, [place]), kind.as_pointer())

    def load(builder: Any, pointer: Any, align: int) -> Any:
        value = builder.load(pointer)
        value.align = align
        return value

    def leaf_numbers(builder: Any, ranks: Any, nodes: Any, first: Any, end: Any, n_vectors: int) -> list[Any]:
        """Return the leaves that LANES × n_vectors rows fall into; rows stay in registers while nodes go by."""
        at = [cgutils.alloca_once(builder, lanes) for _ in range(n_vectors)]
        for numbers in at:
            builder.store(filled(lanes, 0), numbers)
        with cgutils.for_range_slice(builder, first, end, ir.Constant(int64, 1), intp=int64) as (node, _):
            start = builder.shl(node, ir.Constant(int64, 2))
            part = [builder.load(builder.gep(nodes, [builder.add(start, ir.Constant(int64, j))])) for j in range(4)]
            column = builder.zext(part[0], int64)
            rank, leaf_below, n_left = (spread(builder, word) for word in part[1:])
            for number, numbers in enumerate(at):
                place = builder.add(column, ir.Constant(int64, LANES * number))
                goes_right = builder.icmp_unsigned(">", load(builder, vector_at(builder, ranks, place, lanes), 2), rank)
                # asked in this order, only one comparison waits for the node before
                here = builder.select(goes_right, leaf_below, filled(lanes, NOWHERE))
                now = builder.load(numbers)
                goes_on = builder.icmp_unsigned("==", now, here)
                builder.store(builder.select(goes_on, builder.add(now, n_left), now), numbers)
        return [builder.load(numbers) for numbers in at]

    def permuted(builder: Any, leaves: list[Any], total: Any, numbers: list[Any]) -> None:
        """Add from a table of 32 leaves in registers: AVX-512 looks eight of them up in two instructions."""
        look_up = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(doubles, [doubles, indices, doubles]), "llvm.x86.avx512.vpermi2var.pd.512"
        )
        for number, vector in enumerate(numbers):
            for part in range(LANES // _DOUBLES):
                chosen = ir.Constant(ir.VectorType(int32, _DOUBLES), [part * _DOUBLES + j for j in range(_DOUBLES)])
                index = builder.zext(builder.shuffle_vector(vector, vector, chosen), indices)
                low, high = (builder.call(look_up, [leaves[j], index, leaves[j + 1]]) for j in (0, 2))
                value = builder.select(builder.icmp_unsigned(">", index, filled(indices, 15)), high, low)
                place = ir.Constant(int64, LANES * number + _DOUBLES * part)
                pointer = vector_at(builder, total, place, doubles)
                builder.store(builder.fadd(load(builder, pointer, 8), value), pointer).align = 8

    def one_by_one(builder: Any, leaf: Any, total: Any, numbers: list[Any], count: Any) -> None:
        """Add leaf after leaf."""
        kept = cgutils.alloca_once(builder, int16, size=ir.Constant(int32, BLOCK_ROWS))
        for number, vector in enumerate(numbers):
            pointer = vector_at(builder, kept, ir.Constant(int64, LANES * number), lanes)
            builder.store(vector, pointer).align = 2
        with cgutils.for_range(builder, count, intp=int64) as loop:
            index = builder.zext(builder.load(builder.gep(kept, [loop.index])), int64)
            pointer = builder.gep(total, [loop.index])
            builder.store(builder.fadd(builder.load(pointer), builder.load(builder.gep(leaf, [index]))), pointer)

    @intrinsic  # type: ignore[untyped-decorator]
    def add(
        _context: Any, ranks: Any, nodes: Any, first: Any, end: Any, leaf: Any, first_leaf: Any, count: Any, total: Any
    ) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, arguments, strict=True)
            ]
            ranks, nodes, first, end, leaf, first_leaf, count, total = values
            leaf = builder.gep(leaf, [first_leaf])
            has_permutations = "+avx512f" in context.codegen().magic_tuple()[2].split(",")
            done = builder.append_basic_block("done")
            n_vectors = builder.udiv(builder.add(count, ir.Constant(int64, LANES - 1)), ir.Constant(int64, LANES))
            cases = builder.switch(n_vectors, done)
            for n in range(1, BLOCK_ROWS // LANES + 1):
                case = builder.append_basic_block(f"vectors_{n}")
                cases.add_case(ir.Constant(int64, n), case)
                builder.position_at_end(case)
                numbers = leaf_numbers(builder, ranks, nodes, first, end, n)
                if has_permutations:
                    narrow = builder.icmp_signed("<", builder.sub(end, first), ir.Constant(int64, PADDING))
                    with builder.if_else(narrow) as (fits, fits_not):
                        with fits:
                            table = [
                                load(builder, vector_at(builder, leaf, ir.Constant(int64, j), doubles), 8)
                                for j in range(0, PADDING, _DOUBLES)
                            ]
                            permuted(builder, table, total, numbers)
                        with fits_not:
                            one_by_one(builder, leaf, total, numbers, count)
                else:
                    one_by_one(builder, leaf, total, numbers, count)
                builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return types.void(ranks, nodes, first, end, leaf, first_leaf, count, total), build

    return add
