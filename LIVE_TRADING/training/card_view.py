"""What a model card shows: the evidence, the features' weights, the classifiers, and what the models are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.models.artifacts import ClassifierMeta
from LIVE_TRADING.pages import charts
from LIVE_TRADING.pages.numbers import UNDEFINED, count, decimals, pct, ratio
from LIVE_TRADING.training.model_card import ModelFacts, RunFacts

FEATURES_SHOWN = 12
SURE = 2.0  # standard errors from 0
LIMITS = (
    "They forecast a return over a horizon in units of its volatility, relative to the mean of the universe: which "
    "symbols should do better than the others, not whether the market rises.",
    "They are meant for this engine, which standardises, weighs and blends them and charges a cost before it acts. A "
    "raw forecast is no signal to trade on.",
    "They know the symbols, the bar interval and the features below. Data that lack one of the symbols, and another "
    "interval or other features, are refused; symbols that they do not know are left out. What happened after the "
    "training span (new regimes, splits, changed trading hours) they have not seen.",
    "The universe is the one that was handed in. If its symbols were chosen for having survived or done well, the "
    "evidence is better than life will be.",
    "No forecast here was ever traded. Evidence out of sample says that ranks agreed with what came, not that it pays.",
)


def view(run: RunFacts) -> dict[str, Any]:
    """Return everything that the template shows."""
    manifest = run.manifest
    return {
        "name": run.name,
        "title": f"Model card of run {run.name}, trained to {manifest.until}",
        "subtitle": (
            f"trained on {manifest.data_start} to {manifest.until} · {count(len(manifest.symbols), 'symbol')} · "
            f"bars of {manifest.interval_ns / NS_PER_MINUTE:g} minutes · {manifest.calendar}"
        ),
        "verdict": _verdict(run),
        "limits": LIMITS,
        "evidence": _evidence(run),
        "folds": _folds(run),
        "importance": _importance(run),
        "classifiers": [_classifier(meta) for meta in run.classifiers],
        "no_classifiers": run.no_classifiers,
        "training": _training(run),
        "families": _families(run),
        "features": manifest.features,
        "symbols": manifest.symbols,
        "identity": [
            ("Run", run.name),
            ("Manifest, SHA-256", run.manifest_sha256),
            ("Data hash", manifest.data_hash),
            ("Snapshot, SHA-256", manifest.snapshot_sha256),
            ("Code version", manifest.code_version),
        ],
    }


def _verdict(run: RunFacts) -> list[str]:
    known = [m for m in run.models if m.meta.metrics.ic is not None and np.isfinite(run.ic_error(m))]
    if not known:
        return ["Nothing matured out of sample: there is no evidence that these models know anything."]
    strong = [m for m in known if (m.meta.metrics.ic or 0.0) > SURE * run.ic_error(m)]
    best = max(known, key=lambda m: (m.meta.metrics.ic or 0.0) / run.ic_error(m))
    by_chance = 0.023 * len(known)
    found = (
        f"{len(strong)} of {count(len(known), 'model')} {'has' if len(strong) == 1 else 'have'} an IC more than two "
        f"standard errors above 0; without any skill {by_chance:.1f} would be expected."
    )
    ic, error = best.meta.metrics.ic or 0.0, run.ic_error(best)
    strongest = (
        f"The largest IC, counted in its standard errors, is that of {best.meta.family} at {best.meta.horizon}: "
        f"{_signed(ic)} ± {_signed(error, plus=False)}, {_signed(ic / error, 1, plus=False)} standard errors from 0."
    )
    return [found, strongest]


def _signed(value: float | None, places: int = 4, plus: bool = True) -> str:
    if value is None or not np.isfinite(value):
        return UNDEFINED
    return f"{value:{'+' if plus else ''}.{places}f}".replace("-", "−")


def _evidence(run: RunFacts) -> dict[str, Any]:
    """Return one row per model, IC with two standard errors either side, on one scale."""
    ics = np.array([np.nan if m.meta.metrics.ic is None else m.meta.metrics.ic for m in run.models])
    errors = np.array([run.ic_error(m) for m in run.models])
    ends = np.concatenate([[0.0], (ics - SURE * errors), (ics + SURE * errors)])
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = max(high - low, 1e-9)
    rows = [
        {
            "horizon": model.meta.horizon,
            "family": model.meta.family,
            "ic": _signed(model.meta.metrics.ic),
            "error": _signed(error, plus=False),
            "n": f"{model.meta.metrics.n_effective:,.0f}",
            "rmse": _signed(model.meta.metrics.rmse, plus=False),
            "drawn": bool(np.isfinite(ic) and np.isfinite(error)),
            "point": float((ic - low) / room * 100) if np.isfinite(ic) else 0.0,
            "left": float((ic - SURE * error - low) / room * 100) if np.isfinite(ic + error) else 0.0,
            "width": float(2 * SURE * error / room * 100) if np.isfinite(ic + error) else 0.0,
            "tone": "gain" if ic > SURE * error else "loss" if ic < -SURE * error else "",
        }
        for model, ic, error in zip(run.models, ics.tolist(), errors.tolist(), strict=True)
    ]
    return {"rows": rows, "zero": -low / room * 100}


def _folds(run: RunFacts) -> dict[str, Any]:
    """Return IC and RMSE of every fold, one row per model; none where no model was validated in folds."""
    longest = max((m.meta.metrics.folds for m in run.models), key=len, default=())
    return {
        "spans": [(fold.validation_start, fold.validation_end) for fold in longest],
        "rows": [
            (
                f"{m.meta.horizon} {m.meta.family}",
                [(_signed(f.ic), _signed(f.rmse, plus=False), f"{f.train_rows:,}") for f in m.meta.metrics.folds],
            )
            for m in run.models
            if m.meta.metrics.folds
        ],
    }


def _importance(run: RunFacts) -> list[dict[str, Any]]:
    """Return per family what its features weigh: the mean size over the horizons, largest first, and each horizon's."""
    found = []
    for family in run.manifest.families:
        models = [m for m in run.models if m.meta.family == family and m.weights is not None]
        if models:
            found.append(_family_importance(family, models, run.manifest.features))
    return found


