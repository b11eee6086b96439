"""The compiled forest gives the library's bits on any row and in any batch, or leaves the library to predict."""

# covers: P9, P29, P30

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from LIVE_TRADING.models import compiled_forest as module
from LIVE_TRADING.models import forest_kernel
from LIVE_TRADING.models.compiled_forest import CompiledForest, probe_rows, same_bits
from LIVE_TRADING.models.families.interface import get_family
from LIVE_TRADING.models.families.lightgbm import LightGbmModel
from LIVE_TRADING.models.forest_compiler import Walk, WalkName, load_walk
from LIVE_TRADING.models.forest_file import FOREST_FILE, encode_tables
from LIVE_TRADING.models.forest_kernel import ZERO_BOUND, walk_across
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.forest_trees import GREATEST
from LIVE_TRADING.models.inference import InferenceEngine
from LIVE_TRADING.models.lightgbm_margin import load_margin
from LIVE_TRADING.models.lightgbm_text import read_lightgbm
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.models.snapshot import encode_arrays

REPO = Path(__file__).resolve().parents[2]
N_FEATURES = 6
BATCHES = (1, 2, 7, 50, 81, 500)
TINY = 5e-324
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, ZERO_BOUND, -ZERO_BOUND, 2e-35, 1e300, GREATEST, -GREATEST)
MODELS: dict[str, dict[str, object]] = {
    "plain": {"num_leaves": 31},
    "widest": {"num_leaves": 64, "max_bin": 255, "min_data_in_leaf": 1},
    "one-split": {"num_leaves": 2},
    "deep": {"num_leaves": 40, "max_depth": 12, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0},
    "shallow": {"max_depth": 2},
    "nothing-to-split": {"min_data_in_leaf": 400},
    "missing-is-zero": {"zero_as_missing": True},
    "missing-unused": {"use_missing": False},
    "quantile": {"objective": "quantile", "alpha": 0.3},
    "absolute": {"objective": "regression_l1"},
    "huber": {"objective": "huber"},
    "sampled": {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5},
}


def rows_of(n_rows: int, seed: int, *, special: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, N_FEATURES)) * np.logspace(-3, 3, N_FEATURES)
    rows[:, 2] = rng.integers(-2, 3, n_rows)
    rows[:, 4] = np.where(rng.random(n_rows) < 0.5, 0.0, rows[:, 4])
    return np.where(rng.random(rows.shape) < special, rng.choice(SPECIAL, rows.shape), rows)


def train(seed: int = 0, n_trees: int = 25, **params: object) -> str:
    rows = rows_of(800, seed)
    rows[np.isinf(rows)] = np.nan
    rows = np.clip(rows, -1e6, 1e6)
    target = np.nan_to_num(rows[:, 0]) * 1e3 + rows[:, 2].clip(0, 1) + np.isnan(rows[:, 3])
    target = np.nan_to_num(target) + np.random.default_rng(seed + 1).standard_normal(800)
    config = {"objective": "regression", "min_data_in_leaf": 5, "num_threads": 1, "verbosity": -1, "seed": seed}
    return lgb.train(config | params, lgb.Dataset(rows, target, params=config | params), n_trees).model_to_string()


def library_of(text: str) -> Callable[[np.ndarray], np.ndarray]:
    booster = lgb.Booster(model_str=text)
    return lambda rows: np.asarray(booster.predict(rows, num_threads=1))


@pytest.fixture(scope="module")
def compiled_walks(tmp_path_factory: pytest.TempPathFactory) -> dict[WalkName, Walk]:
    folder = tmp_path_factory.mktemp("numba")
    return {"across": load_walk("across", folder), "down": load_walk("down", folder)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_walks: dict[WalkName, Walk]) -> Path:
    """A cache folder of its own for every test, and code that is compiled once for all."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "load_walk", lambda name, folder: compiled_walks[name])
    return tmp_path / "cache" / "live_trading"


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """Hear the package's log whatever level another test has left it at."""
    caplog.set_level(logging.DEBUG, logger="live_trading")


@pytest.fixture(scope="module", params=sorted(MODELS))
def text(request: pytest.FixtureRequest) -> str:
    return train(**MODELS[request.param])


@pytest.fixture(scope="module")
def plain() -> str:
    return train(n_trees=10)


