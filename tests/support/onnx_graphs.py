"""Sequence models built by hand, as ONNX files, and the same numbers computed with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from LIVE_TRADING.data.simulated import SimulatedMarketConfig

OPSET = 17


@dataclass(frozen=True)
class Graph:
    """An ONNX file and its function of windows (R, T, F), in float64."""

    data: bytes
    expected: Callable[[np.ndarray], np.ndarray]


def model_of(
    nodes: Sequence[NodeProto],
    weights: dict[str, np.ndarray],
    lookback: int | str | None,
    n_features: int | str | None,
    *,
    batch: int | str = "N",
    output: Sequence[int | str] = ("N", 1),
    metadata: dict[str, str] | None = None,
    input_type: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
) -> ModelProto:
    """A model from `x` to `y` of these nodes; weights are float32 unless they are whole numbers."""
    stored = [
        numpy_helper.from_array(values if values.dtype.kind == "i" else values.astype(np.float32), name)
        for name, values in weights.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "by hand",
        [helper.make_tensor_value_info("x", input_type, [batch, lookback, n_features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))],
        stored,
    )
    opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 9
    if metadata:
        helper.set_model_props(model, metadata)
    return model


def file_of(model: ModelProto) -> bytes:
    checker.check_model(model)
    return model.SerializeToString()


def node(kind: str, inputs: str, outputs: str, **attributes: object) -> NodeProto:
    """A node; names are separated by blanks, `-` is an optional one that is left out."""
    names = [["" if name == "-" else name for name in side.split()] for side in (inputs, outputs)]
    return helper.make_node(kind, *names, **attributes)


def gru(lookback: int, n_features: int, *, hidden: int = 16, seed: int = 0, imputed: bool = False) -> Graph:
    """A gated recurrent unit (Cho et al. 2014) over the window; `imputed`: NaN is taken as `means`, then subtracted."""
    rng = np.random.default_rng(seed)
    w, r = rng.normal(0, 0.3, (3 * hidden, n_features)), rng.normal(0, 0.3, (3 * hidden, hidden))
    b, v, means = rng.normal(0, 0.3, 6 * hidden), rng.normal(0, 0.5, (hidden, 1)), rng.normal(0, 1, n_features)
    w, r, b, v, means = (values.astype(np.float32).astype(np.float64) for values in (w, r, b, v, means))
    nodes = [
        node("IsNaN", "x", "gone"),
        node("Where", "gone means x", "filled"),
        node("Sub", "filled means", "centred"),
    ]
    nodes = [
        *(nodes if imputed else []),
        node("Transpose", "centred" if imputed else "x", "xt", perm=[1, 0, 2]),
        node("GRU", "xt W R B", "- last", hidden_size=hidden),
        node("Squeeze", "last first", "state"),
        node("MatMul", "state V", "y"),
    ]
    weights = {"W": w[None], "R": r[None], "B": b[None], "V": v, "first": np.array([0])}
    if imputed:
        weights["means"] = means

    def expected(windows: np.ndarray) -> np.ndarray:
        x = windows.astype(np.float64)
        if imputed:
            x = np.where(np.isnan(x), means, x) - means
        state = np.zeros((len(x), hidden))
        wz, wr, wh = np.split(w, 3)
        rz, rr, rh = np.split(r, 3)
        bwz, bwr, bwh, brz, brr, brh = np.split(b, 6)
        for t in range(lookback):
            z = sigmoid(x[:, t] @ wz.T + state @ rz.T + bwz + brz)
            reset = sigmoid(x[:, t] @ wr.T + state @ rr.T + bwr + brr)
            candidate = np.tanh(x[:, t] @ wh.T + (reset * state) @ rh.T + bwh + brh)
            state = (1 - z) * candidate + z * state
        return (state @ v)[:, 0]

    return Graph(file_of(model_of(nodes, weights, lookback, n_features)), expected)


def lstm(lookback: int, n_features: int, *, hidden: int = 12, seed: int = 1) -> Graph:
    """A long short-term memory (Hochreiter & Schmidhuber 1997) over the window."""
    rng = np.random.default_rng(seed)
    w, r = rng.normal(0, 0.3, (4 * hidden, n_features)), rng.normal(0, 0.3, (4 * hidden, hidden))
    b, v = rng.normal(0, 0.3, 8 * hidden), rng.normal(0, 0.5, (hidden, 1))
    w, r, b, v = (values.astype(np.float32).astype(np.float64) for values in (w, r, b, v))
    nodes = [
        node("Transpose", "x", "xt", perm=[1, 0, 2]),
        node("LSTM", "xt W R B", "- last", hidden_size=hidden),
        node("Squeeze", "last first", "state"),
        node("MatMul", "state V", "y"),
    ]
    weights = {"W": w[None], "R": r[None], "B": b[None], "V": v, "first": np.array([0])}

    def expected(windows: np.ndarray) -> np.ndarray:
        x = windows.astype(np.float64)
        state, cell = np.zeros((len(x), hidden)), np.zeros((len(x), hidden))
        bias = b[: 4 * hidden] + b[4 * hidden :]
        for t in range(lookback):
            i, o, f, c = np.split(x[:, t] @ w.T + state @ r.T + bias, 4, axis=1)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
            state = sigmoid(o) * np.tanh(cell)
        return (state @ v)[:, 0]

    return Graph(file_of(model_of(nodes, weights, lookback, n_features)), expected)


def plain_rnn(lookback: int, n_features: int, *, hidden: int = 32, seed: int = 2) -> Graph:
    """Elman's network (1990): state = tanh(W x + R state + b)."""
    rng = np.random.default_rng(seed)
    w, r = rng.normal(0, 0.2, (hidden, n_features)), rng.normal(0, 0.2, (hidden, hidden))
    b, v = rng.normal(0, 0.2, 2 * hidden), rng.normal(0, 0.5, (hidden, 1))
    w, r, b, v = (values.astype(np.float32).astype(np.float64) for values in (w, r, b, v))
    nodes = [
        node("Transpose", "x", "xt", perm=[1, 0, 2]),
        node("RNN", "xt W R B", "- last", hidden_size=hidden),
        node("Squeeze", "last first", "state"),
        node("MatMul", "state V", "y"),
    ]
    weights = {"W": w[None], "R": r[None], "B": b[None], "V": v, "first": np.array([0])}

    def expected(windows: np.ndarray) -> np.ndarray:
        state = np.zeros((len(windows), hidden))
        for t in range(lookback):
            state = np.tanh(windows[:, t].astype(np.float64) @ w.T + state @ r.T + b[:hidden] + b[hidden:])
        return (state @ v)[:, 0]

    return Graph(file_of(model_of(nodes, weights, lookback, n_features)), expected)


