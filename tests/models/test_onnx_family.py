"""ONNX files: the graph's own numbers, the same bits in any batch, and what is refused."""

# covers: P9, P31

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.models.families.onnx import FAMILY, OnnxModel, OnnxParams
from LIVE_TRADING.models.onnx_file import onnx_contents
from tests.support import onnx_graphs as graphs
from tests.support.onnx_graphs import Graph, file_of, model_of, node

T, F = 20, 12
NAMES = tuple(f"feature_{number}" for number in range(F))
BY_HAND: dict[str, Callable[[int, int], Graph]] = {
    "gru": graphs.gru,
    "lstm": graphs.lstm,
    "plain_rnn": graphs.plain_rnn,
    "convolution": graphs.convolution,
    "attention": graphs.attention,
}


def windows_of(n_rows: int, seed: int = 5, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    windows = rng.standard_normal((n_rows, T, F)).astype(np.float32)
    windows[rng.random(windows.shape) < missing] = np.nan
    return windows


def accepted(data: bytes, **params: object) -> OnnxModel:
    return FAMILY.accept(data, features=NAMES, params=OnnxParams(lookback=T, trained_until="2025-01-01", **params))


def last_row_sum(**changes: object) -> ModelProto:
    """y = the sum of the newest row's features."""
    nodes = [node("Gather", "x newest", "row", axis=1), node("ReduceSum", "row across", "y", keepdims=1)]
    weights = {"newest": np.array(T - 1), "across": np.array([1])}
    return model_of(nodes, weights, **{"lookback": T, "n_features": F, **changes})  # type: ignore[arg-type]


def between(*nodes: onnx.NodeProto, weights: dict[str, np.ndarray] | None = None, domains: tuple[str, ...] = ()):
    """The sum of the newest row, with these nodes between `sum` and `y`."""
    head = [node("Gather", "x newest", "row", axis=1), node("ReduceSum", "row across", "sum", keepdims=1)]
    stored = {"newest": np.array(T - 1), "across": np.array([1]), **(weights or {})}
    return model_of([*head, *nodes], stored, T, F, domains=domains)


@pytest.mark.parametrize("kind", sorted(BY_HAND))
def test_the_numbers_are_those_of_the_graph_computed_by_hand(kind: str):
    graph = BY_HAND[kind](T, F)
    windows = windows_of(81)
    got = accepted(graph.data).predict_windows(windows)
    assert got.shape == (81,)
    assert got.dtype == np.float64
    assert np.std(got) > 0.05
    np.testing.assert_allclose(got, graph.expected(windows), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 7, 81, 500])
@pytest.mark.parametrize("kind", sorted(BY_HAND))
def test_a_window_gets_the_same_bits_in_any_batch(kind: str, batch: int, threads: int):
    model = accepted(BY_HAND[kind](T, F).data)
    windows = windows_of(500)
    windows[[3, 77, 78, 499], 4, 2] = np.nan
    windows[17] = np.nan
    loaded = FAMILY.load(model.files(), threads=threads)
    got = np.concatenate([loaded.predict_windows(windows[start : start + batch]) for start in range(0, 500, batch)])
    assert got.tobytes() == model.predict_windows(windows).tobytes()
    assert np.flatnonzero(np.isnan(got)).tolist() == [3, 17, 77, 78, 499]


def test_a_graph_that_treats_missing_values_itself_is_handed_them():
    graph = graphs.gru(T, F, imputed=True)
    windows = windows_of(81, missing=0.1)
    windows[5, :15] = np.nan  # a symbol with five bars
    model = accepted(graph.data, missing="pass")
    np.testing.assert_allclose(model.predict_windows(windows), graph.expected(windows), rtol=2e-5, atol=2e-6)
    assert "NaN" in model.notes["missing_values"]
    assert np.isnan(accepted(graph.data).predict_windows(windows)).all()


def test_a_graph_whose_bits_depend_on_the_place_in_the_batch_is_asked_row_by_row():
    place = [
        node("Shape", "sum", "shape"),
        node("Gather", "shape zero", "rows", axis=0),
        node("Range", "zero rows one", "count"),
        node("Cast", "count", "place", to=TensorProto.FLOAT),
        node("Unsqueeze", "place one_axis", "column"),
        node("Mul", "column tiny", "nudge"),
        node("Add", "sum nudge", "y"),
    ]
    weights = {"zero": np.array(0), "one": np.array(1), "one_axis": np.array([1]), "tiny": np.array(1e-6)}
    model = accepted(file_of(between(*place, weights=weights)))
    windows = windows_of(81)
    alone = [model.predict_windows(windows[row : row + 1]) for row in range(81)]
    assert model.predict_windows(windows).tobytes() == np.concatenate(alone).tobytes()


