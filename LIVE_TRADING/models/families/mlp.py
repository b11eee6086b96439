"""A small neural network of scikit-learn, stored through skops and evaluated so that no bit depends on the batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.scaling import moments, standardise
from LIVE_TRADING.models.skops_file import dump_object, load_object, only_file

_FILE = "model.skops"
_MIN_ROWS = 20
_BLOCK_ROWS = 256  # of which the activations of a layer stay in the cache
_ALLOWED = frozenset({"sklearn.neural_network._multilayer_perceptron.MLPRegressor"})


class MlpParams(FrozenConfig):
    """Parameters of the network and its training."""

    hidden_layer_sizes: tuple[Annotated[int, Field(ge=1, le=4_096)], ...] = Field(
        default=(32, 16), min_length=1, max_length=5, description="units per hidden layer"
    )
    penalty: float = Field(
        default=3.0, ge=0, description="L2 penalty on the weights per row, times the root of the rows"
    )
    learning_rate_init: float = Field(default=2e-3, gt=0, le=1, description="step of Adam")
    batch_size: int = Field(default=512, ge=1, description="rows per step")
    epochs: int = Field(default=10, ge=1, le=1_000, description="passes over the rows; few, since signals are weak")
    clip_sd: float = Field(default=5.0, gt=0, description="standardised features are clipped at this many deviations")


class MlpModel:
    """a_0 = z,  a_k = max(0, b_k + a_{k−1} W_k),  forecast = b_K + a_{K−1} W_K.

    z     clip((x_j − mean_j)/sd_j, ±clip_sd), feature by feature; missing: 0
    W, b  weights and biases of layer k

    Each layer adds one input unit after the other: a BLAS product sums in an order that changes with the batch.
    """

    notes: Mapping[str, str] = {
        "missing_values": "imputed with the mean of the training rows",
        "activation": "relu, identity at the output",
    }

    def __init__(self, stored: Mapping[str, Any], data: bytes) -> None:
        network = stored["network"]
        self._data = data
        self._mean, self._scale = (np.asarray(stored[name], dtype=np.float64) for name in ("mean", "scale"))
        self._clip_sd = float(stored["clip_sd"])
        # (in, out, 1) and (out, 1): one column of weights meets one row of activations
        self._weights = [np.ascontiguousarray(weight)[:, :, None] for weight in network.coefs_]
        self._biases = [np.ascontiguousarray(bias)[:, None] for bias in network.intercepts_]
        self.n_features = int(network.n_features_in_)
        self._check(network)

    def predict(self, features: FloatArray) -> FloatArray:
        """Return forecasts (R,) of features (R, F)."""
        forecast = np.empty(len(features))
        for start in range(0, len(features), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            forecast[block] = self._forward(standardise(features[block], self._mean, self._scale, self._clip_sd))
        return forecast

    def files(self) -> dict[str, bytes]:
        """Return network and scale of the features as skops archive."""
        return {_FILE: self._data}

    def _forward(self, z: FloatArray) -> FloatArray:
        """Return the output (R,) of standardised features (R, F)."""
        units = np.ascontiguousarray(z.T)
        last = len(self._weights) - 1
        for layer, (weights, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            total = np.repeat(bias, units.shape[1], axis=1)
            term = np.empty_like(total)
            for weight, unit in zip(weights, units, strict=True):
                np.multiply(weight, unit, out=term)
                total += term
            units = total if layer == last else np.maximum(total, 0.0, out=total)
        output: FloatArray = units[0] + 0.0  # a zero without a sign, whichever zero the maximum chose
        return output

    def _check(self, network: Any) -> None:
        widths = [self.n_features, *(weight.shape[1] for weight in self._weights)]
        fits = all(
            weight.shape[:2] == (before, after) and bias.shape == (after, 1)
            for weight, bias, before, after in zip(self._weights, self._biases, widths[:-1], widths[1:], strict=True)
        )
        scaled = self._mean.shape == self._scale.shape == (self.n_features,) and self._clip_sd > 0
        if not fits or not scaled or widths[-1] != 1 or network.activation != "relu":
            raise ValueError(f"{_FILE}: layers, scale or activation do not fit each other")


class MlpFamily:
    """Minimises ½ mean (y − forecast)² + ½ (penalty/√R) Σ|W|² by Adam (Kingma & Ba 2015), in a fixed number of passes.

    R is the number of rows. In a network of two linear layers a penalty λ leaves no weight on a covariance below λ. The
    noise of a covariance falls as 1/√R, and so does λ: otherwise it would cut off signals that the rows suffice to see.

    The default shape is the geometric pyramid of Gu, Kelly & Xiu (2020), "Empirical asset pricing via machine
    learning". No early stopping: a random validation share would overlap the labels.
    """

    name = "mlp"
    params: type[FrozenConfig] = MlpParams

    def train(self, features: FloatArray, target: FloatArray, *, seed: int, params: MlpParams) -> MlpModel:
        """Fit features (R, F) to target (R,).

        Raises
        ------
        ValueError
            There are fewer than 20 rows.
        """
        from sklearn.neural_network import MLPRegressor

        if len(target) < _MIN_ROWS:
            raise ValueError(f"{len(target)} rows are too few to train on; {_MIN_ROWS} are needed")
        mean, scale, _ = moments(features)
        z = standardise(features, mean, scale, params.clip_sd)
        batch_size = min(params.batch_size, len(target))
        network = MLPRegressor(
            hidden_layer_sizes=params.hidden_layer_sizes,
            alpha=params.penalty / math.sqrt(len(target)) * batch_size,  # which the library divides by the batch
            learning_rate_init=params.learning_rate_init,
            batch_size=batch_size,
            random_state=np.random.RandomState(seed),
        )
        for _ in range(params.epochs):  # not `fit`, which warns where it is told when to end
            network.partial_fit(z, target)
        network.set_params(random_state=seed)
        del network._optimizer, network._random_state  # needed to train on only
        stored = {"clip_sd": params.clip_sd, "mean": mean, "network": network, "scale": scale}
        return self.load({_FILE: dump_object(stored)})

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> MlpModel:
        """Return the model of a skops archive; `threads` changes nothing.

        Raises
        ------
        ValueError
            The file is missing, or no such network.
        """
        data = only_file(files, _FILE)
        stored = load_object(data, _ALLOWED)
        try:
            return MlpModel(stored, data)
        except (AttributeError, TypeError, LookupError) as error:
            raise ValueError(f"{_FILE}: no fitted MLPRegressor with its scale ({error})") from error


FAMILY = MlpFamily()