def convolution(lookback: int, n_features: int, *, channels: int = 16, seed: int = 3) -> Graph:
    """Two dilated convolutions over time (van den Oord et al. 2016), their mean, a weighted sum; output (N,)."""
    rng = np.random.default_rng(seed)
    k1, b1 = rng.normal(0, 0.3, (channels, n_features, 3)), rng.normal(0, 0.3, channels)
    k2, b2 = rng.normal(0, 0.3, (channels, channels, 3)), rng.normal(0, 0.3, channels)
    v = rng.normal(0, 0.5, (channels, 1))
    k1, b1, k2, b2, v = (values.astype(np.float32).astype(np.float64) for values in (k1, b1, k2, b2, v))
    nodes = [
        node("Transpose", "x", "xt", perm=[0, 2, 1]),
        node("Conv", "xt K1 b1", "c1"),
        node("Relu", "c1", "a1"),
        node("Conv", "a1 K2 b2", "c2", dilations=[2]),
        node("Tanh", "c2", "a2"),
        node("ReduceMean", "a2", "mean", axes=[2], keepdims=0),
        node("MatMul", "mean V", "column"),
        node("Squeeze", "column last", "y"),
    ]
    weights = {"K1": k1, "b1": b1, "K2": k2, "b2": b2, "V": v, "last": np.array([1])}

    def along(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
        n_out = x.shape[2] - dilation * (kernel.shape[2] - 1)
        total = np.zeros((len(x), len(kernel), n_out)) + bias[:, None]
        for tap in range(kernel.shape[2]):
            total += np.einsum("oc,nct->not", kernel[:, :, tap], x[:, :, tap * dilation : tap * dilation + n_out])
        return total

    def expected(windows: np.ndarray) -> np.ndarray:
        x = windows.astype(np.float64).transpose(0, 2, 1)
        first = np.maximum(along(x, k1, b1, 1), 0.0)
        return (np.tanh(along(first, k2, b2, 2)).mean(axis=2) @ v)[:, 0]

    return Graph(file_of(model_of(nodes, weights, lookback, n_features, output=("N",))), expected)


def attention(lookback: int, n_features: int, *, width: int = 32, seed: int = 4) -> Graph:
    """One head of attention over the window (Vaswani et al. 2017), averaged over time, a weighted sum."""
    rng = np.random.default_rng(seed)
    q, k, values = (rng.normal(0, 0.2, (n_features, width)) for _ in range(3))
    v = rng.normal(0, 0.5, (width, 1))
    q, k, values, v = (array.astype(np.float32).astype(np.float64) for array in (q, k, values, v))
    nodes = [
        node("MatMul", "x Q", "queries"),
        node("MatMul", "x K", "keys"),
        node("MatMul", "x A", "values"),
        node("Transpose", "keys", "across", perm=[0, 2, 1]),
        node("MatMul", "queries across", "scores"),
        node("Softmax", "scores", "shares", axis=-1),
        node("MatMul", "shares values", "seen"),
        node("ReduceMean", "seen", "mean", axes=[1], keepdims=0),
        node("MatMul", "mean V", "y"),
    ]

    def expected(windows: np.ndarray) -> np.ndarray:
        x = windows.astype(np.float64)
        scores = (x @ q) @ (x @ k).transpose(0, 2, 1)
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        return ((shares @ (x @ values)).mean(axis=1) @ v)[:, 0]

    return Graph(file_of(model_of(nodes, {"Q": q, "K": k, "A": values, "V": v}, lookback, n_features)), expected)


def weighted_sum(weights: np.ndarray, row: int, n_features: int, *, metadata: dict[str, str] | None = None) -> bytes:
    """An ONNX file: Σ weights_k · feature `row` of the k-th row of the window."""
    nodes = [
        node("Gather", "x row", "one", axis=2),
        node("MatMul", "one W", "y"),
    ]
    stored = {"row": np.array(row), "W": weights[:, None]}
    return file_of(model_of(nodes, stored, len(weights), n_features, metadata=metadata))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def planted_rule(market: SimulatedMarketConfig, lookback: int, feature_names: Sequence[str]) -> bytes:
    """An ONNX file that computes the planted edge of a simulated market from the surprises in its volume.

    Volume shows c·x + noise of a hidden x that decays by φ a bar, and the next bar moves by edge·x. The best estimate
    of x is the steady state of Kalman's filter: x̂_t = φ(1 − Kc) x̂_{t−1} + K·surprise_t, cut off after the window.
    """
    decay = 0.5 ** (1.0 / market.half_life_bars)
    seen, noise = market.volume_coefficient, market.volume_noise
    variance = 1.0
    for _ in range(1_000):
        before = decay**2 * variance + 1.0 - decay**2
        gain = before * seen / (seen**2 * before + noise**2)
        variance = (1.0 - gain * seen) * before
    weights = gain * (decay * (1.0 - gain * seen)) ** np.arange(lookback)[::-1]
    names = list(feature_names)
    return weighted_sum(
        0.1 * weights, names.index("volume_surprise"), len(names), metadata={"features": ",".join(names)}
    )