def test_a_file_made_for_one_row_at_a_time_is_taken():
    model = accepted(file_of(last_row_sum(batch=1, output=(1, 1))))
    windows = windows_of(7)
    np.testing.assert_allclose(model.predict_windows(windows), windows[:, -1].sum(axis=1), rtol=1e-5)


def test_an_infinite_answer_is_no_forecast_and_zero_has_no_sign():
    model = accepted(file_of(between(node("Div", "zero sum", "y"), weights={"zero": np.array(-1.0)})))
    windows = windows_of(3)
    windows[1, -1] = 0.0  # −1/0
    windows[2, -1] = 3e38  # the sum is infinite, −1/∞ is −0
    got = model.predict_windows(windows)
    assert np.isfinite(got).tolist() == [True, False, True]
    assert got[2:].tobytes() == np.zeros(1).tobytes()


def test_windows_are_left_alone():
    windows = windows_of(33, missing=0.01)
    before = windows.copy()
    accepted(graphs.attention(T, F).data).predict_windows(windows)
    assert windows.tobytes() == before.tobytes()


def branch(value: float) -> onnx.GraphProto:
    constant = numpy_helper.from_array(np.array([value], dtype=np.float32))
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    return helper.make_graph([helper.make_node("Constant", [], ["z"], value=constant)], "branch", [], [out])


def if_positive() -> ModelProto:
    """sum + (1 if the mean of the batch is positive, else 2): what drawn windows need not show."""
    choice = helper.make_node("If", ["positive"], ["z"], then_branch=branch(1.0), else_branch=branch(2.0))
    nodes = [
        node("ReduceMean", "sum", "mean", axes=[0, 1], keepdims=0),
        node("Greater", "mean limit", "positive"),
        choice,
        node("Mul", "z tiny", "small"),
        node("Add", "sum small", "y"),
    ]
    return between(*nodes, weights={"limit": np.array(0.0), "tiny": np.array(1e-5)})


def test_a_graph_that_branches_on_its_data_is_asked_row_by_row():
    model = accepted(file_of(if_positive()))
    windows = windows_of(81)
    alone = [model.predict_windows(windows[row : row + 1]) for row in range(81)]
    assert model.predict_windows(windows).tobytes() == np.concatenate(alone).tobytes()


def external(model: ModelProto) -> bytes:
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    return model.SerializeToString()


def external_in_a_branch() -> bytes:
    model = if_positive()
    (choice,) = [one for one in model.graph.node if one.op_type == "If"]
    tensor = choice.attribute[0].g.node[0].attribute[0].t
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model.SerializeToString()


REFUSED = {
    "another window": (lambda: file_of(last_row_sum(lookback=T + 1)), r"expected \(N, 20, 12\).* found \(N, 21, 12\)"),
    "another number of features": (lambda: file_of(last_row_sum(n_features=F - 1)), r"found \(N, 20, 11\)"),
    "a window of any length": (lambda: file_of(last_row_sum(lookback="T")), r"fixed T and F, found .*'T'"),
    "any features": (lambda: file_of(last_row_sum(n_features=None)), "fixed T and F, found"),
    "a fixed batch": (lambda: file_of(last_row_sum(batch=64, output=(64, 1))), r"found x .*\[64, 20, 12\].*dynamic"),
    "a float64 input": (lambda: file_of(cast_input(TensorProto.DOUBLE)), r"tensor\(float\).*found x tensor\(double\)"),
    "an integer input": (lambda: file_of(cast_input(TensorProto.INT64)), r"found x tensor\(int64\)"),
    "two inputs": (lambda: two_inputs().SerializeToString(), "found x .*, other"),
    "two outputs per row": (lambda: file_of(wide(2)), r"output expected .*\(N, 1\), found y .*2"),
    "a wrong shape that it does not say": (lambda: file_of(silently_wide()), r"found \(1, 3\) for N = 1"),
    "weights in another file": (lambda: external(graphs_model()), "tensors in other files: .*W.*one file"),
    "weights of a branch in another file": (external_in_a_branch, "tensors in other files"),
    "a custom operator": (
        lambda: between(helper.make_node("Trick", ["sum"], ["y"], domain="my.ops"), domains=("my.ops",))
        .SerializeToString(),
        r"standard only, found my\.ops\.Trick",
    ),
    "drawn numbers": (
        lambda: file_of(between(node("RandomNormalLike", "sum", "noise"), node("Add", "sum noise", "y"))),
        "draw numbers, RandomNormalLike",
    ),
    "dropout left on": (lambda: file_of(dropout()), "other numbers for the same window"),
    "rows that see each other": (
        lambda: file_of(between(node("ReduceMean", "sum", "mean", axes=[0]), node("Sub", "sum mean", "y"))),
        "depends on the other rows",
    ),
    "an operator set of the future": (lambda: future().SerializeToString(), "onnxruntime .* cannot read it"),
    "nothing": (lambda: b"", "holds no graph"),
    "text": (lambda: b"this is no ONNX file", "no ONNX file"),
    "a pickle": (lambda: b"\x80\x04\x95\x1a\x00\x00\x00", "no ONNX file"),
    "other features": (
        lambda: file_of(last_row_sum(metadata={"features": ", ".join([*NAMES[:3], "rsi", *NAMES[4:]])})),
        r"number 3 expected \('feature_3',\), found \('rsi',\)",
    ),
}  # fmt: skip