def model_of(text: str, tables: bytes | None = None) -> LightGbmModel:
    """Return a model as it is loaded, with the file of its tables if one is given."""
    files = {"model.txt": text.encode()} | ({} if tables is None else {FOREST_FILE: tables})
    return get_family("lightgbm").load(files)


def forest_of(text: str) -> CompiledForest:
    model = model_of(text)
    model.compile_forest()
    assert model.forest is not None
    return model.forest


def tables_of(text: str) -> ForestTables:
    return ForestTables.of_forests([read_lightgbm(text.encode())], N_FEATURES)


def near_thresholds(text: str, seed: int) -> np.ndarray:
    return probe_rows(tables_of(text), seed)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_row_alone_and_in_any_batch_has_the_librarys_bits(text: str, batch: int):
    forest, rows = forest_of(text), np.concatenate([rows_of(300, 5, special=0.3), near_thresholds(text, 7)[:200]])
    got = np.concatenate([forest.predict(rows[start : start + batch])[0] for start in range(0, 500, batch)])
    assert got.tobytes() == library_of(text)(rows).tobytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_row_has_the_librarys_bits(text: str, data: st.DataObject):
    tables = tables_of(text)
    known = st.sampled_from([*SPECIAL, *tables.threshold.tolist()[:200]])
    value = known | known.map(lambda x: math.nextafter(x, -math.inf)) | st.floats(width=64)
    rows = data.draw(npst.arrays(np.float64, st.tuples(st.integers(1, 9), st.just(N_FEATURES)), elements=value))
    assert CompiledForest(tables).predict(rows)[0].tobytes() == library_of(text)(rows).tobytes()


@pytest.mark.parametrize("seed", range(12))
def test_any_decision_type_and_threshold_has_the_librarys_bits(plain: str, seed: int):
    rng = np.random.default_rng(seed)

    def decisions(line: re.Match[str]) -> str:
        return "decision_type=" + " ".join(str(rng.choice([0, 2, 4, 6, 8, 10])) for _ in line[1].split())

    def thresholds(line: re.Match[str]) -> str:
        odd = ["inf", "-inf", "0", "1e-35", repr(ZERO_BOUND), repr(-ZERO_BOUND), "5e-324", "-1e300", "1e300"]
        return "threshold=" + " ".join(rng.choice(odd) if rng.random() < 0.4 else x for x in line[1].split())

    altered = re.sub(r"^decision_type=(.*)$", decisions, plain, flags=re.MULTILINE)
    altered = re.sub(r"^threshold=(.*)$", thresholds, altered, flags=re.MULTILINE)
    altered = re.sub(r"^tree_sizes=.*\n", "", altered, flags=re.MULTILINE)  # the library would cut the text by them
    rows = np.concatenate([rows_of(400, seed, special=0.5), near_thresholds(altered, seed)])
    assert forest_of(altered).predict(rows)[0].tobytes() == library_of(altered)(rows).tobytes()


def test_the_uncompiled_form_is_the_same(text: str):
    tables = tables_of(text)
    rows = np.concatenate([rows_of(40, 3, special=0.3), near_thresholds(text, 2)[:45]])
    assert CompiledForest(tables, walk_across).predict(rows)[0].tobytes() == library_of(text)(rows).tobytes()


def test_forests_joined_are_the_forests_alone():
    texts = [train(seed, num_leaves=7 + 20 * seed) for seed in range(3)]
    forests = [forest_of(text) for text in texts]
    ((joined, numbers),), rows = CompiledForest.joined(forests), rows_of(200, 9)
    assert numbers == [0, 1, 2]
    assert joined.predict(rows).tobytes() == np.stack([forest.predict(rows)[0] for forest in forests]).tobytes()
    assert joined.predict(rows[:0]).shape == (3, 0)
    again = ForestTables.from_arrays(joined.tables.to_arrays())
    assert CompiledForest(again).predict(rows).tobytes() == joined.predict(rows).tobytes()


def test_forests_over_other_features_are_not_joined(plain: str):
    other = lgb.train({"verbosity": -1}, lgb.Dataset(rows_of(200, 1)[:, :2], np.arange(200.0)), 2).model_to_string()
    with pytest.raises(ValueError, match="different numbers of features"):
        ForestTables.joined([tables_of(plain), ForestTables.of_forests([read_lightgbm(other.encode())], 2)])