def _family_importance(family: str, models: Sequence[ModelFacts], features: Sequence[str]) -> dict[str, Any]:
    table: FloatArray = np.array([model.weights for model in models])
    size = np.abs(table).mean(axis=0)
    order = sorted(range(len(features)), key=lambda row: (-size[row], features[row]))
    largest = max(float(size.max(initial=0.0)), 1e-12)
    return {
        "family": family,
        "what": models[0].weights_are,
        "horizons": [model.meta.horizon for model in models],
        "shown": [
            {"feature": features[row], "size": f"{size[row]:.4f}", "width": float(size[row] / largest * 100)}
            for row in order[:FEATURES_SHOWN]
        ],
        "rest": len(features) - len(order[:FEATURES_SHOWN]),
        "rows": [(features[row], [_signed(float(value), plus=False) for value in table[:, row]]) for row in order],
    }


def _classifier(meta: ClassifierMeta) -> dict[str, Any]:
    figures = meta.metrics
    said = np.array([cell.p_mean for cell in figures.reliability])
    seen = np.array([cell.observed for cell in figures.reliability])
    low, high, ticks = charts.scale([*said.tolist(), *seen.tolist()])
    axis, step = charts.Axis(low, high), ticks[1] - ticks[0]
    x = (said - low) / (high - low) * charts.WIDTH
    return {
        "target": meta.target,
        "rows": [
            ("Outcomes", f"{figures.n:,} in {count(figures.n_sessions, 'session')}"),
            ("Base rate", pct(figures.base_rate, 2)),
            ("Brier score", f"{figures.brier:.5f}"),
            ("Brier score of the base rate", f"{figures.brier_base_rate:.5f}"),
            ("Gain over it", f"{_signed(figures.brier_gain, 5)} ± {figures.brier_gain_error:.5f}"),
            ("Log loss", f"{figures.log_loss:.5f}, of the base rate {figures.log_loss_base_rate:.5f}"),
            ("Calibration slope", f"{ratio(meta.calibration.slope)}, fitted to {meta.calibration.n:,} outcomes"),
        ],
        "line": charts.path(x, axis.y(seen)),
        "dots": charts.dots(x, axis.y(seen)),
        "ticks": [charts.Tick(axis.share(tick), pct(tick, decimals(step * 100))) for tick in ticks],
        "bins": [(pct(c.p_mean, 2), pct(c.observed, 2), f"{c.n:,}") for c in figures.reliability],
        "notes": sorted(meta.notes.items()),
    }


def _training(run: RunFacts) -> list[tuple[str, str]]:
    manifest, settings = run.manifest, run.manifest.training_config
    rows = sum(model.meta.train_rows for model in run.models)
    return [
        ("Data", f"{manifest.data_start} to {manifest.until}, no label ends later"),
        ("Quotes", "estimated, the data have none" if manifest.quotes_estimated else "recorded"),
        ("Sessions", f"{manifest.calendar}, {manifest.bars_per_session} bars of a session"),
        ("Horizons", ", ".join(manifest.horizons)),
        ("Target", "return from the next bar's open to the horizon's end ÷ its volatility, clipped at ±4"),
        (
            "Validation",
            f"walk-forward in {settings.get('folds', UNDEFINED)} folds, each trained on what came before; rows whose "
            "label reaches into the fold are purged, for 1d one session more",
        ),
        ("Rows", f"{rows:,} over {count(len(run.models), 'model')}, at most {settings.get('max_rows', 0):,} of a fit"),
        ("Seed", str(settings.get("seed", UNDEFINED))),
    ]


def _families(run: RunFacts) -> list[dict[str, Any]]:
    """Return parameters and notes of each family, which are the same at every horizon."""
    first = {m.meta.family: m.meta for m in reversed(run.models)}
    return [
        {
            "family": family,
            "params": [(key, _plain(value)) for key, value in sorted(first[family].params.items())],
            "notes": [(key.replace("_", " "), text) for key, text in sorted(first[family].notes.items())],
        }
        for family in run.manifest.families
    ]


def _plain(value: Any) -> str:
    return ", ".join(str(member) for member in value) if isinstance(value, list | tuple) else str(value)
