"""Models over sequences that were trained elsewhere: ONNX files, evaluated by onnxruntime; nothing is fitted here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.families.interface import ImportParams
from LIVE_TRADING.models.onnx_file import onnx_contents
from LIVE_TRADING.models.skops_file import only_file
from LIVE_TRADING.models.windows import Windows

_FILE = "model.onnx"
_SETTINGS = "model.json"
_BLOCK = 32
_MIXING = 1e-3  # rows that differ by more than this share of the largest forecast depend on their neighbours
_STANDARD = ("", "ai.onnx.ml")
_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_BRANCHING = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_EXPORT = "export it with a dynamic batch, fixed window and features, in float32"

Missing = Literal["no_forecast", "pass"]
_MISSING_NOTES: dict[Missing, str] = {
    "no_forecast": "a symbol whose window holds any has no forecast",
    "pass": "handed to the graph as NaN; where it answers with NaN there is no forecast",
}


class OnnxParams(ImportParams):
    """Which files, and what they were trained on."""

    missing: Missing = Field(
        default="no_forecast",
        description="what a window with missing values gives; pass: the graph gets NaN and has to treat it",
    )


class _Settings(FrozenConfig):
    """What model.json holds."""

    missing: Missing


class OnnxModel:
    """forecast = graph(window), for a window (T, F) of feature rows, oldest first; infinite: no forecast.

    The runtime sums in an order that may change with the size of the batch: a plain recurrent or an attention layer
    gives another last bit for a row alone than among others. So no row is evaluated in the batch it comes in. Blocks
    of one size are filled up with zeros, where the graph is seen to give a row the same bits in every place of a block
    and beside any others; elsewhere, and where the graph branches on its data, each row is evaluated alone. One thread.
    """

    def __init__(self, data: bytes, settings: _Settings) -> None:
        self._data = data
        self._settings = settings
        branches = _check_contents(data)
        self._session = _session(data)
        self.lookback, self.n_features, batch = _input_shape(self._session)
        self._input: str = self._session.get_inputs()[0].name
        self._block = 1 if batch == 1 or branches else _BLOCK
        self.notes: Mapping[str, str] = {
            "missing_values": _MISSING_NOTES[settings.missing],
            "precision": "features are rounded to float32, forecasts are float64",
            "evaluation": "in blocks of one size or row by row, on one thread",
        }
        _check_output(self._session)
        self._probe(batch == 1)

    def predict_windows(self, windows: Windows) -> FloatArray:
        """Return forecasts (R,) of windows (R, T, F)."""
        if self._settings.missing == "pass":
            return self._forecasts(windows)
        whole = ~np.isnan(windows).any(axis=(1, 2))
        if whole.all():
            return self._forecasts(windows)
        forecasts = np.full(len(windows), np.nan)
        forecasts[whole] = self._forecasts(windows[whole])
        return forecasts

    def files(self) -> dict[str, bytes]:
        """Return the ONNX file as it came, and how missing values are treated."""
        return {_FILE: self._data, _SETTINGS: self._settings.model_dump_json().encode()}

    def described_features(self) -> tuple[str, ...] | None:
        """Return the names of the features that the file says it takes (metadata `features`), None if it says none."""
        names = self._session.get_modelmeta().custom_metadata_map.get("features")
        return None if names is None else tuple(name.strip() for name in names.split(","))

    def _forecasts(self, windows: Windows) -> FloatArray:
        """Return the graph's answers (R,), NaN where one is infinite."""
        answers = np.empty(len(windows))
        for start in range(0, len(windows), self._block):
            rows = windows[start : start + self._block]
            n_rows = len(rows)
            if n_rows < self._block:
                padded = np.zeros((self._block, *windows.shape[1:]), dtype=np.float32)
                padded[:n_rows] = rows
                rows = padded
            answers[start : start + n_rows] = self._run(rows)[:n_rows]
        answers[np.isinf(answers)] = np.nan
        answers += 0.0  # −0 as +0
        return answers

    def _run(self, rows: Windows) -> FloatArray:
        """Return what the graph gives (R,) for all of these rows at once."""
        (answer,) = self._session.run(None, {self._input: np.ascontiguousarray(rows)})
        if answer.shape not in ((len(rows),), (len(rows), 1)):
            raise ValueError(
                f"{_FILE}: output expected of shape (N,) or (N, 1), found {answer.shape} for N = {len(rows)}; "
                "export one forecast per row"
            )
        return np.asarray(answer, dtype=np.float64).reshape(len(rows))

    def _probe(self, only_alone: bool) -> None:
        """Evaluate drawn windows: refuse a graph that is random or mixes rows, and see whether blocks can be used."""
        rng = np.random.Generator(np.random.Philox(key=np.array([0, 0], dtype=np.uint64)))
        drawn = rng.standard_normal((_BLOCK, self.lookback, self.n_features))
        rows: Windows = (drawn * np.logspace(-4.0, 1.0, _BLOCK)[:, None, None]).astype(np.float32)
        try:
            alone = np.concatenate([self._run(rows[row : row + 1]) for row in range(_BLOCK)])
            together = alone if only_alone else self._run(rows)
            again = np.concatenate([self._run(rows[:1]) for _ in range(3)])
        except _runtime_errors() as error:
            raise ValueError(f"{_FILE}: the graph cannot be evaluated ({_line(error)}); {_EXPORT}") from error
        if not np.array_equal(again, np.repeat(alone[:1], 3), equal_nan=True):
            raise ValueError(
                f"{_FILE}: the graph gives other numbers for the same window when asked again; export it for inference"
            )
        if not np.allclose(alone, together, rtol=0.0, atol=_MIXING * _largest(alone), equal_nan=True):
            raise ValueError(
                f"{_FILE}: a row's forecast depends on the other rows of the batch; export a graph that treats each "
                "symbol alone (forecasts are demeaned over the universe later)"
            )
        if self._block > 1 and not self._same_in_every_place(rows, together):
            self._block = 1

    def _same_in_every_place(self, rows: Windows, together: FloatArray) -> bool:
        """Return whether a row gives, in every place of a block, the bits that it gave among the others."""
        for row in (0, 11, 20, _BLOCK - 1):
            everywhere = self._run(np.repeat(rows[row : row + 1], _BLOCK, axis=0))
            if not np.array_equal(everywhere, np.repeat(together[row], _BLOCK), equal_nan=True):
                return False
        return True