@pytest.mark.parametrize("shape", [(N_FEATURES,), (3, N_FEATURES - 1), (2, 3, N_FEATURES)])
def test_rows_of_another_shape_are_refused(plain: str, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="features of shape"):
        forest_of(plain).predict(np.zeros(shape))


def test_any_layout_of_rows_is_taken_and_left_alone(plain: str):
    forest, rows = forest_of(plain), rows_of(30, 4)
    expected, frozen = forest.predict(rows).tobytes(), rows.copy()
    frozen.flags.writeable = False
    assert forest.predict(np.asfortranarray(rows)).tobytes() == expected
    assert forest.predict(frozen).tobytes() == expected
    assert frozen.tobytes() == rows.tobytes()


@pytest.fixture
def no_switching() -> Iterator[None]:
    """A thread that has the interpreter's lock keeps it until it lets go by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("no_switching")
def test_the_interpreter_runs_on_during_a_walk(plain: str):
    ((forest, _),), rows = CompiledForest.joined([forest_of(plain)] * 30), np.tile(rows_of(1000, 1), (900, 1))
    walking, over = threading.Event(), threading.Event()

    def predict() -> None:
        walking.set()
        forest.predict(rows)
        over.set()

    thread = threading.Thread(target=predict)
    thread.start()
    walking.wait()
    assert not over.is_set()  # this line would not run before the walk is over, were the lock held during it
    thread.join()
    assert over.is_set()


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        pytest.param({"categorical_feature": [2], "min_data_per_group": 1}, "splits on categories", id="categorical"),
        pytest.param({"linear_tree": True}, "linear leaves", id="linear"),
        pytest.param({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "averages", id="averaged"),
        pytest.param({"objective": "poisson"}, "objective poisson", id="transformed"),
        pytest.param({"reg_sqrt": True}, "objective regression sqrt", id="squared"),
    ],
)
def test_other_kinds_of_model_stay_with_the_library(params: dict[str, object], reason: str, caplog):
    rows = np.abs(np.nan_to_num(rows_of(400, 1, special=0.0)))
    target = np.round(rows[:, 2] + 5.0 * rows[:, 4] + rows[:, 5] / 100.0)
    config = {"verbosity": -1, "num_threads": 1, "objective": "regression"} | params
    categories = config.pop("categorical_feature", "auto")
    data = lgb.Dataset(rows, target, params=config, categorical_feature=categories)
    text = lgb.train(config, data, 5).model_to_string()
    model = model_of(text)
    assert set(model.files()) == {"model.txt"}
    before = model.predict(rows).tobytes()
    model.compile_forest()
    assert model.forest is None
    assert reason in caplog.text
    assert model.predict(rows).tobytes() == before


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r"^num_class=1$", "num_class=2", "several outputs"),
        (r"^split_feature=\d+", "split_feature=6", "beyond the 6 of the model"),
        (r"^split_feature=", "split_features=", "the text lacks split_feature"),
        (r"^num_leaves=(\d+)$", "num_leaves=3", "a tree of 3 leaves has"),
        (r"^left_child=\S+", "left_child=0", "do not form a tree"),
        (r"^left_child=\S+", "left_child=99", "do not form a tree"),
        (r"^left_child=\S+", "left_child=-1", "do not form a tree"),
        (r"^decision_type=\S+", "decision_type=12", "decision type 12 is unknown"),
        (r"^decision_type=\S+", "decision_type=1", "splits on categories"),
        (r"^threshold=\S+", "threshold=nan", "a threshold is no number"),
        (r"^threshold=\S+ \S+", "threshold=1", "has a feature, a threshold"),
    ],
)
def test_a_text_that_is_not_well_formed_has_no_tables(plain: str, pattern: str, replacement: str, reason: str):
    altered = re.sub(pattern, replacement, plain, flags=re.MULTILINE)
    assert altered != plain
    with pytest.raises(ValueError, match=reason):
        ForestTables.of_forests([read_lightgbm(altered.encode())], N_FEATURES)


def test_a_classifier_that_is_asked_for_its_margin_is_compiled_too():
    rows = rows_of(400, 1, special=0.0)
    config = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    booster = lgb.train(config, lgb.Dataset(rows, (rows[:, 0] > 0).astype(float), params=config), 5)
    text = booster.model_to_string().encode()
    with pytest.raises(ValueError, match="objective binary"):
        read_lightgbm(text)
    model = load_margin({"model.txt": text})
    again = load_margin(model.files())
    again.compile_forest()
    assert again.forest is not None
    expected = booster.predict(rows, raw_score=True, num_threads=1)
    assert again.predict(rows).tobytes() == model.predict(rows).tobytes() == expected.tobytes()


def altered_tables(tables: ForestTables, **changes: object) -> ForestTables:
    return ForestTables.from_arrays(tables.to_arrays() | changes)


def test_tables_are_part_of_the_models_files_and_read_with_it(plain: str, monkeypatch):
    files = model_of(plain).files()
    again = get_family("lightgbm").load(files)
    assert again.files() == files

    def never(_self: LightGbmModel) -> None:
        raise AssertionError("the tables were made again")

    monkeypatch.setattr(LightGbmModel, "forests", never)
    again.compile_forest()
    assert again.forest is not None
    assert again.predict(rows_of(50, 2)).tobytes() == library_of(plain)(rows_of(50, 2)).tobytes()


@pytest.mark.parametrize("damage", ["cut", "empty", "other-archive", "other-version", "other-features"])
def test_tables_that_cannot_be_used_are_made_again(plain: str, damage: str, caplog):
    other = lgb.train({"verbosity": -1}, lgb.Dataset(rows_of(200, 1)[:, :2], np.arange(200.0)), 2).model_to_string()
    data = encode_tables(tables_of(plain))
    damaged = {
        "cut": data[:-40],
        "empty": b"",
        "other-archive": encode_arrays({"snapshot": {"x": np.zeros(2)}}),
        "other-version": encode_arrays({"forest-1": tables_of(plain).to_arrays()}),
        "other-features": encode_tables(ForestTables.of_forests([read_lightgbm(other.encode())], 2)),
    }
    model = model_of(plain, damaged[damage])
    model.compile_forest("ret_5m/lightgbm")
    assert model.forest is not None
    assert "is not used" in caplog.text
    assert model.predict(rows_of(50, 2)).tobytes() == library_of(plain)(rows_of(50, 2)).tobytes()


@pytest.mark.parametrize("what", ["leaf", "threshold", "column", "at_nan", "at_zero"])
def test_tables_of_other_content_leave_the_library_to_predict(plain: str, what: str, caplog):
    tables = tables_of(plain)
    value = getattr(tables, what).copy()
    value[:] = np.roll(value, 1)
    if what.startswith("at_"):
        value[:] = 1.0
    model = model_of(plain, encode_tables(altered_tables(tables, **{what: value})))
    model.compile_forest()
    assert model.forest is None
    assert "compiled, its forecasts are others" in caplog.text
    assert model.predict(rows_of(9, 1)).tobytes() == library_of(plain)(rows_of(9, 1)).tobytes()


def test_one_bit_of_one_leaf_that_real_rows_reach_leaves_the_library_to_predict(plain: str):
    tables, real = tables_of(plain), rows_of(300, 8)
    reached = 0
    for number in range(int(tables.first_leaf[1])):
        leaf = tables.leaf.copy()
        leaf.view(np.uint64)[number] ^= np.uint64(1 << 40)
        altered = altered_tables(tables, leaf=leaf)
        differs = not same_bits(CompiledForest(altered).predict(real)[0], library_of(plain)(real))
        reached += differs
        model = model_of(plain, encode_tables(altered))
        model.compile_forest("", real)
        assert not differs or model.forest is None
    assert reached > 20


def test_real_rows_are_verified_too(plain: str):
    model, real = model_of(plain), rows_of(20, 8)
    library = model.predict_by_library

    def differs_on_real_rows(rows: np.ndarray) -> np.ndarray:
        return library(rows) + (len(rows) == 20)

    model.predict_by_library = differs_on_real_rows
    model.compile_forest()
    assert model.forest is not None
    model.compile_forest("", real)
    assert model.forest is None


@pytest.mark.parametrize(
    "changes",
    [
        {"column": np.full(3, 99, np.uint32)},
        {"column": np.zeros(2, np.uint32)},
        {"column": np.zeros(3, np.int64)},
        {"feature": np.full(3, 99, np.uint32)},
        {"feature": np.zeros((3, 1), np.uint32)},
        {"at_nan": np.full(3, np.nan)},
        {"at_zero": np.zeros(0)},
        {"threshold": np.zeros(2)},
        {"threshold": np.full(3, np.nan)},
        {"threshold": np.full(3, np.inf)},
        {"n_left": np.array([1, 1, 0], np.uint32)},  # a child without a leaf
        {"n_left": np.array([4, 1, 1], np.uint32)},
        {"n_left": np.array([1, 3, 1], np.uint32)},
        {"n_left": np.full(3, 2**32 - 1, np.uint32)},
        {"leaf": np.zeros(1)},
        {"leaf": np.zeros(5)},
        {"first_leaf": np.array([0, 2**64 - 1], np.uint64)},
        {"first_leaf": np.array([1, 4], np.uint64)},
        {"first_leaf": np.array([0, 0, 4], np.uint64)},
        {"first_leaf": np.zeros(0, np.uint64)},
        {"first_tree": np.array([0, 99], np.uint64)},
        {"first_tree": np.array([0], np.uint64)},
        {"first_tree": np.array([0, 2, 1], np.uint64)},
        {"more": np.zeros(3)},
    ],
)
def test_tables_that_point_nowhere_are_refused(changes: dict[str, np.ndarray]):
    tables = tables_of(train(n_trees=1, num_leaves=4))
    assert len(tables.n_left) == 3
    with pytest.raises(ValueError, match="forest table"):
        altered_tables(tables, **changes)


def test_probes_reach_most_leaves(plain: str):
    tables = tables_of(plain)
    reached = lgb.Booster(model_str=plain).predict(probe_rows(tables, 1), pred_leaf=True)
    n_reached = sum(len(np.unique(reached[:, t])) for t in range(reached.shape[1]))
    assert n_reached > 0.8 * len(tables.leaf)
    assert same_bits(probe_rows(tables, 1), probe_rows(tables, 1))


@pytest.mark.parametrize("broken", ["open-to-others", "a-file", "no-home"])
def test_without_a_private_cache_it_is_compiled_all_the_same(plain, cache: Path, broken: str, monkeypatch, caplog):
    root = cache.parent
    if broken == "open-to-others":
        cache.mkdir(parents=True)
        cache.chmod(0o755)
    elif broken == "a-file":
        root.write_text("x")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", "")
    assert forest_of(plain).predict(rows_of(3, 1)).shape == (1, 3)
    assert "not kept between starts" in caplog.text


@pytest.fixture
def fresh_loads() -> Iterator[None]:
    load_walk.cache_clear()
    yield
    load_walk.cache_clear()


@pytest.mark.usefixtures("fresh_loads")
def test_machine_code_is_kept_in_the_folder_and_a_damaged_one_is_done_without(tmp_path: Path, plain: str, caplog):
    rows, tables = rows_of(20, 1), tables_of(plain)
    expected = library_of(plain)(rows).tobytes()
    assert CompiledForest(tables, load_walk("across", None)).predict(rows)[0].tobytes() == expected
    load_walk("across", tmp_path)
    kept = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.suffix for path in kept} == {".nbc", ".nbi"}
    load_walk.cache_clear()
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert CompiledForest(tables, load_walk("across", tmp_path)).predict(rows)[0].tobytes() == expected
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    for suffix in (".nbc", ".nbi"):
        load_walk.cache_clear()
        for path in kept:
            if path.suffix == suffix:
                path.write_bytes(b"")
        assert CompiledForest(tables, load_walk("across", tmp_path)).predict(rows)[0].tobytes() == expected
    assert "remove the folder" in caplog.text


ELSEWHERE = """
import sys
import LIVE_TRADING
import numpy as np
from LIVE_TRADING.models.compiled_forest import CompiledForest
from LIVE_TRADING.models.forest_compiler import load_walk
from LIVE_TRADING.models.forest_file import decode_tables