def cast_input(kind: int) -> ModelProto:
    nodes = [
        node("Cast", "x", "single", to=TensorProto.FLOAT),
        node("Gather", "single newest", "row", axis=1),
        node("ReduceSum", "row across", "y", keepdims=1),
    ]
    return model_of(nodes, {"newest": np.array(T - 1), "across": np.array([1])}, T, F, input_type=kind)


def two_inputs() -> ModelProto:
    model = between(node("Add", "sum other", "y"))
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 1]))
    return model


def silently_wide() -> ModelProto:
    """Three columns, which only running it shows."""
    nodes = [
        node("ReduceSum", "sum", "all", keepdims=0),
        node("Mul", "all zero", "nil"),
        node("Add", "nil wide", "width"),
        node("Cast", "width", "whole", to=TensorProto.INT64),
        node("Expand", "sum whole", "y"),
    ]
    model = between(*nodes, weights={"zero": np.array(0.0), "wide": np.array([1.0, 3.0])})
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "columns"
    return model


def wide(columns: int) -> ModelProto:
    nodes = [node("Gather", "x newest", "row", axis=1), node("MatMul", "row W", "y")]
    weights = {"newest": np.array(T - 1), "W": np.ones((F, columns))}
    return model_of(nodes, weights, T, F, output=("N", columns))


def graphs_model() -> ModelProto:
    return onnx.load_from_string(graphs.gru(T, F).data)


def dropout() -> ModelProto:
    nodes = [node("Dropout", "x half on", "some"), node("Gather", "some newest", "row", axis=1)]
    model = model_of(
        [*nodes, node("ReduceSum", "row across", "y", keepdims=1)],
        {"newest": np.array(T - 1), "across": np.array([1]), "half": np.array(0.5)},
        T,
        F,
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))
    return model


def future() -> ModelProto:
    model = last_row_sum()
    model.opset_import[0].version = 9_999
    return model


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_a_file_that_does_not_fit_is_refused_with_what_was_expected_and_found(what: str):
    make, said = REFUSED[what]
    with pytest.raises(ValueError, match=said):
        accepted(make())


def test_a_file_that_names_the_features_of_the_run_is_taken():
    model = accepted(file_of(last_row_sum(metadata={"features": ",".join(NAMES)})))
    assert model.described_features() == NAMES


def test_a_file_that_is_cut_short_is_refused_wherever_the_cut_is():
    data = graphs.convolution(T, F).data
    for end in range(0, len(data), 61):
        with pytest.raises(ValueError):
            accepted(data[:end])


def operators_in(graph: onnx.GraphProto) -> set[tuple[str, str]]:
    found = {(one.domain, one.op_type) for one in graph.node}
    for one in graph.node:
        for attribute in one.attribute:
            found = found.union(*(operators_in(inner) for inner in [attribute.g, *attribute.graphs]))
    return found


@pytest.mark.parametrize("kind", [*sorted(BY_HAND), "if"])
def test_the_operators_are_those_that_the_onnx_library_reads(kind: str):
    data = file_of(if_positive()) if kind == "if" else BY_HAND[kind](T, F).data
    contents = onnx_contents(data)
    assert contents.operators == operators_in(onnx.load_from_string(data).graph)
    assert contents.external_tensors == ()


def test_without_onnxruntime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"not installed: pip install 'live-trading\[onnx\]'"):
        accepted(file_of(last_row_sum()))


def test_the_runtime_is_imported_only_where_it_is_used():
    code = (
        "import sys, LIVE_TRADING.cli.settings\n"
        "from LIVE_TRADING.models.families.interface import get_family\n"
        "get_family('onnx').params()\n"
        "assert not [name for name in sys.modules if name.startswith('onnx')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