class OnnxFamily:
    """Takes in ONNX files: one input (N, T, F) in float32, one output (N,) or (N, 1), standard operators only.

    The output is read as the expected label in units of its volatility, as every family's is. Nothing is unpickled, no
    other file is opened, no code is loaded.
    """

    name = "onnx"
    params: type[ImportParams] = OnnxParams

    def accept(self, data: bytes, *, features: tuple[str, ...], params: OnnxParams) -> OnnxModel:
        """Return the model of an ONNX file that takes `params.lookback` rows of these features, in this order.

        Raises
        ------
        ConfigurationError
            onnxruntime is not installed.
        ValueError
            The bytes are no ONNX file, or one that does not fit.
        """
        model = OnnxModel(data, _Settings(missing=params.missing))
        expected, found = (params.lookback, len(features)), (model.lookback, model.n_features)
        if expected != found:
            raise ValueError(
                f"input expected (N, {expected[0]}, {expected[1]}), rows of the window by features of the run, found "
                f"(N, {found[0]}, {found[1]}); set lookback and features as in its training, or export it for these"
            )
        described = model.described_features()
        if described is not None and described != features:
            place = next(
                (at for at, pair in enumerate(zip(features, described, strict=False)) if pair[0] != pair[1]),
                len(described),
            )
            raise ValueError(
                f"metadata `features`: number {place} expected {features[place : place + 1]}, found "
                f"{described[place : place + 1]}; feed it the features of the run, in the run's order"
            )
        return model

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> OnnxModel:
        """Return the model of an ONNX file and its settings; `threads` changes nothing.

        Raises
        ------
        ConfigurationError
            onnxruntime is not installed.
        ValueError
            A file is missing, or not what `files` writes.
        """
        try:
            settings = _Settings.model_validate_json(only_file(files, _SETTINGS))
        except ValidationError as error:
            raise ValueError(f"{_SETTINGS}: {error}") from error
        return OnnxModel(only_file(files, _FILE), settings)


def _check_contents(data: bytes) -> bool:
    """Refuse what an ONNX file must not hold; return whether the graph branches on its data."""
    try:
        contents = onnx_contents(data)
    except ValueError as error:
        raise ValueError(f"{_FILE}: {error}; export it again") from error
    if contents.external_tensors:
        raise ValueError(
            f"{_FILE}: expected to hold all of its weights, found tensors in other files: "
            f"{_some(contents.external_tensors)}; save it as one file"
        )
    custom = sorted(f"{domain}.{kind}" for domain, kind in contents.operators if domain not in _STANDARD)
    if custom:
        raise ValueError(
            f"{_FILE}: operators expected of the ONNX standard only, found {_some(custom)}; export it without custom "
            "operators and with its functions inlined"
        )
    kinds = {kind for _, kind in contents.operators}
    if drawn := sorted(kinds & _RANDOM):
        raise ValueError(f"{_FILE}: found operators that draw numbers, {_some(drawn)}; export it for inference")
    return bool(kinds & _BRANCHING)


def _session(data: bytes) -> Any:
    """Return the graph, ready to be evaluated on this thread alone."""
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # it writes to stderr; what goes wrong is raised
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise ValueError(
            f"{_FILE}: onnxruntime {runtime.__version__} cannot read it ({_line(error)}); export it for that version"
        ) from error


def _runtime() -> Any:
    """Return onnxruntime.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError(
            "model family onnx needs onnxruntime, which is not installed: pip install 'live-trading[onnx]'"
        ) from error
    return onnxruntime


def _runtime_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = vars(state).values()  # order: caught together, whichever comes first
    own = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception))
    return (*own, RuntimeError)


def _input_shape(session: Any) -> tuple[int, int, int | None]:
    """Return window, features and batch of the one input; batch None: any."""
    inputs = session.get_inputs()
    found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)"
    shape: list[Any] = inputs[0].shape if fits else []
    fixed = len(shape) == 3 and all(isinstance(size, int) and size > 0 for size in shape[1:])
    batch = shape[0] if fixed and isinstance(shape[0], int) else None
    if not fixed or batch not in (None, 1):
        raise ValueError(
            f"{_FILE}: input expected one tensor(float) (N, T, F) with fixed T and F, found {found}; {_EXPORT}"
        )
    return shape[1], shape[2], batch


def _check_output(session: Any) -> None:
    outputs = session.get_outputs()
    fits = len(outputs) == 1 and outputs[0].type in ("tensor(float)", "tensor(double)")
    shape: list[Any] = outputs[0].shape if fits else []
    if not (len(shape) == 1 or (len(shape) == 2 and (shape[1] == 1 or not isinstance(shape[1], int)))):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in outputs)
        raise ValueError(
            f"{_FILE}: output expected one tensor (N,) or (N, 1), found {found}; export one forecast per row"
        )


def _largest(values: FloatArray) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


FAMILY = OnnxFamily()