walk = load_walk("across", None)
assert "zmm" not in next(iter(walk.inspect_asm().values()))
tables, rows = decode_tables(open(sys.argv[1], "rb").read()), np.load(sys.argv[2])
sys.stdout.write(CompiledForest(tables, walk).predict(rows).tobytes().hex())
"""


def test_a_processor_with_no_more_than_the_least_registers_gives_the_same(tmp_path: Path):
    text = train(num_leaves=20)
    rows = np.concatenate([rows_of(201, 3, special=0.3), near_thresholds(text, 2)])
    (tmp_path / "tables").write_bytes(encode_tables(tables_of(text)))
    np.save(tmp_path / "rows.npy", rows)
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "tables"), str(tmp_path / "rows.npy")]
    plain_processor = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=plain_processor, cwd=REPO)
    assert bytes.fromhex(found.stdout) == library_of(text)(rows).tobytes()


@pytest.mark.usefixtures("fresh_loads")
@pytest.mark.parametrize("failure", ["switched-off", "does-not-compile"])
def test_where_numba_cannot_the_library_predicts(plain: str, failure: str, monkeypatch, caplog):
    import numba

    if failure == "switched-off":
        monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    else:
        monkeypatch.setattr(forest_kernel, "on_a_line", None)
    monkeypatch.setattr(module, "load_walk", load_walk)
    model = model_of(plain)
    model.compile_forest("ret_5m/lightgbm")
    assert model.forest is None
    assert "ret_5m/lightgbm is predicted with by its library: numba" in caplog.text


def test_the_loader_compiles_what_can_be(small_run):
    plain, fast = ModelLoader(small_run.root), ModelLoader(small_run.root, compiled=True)
    rows = rows_of(30, 3)[:, :4]
    for target in ("ret_5m", "ret_1d"):
        model = fast.load(target, "lightgbm")
        assert isinstance(model, ForestModel)
        assert model.forest is not None
        assert model.predict(rows).tobytes() == plain.load(target, "lightgbm").predict(rows).tobytes()
        assert not isinstance(fast.load(target, "ridge"), ForestModel)


def engine_of(root: Path, *, compiled: bool) -> InferenceEngine:
    loader = ModelLoader(root, compiled=compiled)
    return InferenceEngine([[loader.load(t, f) for f in ("lightgbm", "ridge")] for t in ("ret_5m", "ret_1d")])


def test_the_grid_gives_the_same_with_and_without(small_run):
    features = np.random.default_rng(2).standard_normal((5, 4, 30))
    features[np.random.default_rng(3).random(features.shape) < 0.2] = np.nan
    fast, plain = engine_of(small_run.root, compiled=True), engine_of(small_run.root, compiled=False)
    assert fast.predict_block(features).tobytes() == plain.predict_block(features).tobytes()
    assert fast.predict(features[0]).tobytes() == plain.predict(features[0]).tobytes()


def test_a_forest_that_differs_beside_others_is_left_to_its_library_at_once(small_run, monkeypatch, caplog):
    together = ForestTables.joined.__func__

    def damaged(cls: type[ForestTables], parts: list[ForestTables]) -> ForestTables:
        tables = together(cls, parts)
        if len(parts) == 1:
            return tables
        threshold = tables.threshold.copy()
        threshold[-1] += 1e-9  # of the second model
        return altered_tables(tables, threshold=threshold)

    monkeypatch.setattr(ForestTables, "joined", classmethod(damaged))
    features = np.random.default_rng(2).standard_normal((4, 30))
    engine = engine_of(small_run.root, compiled=True)
    assert caplog.text.count("compiled, it differs") == 1
    assert engine.predict(features).tobytes() == engine_of(small_run.root, compiled=False).predict(features).tobytes()


@pytest.mark.parametrize("wrong", [("ret_5m",), ("ret_5m", "ret_1d")])
def test_a_forest_that_differs_on_the_first_real_rows_is_not_asked_again(small_run, wrong: tuple[str, ...], caplog):
    features = np.random.default_rng(2).standard_normal((4, 30))
    loader = ModelLoader(small_run.root, compiled=True)
    for target in wrong:
        model = loader.load(target, "lightgbm")
        tables = model.forest.tables
        model.forest = CompiledForest(altered_tables(tables, leaf=tables.leaf + 1.0))
    engine = InferenceEngine([[loader.load(t, f) for f in ("lightgbm", "ridge")] for t in ("ret_5m", "ret_1d")])
    expected = engine_of(small_run.root, compiled=False).predict(features).tobytes()
    with caplog.at_level(logging.ERROR):
        assert engine.predict(features).tobytes() == expected
    assert caplog.text.count("compiled, it differs") == len(wrong)
    assert engine.predict(features).tobytes() == expected
    assert loader.load("ret_5m", "lightgbm").predict(features.T.copy()).tobytes() == (
        ModelLoader(small_run.root).load("ret_5m", "lightgbm").predict(features.T.copy()).tobytes()
    )
