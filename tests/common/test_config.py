"""Loading, explaining and hashing a configuration, on a small tree of its own."""

# covers: P2, A14

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveFloat, SecretStr, ValidationError, model_validator

from LIVE_TRADING.common.config import (
    FrozenConfig,
    config_dict,
    config_from_dict,
    config_hash,
    flat,
    load_tree,
    lookup,
)
from LIVE_TRADING.common.exceptions import ConfigurationError

REPO = Path(__file__).resolve().parents[2]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(FrozenConfig):
    share: Fraction


class Blending(FrozenConfig):
    ridge_lambda: Fraction = Field(0.15, description="relative to the mean of the diagonal")
    temperature: dict[str, PositiveFloat] = Field({"5m": 0.75})
    mode: Literal["off", "on"] = "on"
    speed: dict[Literal["5m", "10m"], PositiveFloat] = Field({})
    names: tuple[Literal["5m", "10m"], ...] = Field(("5m",), min_length=1)
    parts: tuple[Part, ...] = ()


class Window(FrozenConfig):
    start: str
    length: int = Field(30, ge=1, le=390)


class Risk(FrozenConfig):
    max_weight: Fraction | None = 0.05
    min_weight: float = Field(0.004, ge=0)
    cash: Decimal = Field(Decimal("100000"), gt=0)
    windows: tuple[Window, ...] = ()
    colour: Colour = Colour.RED

    @model_validator(mode="after")
    def _ordered(self) -> Risk:
        if self.max_weight is not None and self.max_weight < self.min_weight:
            raise ValueError(f"max_weight {self.max_weight} is below min_weight {self.min_weight}")
        return self


class Hook(FrozenConfig):
    url: SecretStr
    timeout_s: PositiveFloat = 5.0


class Venue(FrozenConfig):
    token: SecretStr | None = None
    symbols: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    since: date | None = None
    folder: Path = Path("state")
    live: bool = False
    hook: Hook | None = None


class Tree(FrozenConfig):
    seed: int = 7
    blending: Blending = Blending()
    risk: Risk = Risk()
    venue: Venue = Venue()


def write(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(folder: Path, text: str, **sources: dict[str, str]) -> list[str]:
    """Return the problems of a document, its path cut to the name."""
    path = write(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        load_tree(Tree, [path], **sources)
    head, *lines = str(caught.value).split("\n  ")
    assert head == f"configuration: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return [line.replace(f"{folder}/", "") for line in lines]


def test_nothing_given_is_the_defaults() -> None:
    loaded = load_tree(Tree)
    assert loaded.config == Tree()
    assert loaded.sources == {}


def test_later_sources_win_key_by_key(tmp_path: Path) -> None:
    base = write(
        tmp_path,
        "live_trading:\n  seed: 1\n  blending:\n    ridge_lambda: 0.2\n    mode: off\n"
        "  venue:\n    symbols: [ON, 'NO']\n",
    )
    profile = write(
        tmp_path, "live_trading:\n  seed: 2\n  blending:\n    ridge_lambda: 0.3\n  risk:\n    cash: 5e4\n", "b.yaml"
    )
    empty = write(tmp_path, "# nothing yet\n", "c.yaml")
    loaded = load_tree(
        Tree,
        [base, profile, empty],
        {"LIVE_TRADING__BLENDING__RIDGE_LAMBDA": "0.4", "LIVE_TRADING_DATA": "x", "HOME": "/"},
        {"live_trading.seed": "5"},
    )
    assert loaded.config.seed == 5
    assert loaded.config.blending == Blending(ridge_lambda=0.4, mode="off")
    assert loaded.config.venue.symbols == ("ON", "NO")
    assert loaded.config.risk.cash == Decimal("50000")
    assert loaded.sources == {
        "blending": f"{base}:3",
        "blending.mode": f"{base}:5",
        "blending.ridge_lambda": "LIVE_TRADING__BLENDING__RIDGE_LAMBDA",
        "risk": f"{profile}:5",
        "risk.cash": f"{profile}:6",
        "seed": "command line",
        "venue": f"{base}:6",
        "venue.symbols": f"{base}:7",
        "venue.symbols.0": f"{base}:7",
        "venue.symbols.1": f"{base}:7",
    }


def test_lists_are_replaced_and_free_keys_merged(tmp_path: Path) -> None:
    base = write(tmp_path, "live_trading:\n  venue: {symbols: [A, B]}\n  blending: {temperature: {5m: 0.5, 10m: 1}}\n")
    profile = write(tmp_path, "live_trading:\n  venue: {symbols: [C]}\n  blending: {temperature: {10m: 2}}\n", "b.yaml")
    loaded = load_tree(Tree, [base, profile])
    assert loaded.config.venue.symbols == ("C",)
    assert loaded.config.blending.temperature == {"5m": 0.5, "10m": 2.0}
    assert "venue.symbols.1" not in loaded.sources


def test_an_empty_section_says_nothing_and_null_switches_an_optional_one_off(tmp_path: Path) -> None:
    base = write(
        tmp_path, "live_trading:\n  blending:\n  venue:\n    hook:\n      url: http://x\n  risk: {max_weight: 0.1}\n"
    )
    profile = write(tmp_path, "live_trading:\n  venue:\n    hook: null\n  risk:\n    max_weight: null\n", "b.yaml")
    assert load_tree(Tree, [base]).config.venue.hook is not None
    both = load_tree(Tree, [base, profile]).config
    assert both.venue.hook is None
    assert both.risk.max_weight is None
    back = load_tree(Tree, [profile, base]).config
    assert back.venue.hook is not None


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("venue.symbols", "AAPL, MSFT", ("AAPL", "MSFT")),
        ("venue.symbols", "[TRUE, ON]", None),
        ("venue.symbols", "[A]", ("A",)),
        ("venue.symbols", "TRUE", ("TRUE",)),
        ("venue.symbols", "", ()),
        ("venue.token", "12345", SecretStr("12345")),
        ("venue.token", "", None),
        ("venue.live", "true", True),
        ("venue.since", "2025-10-15", date(2025, 10, 15)),
        ("venue.folder", "1", Path("1")),
        ("risk.cash", "0.1", Decimal("0.1")),
        ("risk.max_weight", "null", None),
        ("risk.colour", "blue", Colour.BLUE),
        ("blending.mode", "off", "off"),
        ("blending.temperature.5m", "2", {"5m": 2.0}),
    ],
)
def test_text_becomes_what_the_schema_wants(key: str, text: str, expected: object) -> None:
    config = load_tree(Tree, overrides={key: text}).config
    got = lookup(config, key.removesuffix(".5m"))
    assert got == (expected if expected is not None or text != "[TRUE, ON]" else ("TRUE", "ON"))


def test_all_errors_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
live_trading:
  seed: true
  blending:
    ridge_lamda: 0.2
    ridge_lambda: 3
    mode: sometimes
    temperature: {5m: -1}
  risk:
    max_weight: "0.1"
    cash: .nan
    colour: green
    windows:
      - {start: "09:30", length: 0}
      - {length: 5}
  venues: {}
  venue:
    ridge_lambda: 0.1
    symbols: AAPL
    token: 5
    since: yesterday
  zzz: 1
other: 1
"""
    env = {"LIVE_TRADING__RISK__MIN_WEIGHT": "nan", "LIVE_TRADING__RISK__MAX_WIEGHT": "1"}
    assert problems(tmp_path, text, env=env, overrides={"risk.limit": "secret"}) == [
        "a.yaml:22: other: the one top key is live_trading",
        "a.yaml:2: seed = true: must be a valid integer",
        "a.yaml:5: blending.ridge_lambda = 3: must be > 0 and <= 1",
        "a.yaml:7: blending.temperature.5m = -1: must be > 0",
        'a.yaml:6: blending.mode = "sometimes": must be one of off, on',
        "a.yaml:4: blending.ridge_lamda = 0.2: unknown key; did you mean blending.ridge_lambda?",
        'a.yaml:9: risk.max_weight = "0.1": must be a valid number (allowed: > 0 and <= 1)',
        'LIVE_TRADING__RISK__MIN_WEIGHT: risk.min_weight = "nan": must be a valid number (allowed: >= 0)',
        'a.yaml:10: risk.cash = ".nan": must be a valid decimal (allowed: > 0)',
        "a.yaml:13: risk.windows.0.length = 0: must be >= 1 and <= 390",
        'a.yaml:11: risk.colour = "green": must be one of red, blue',
        "LIVE_TRADING__RISK__MAX_WIEGHT: risk.max_wieght = 1: unknown key; did you mean risk.max_weight?",
        "command line: risk.limit: unknown key; known here: cash, colour, max_weight, min_weight, windows",
        "a.yaml:19: venue.token = **********: must be a valid string",
        'a.yaml:18: venue.symbols = "AAPL": must be a valid array',
        'a.yaml:20: venue.since = "yesterday": must be a valid date in the format YYYY-MM-DD, input is too short',
        "a.yaml:17: venue.ridge_lambda: unknown key; did you mean blending.ridge_lambda?",
        "a.yaml:15: venues: unknown key; did you mean venue?",
        "a.yaml:21: zzz: unknown key; known here: blending, risk, seed, venue",
    ]


def test_a_missing_key_is_named_by_its_section(tmp_path: Path) -> None:
    text = "live_trading:\n  venue:\n    hook:\n      timeout_s: 1\n  risk:\n    windows: [{length: 3}]\n"
    assert problems(tmp_path, text) == [
        "a.yaml:6: risk.windows.0.start: must be set",
        "a.yaml:3: venue.hook.url: must be set",
    ]


def test_a_rule_over_several_keys_is_named_by_its_section(tmp_path: Path) -> None:
    text = "live_trading:\n  risk:\n    max_weight: 0.001\n"
    assert problems(tmp_path, text) == ["a.yaml:3: risk: max_weight 0.001 is below min_weight 0.004"]


def test_a_rule_over_several_keys_blames_where_their_values_come_from(tmp_path: Path) -> None:
    text = "live_trading:\n  risk:\n    cash: 5\n    min_weight: 0.002\n"
    said = "risk: max_weight 0.001 is below min_weight 0.002"
    assert problems(tmp_path, text, overrides={"risk.max_weight": "0.001"}) == [f"a.yaml:4, command line: {said}"]
    variable = "LIVE_TRADING__RISK__MAX_WEIGHT"
    assert problems(tmp_path, text, env={variable: "0.001"}) == [f"a.yaml:4, {variable}: {said}"]


def test_a_list_given_on_the_command_line_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    text = "live_trading:\n  blending:\n    parts: [{share: 0.5}]\n"
    assert problems(tmp_path, text, overrides={"blending.parts": "[{share: 0.5}, {share: 2}]"}) == [
        "command line: blending.parts.1.share = 2: must be > 0 and <= 1"
    ]


def test_mappings_in_text_are_what_they_are_in_a_file(tmp_path: Path) -> None:
    given = "{max_weight: null, windows: [{start: '09:30', length: 5}]}"
    text = f"live_trading:\n  risk: {given}\n  blending: {{temperature: {{5m: 2, 10m: 1e-1}}}}\n"
    from_file = load_tree(Tree, [write(tmp_path, text)]).config
    flags = {"risk": given, "blending.temperature": "{5m: 2, 10m: 1e-1}"}
    assert load_tree(Tree, overrides=flags).config == from_file
    variables = {"LIVE_TRADING__RISK": given, "LIVE_TRADING__BLENDING__TEMPERATURE": "{5m: 2, 10m: 1e-1}"}
    assert load_tree(Tree, env=variables).config == from_file
    assert from_file.risk.max_weight is None
    assert from_file.blending.temperature == {"5m": 2.0, "10m": 0.1}


def test_a_mapping_in_text_lies_over_the_one_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "live_trading:\n  risk: {min_weight: 0.001, max_weight: 0.1}\n")
    loaded = load_tree(Tree, [path], overrides={"risk": "{max_weight: 0.2}"})
    assert (loaded.config.risk.min_weight, loaded.config.risk.max_weight) == (0.001, 0.2)
    assert loaded.sources["risk.max_weight"] == "command line"
    assert loaded.sources["risk.min_weight"] == f"{path}:2"


def test_text_that_looks_like_a_mapping_stays_text_where_text_is_wanted() -> None:
    assert load_tree(Tree, overrides={"venue.folder": "{a: b}"}).config.venue.folder == Path("{a: b}")


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        pytest.param("risk", "7", "risk = 7: keys stand below it: cash, colour, max_", id="value-for-a-section"),
        pytest.param("blending.temperature", "warm", "keys stand below it, each with its value", id="free-keys"),
        pytest.param("blending.temperature", "{5m: 1", "= {5m: 1: is no YAML: expected ',' or '}'", id="no-yaml"),
        pytest.param("blending.temperature", "{5m: '2'}", 'temperature.5m = "2": must be a valid number', id="quoted"),
        pytest.param("blending.speed.9m", "1", "speed.9m = 1: unknown key; known here: 5m, 10m", id="key-of-a-choice"),
        pytest.param("risks", "7", "risks: unknown key; known here: blending, risk,", id="no-section-for-a-value"),
        pytest.param("risks", "{cash: 7}", "risks: unknown key; did you mean risk?", id="section-for-a-section"),
        pytest.param("blending.lengths", "7", "lengths = 7: unknown key; known here: ", id="not-of-another-section"),
        pytest.param("blending.ridge_lamda", "{a: 1}", "ridge_lamda: unknown key; known here", id="no-value-for-keys"),
    ],
)
def test_text_of_the_wrong_form_is_refused_with_what_to_write(key: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_tree(Tree, overrides={key: text})
    (line,) = str(caught.value).split("\n  ")[1:]
    assert line.startswith("command line: ")
    assert said in line


def test_known_keys_are_taken_in_either_case_and_free_ones_as_they_are() -> None:
    variables = {"LIVE_TRADING__BLENDING__SPEED__10M": "2", "LIVE_TRADING__BLENDING__TEMPERATURE__10M": "3"}
    blending = load_tree(Tree, env=variables, overrides={"Blending.SPEED.5M": "1"}).config.blending
    assert blending.speed == {"5m": 1.0, "10m": 2.0}
    assert blending.temperature == {"10M": 3.0}


def test_of_a_list_whose_entries_are_refused_the_length_is_not_said(tmp_path: Path) -> None:
    assert problems(tmp_path, "live_trading:\n  blending:\n    names: [7m]\n") == [
        'a.yaml:3: blending.names.0 = "7m": must be one of 5m, 10m'
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("live_trading:\n  seed: 1\n  seed: 2\n", ["a.yaml:3: live_trading.seed: given twice, first on line 2"]),
        ("seed: 1\n", ["a.yaml:1: seed: the one top key is live_trading"]),
        ("[1]\n", ["a.yaml:1: the one top key live_trading: is missing"]),
        ("{}\n", ["a.yaml:1: the one top key live_trading: is missing"]),
        ("live_trading: 3\n", ["a.yaml:1: live_trading: sections are wanted below it"]),
        (
            "live_trading:\n  risk: 3\n",
            ["a.yaml:2: risk = 3: keys stand below it: cash, colour, max_weight, min_weight, windows"],
        ),
        ("live_trading:\n  seed: [\n", None),
    ],
)
def test_documents_of_the_wrong_form(tmp_path: Path, text: str, expected: list[str] | None) -> None:
    got = problems(tmp_path, text)
    assert got == expected if expected else got[0].startswith("a.yaml:3: is no YAML")


def test_a_missing_key_is_not_reported_while_a_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_tree(Window, [tmp_path / "none.yaml"])
    assert str(caught.value) == f"configuration: 1 problem\n  {tmp_path}/none.yaml: no such file"


def test_validators_may_raise_our_own_errors() -> None:
    class Odd(FrozenConfig):
        n: int = 1

        @model_validator(mode="after")
        def _refuse(self) -> Odd:
            raise ConfigurationError("n is odd")

    with pytest.raises(ConfigurationError, match="1 problem\n  configuration: n is odd"):
        load_tree(Odd)


def test_long_values_are_cut(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, f"live_trading:\n  seed: {'x' * 200}\n")
    assert len(line) < 150


def test_a_secret_shows_nowhere() -> None:
    env = {"LIVE_TRADING__VENUE__TOKEN": "s3cret", "LIVE_TRADING__VENUE__HOOK__URL": "http://s3cret"}
    loaded = load_tree(Tree, env=env)
    token = loaded.config.venue.token
    assert token is not None and token.get_secret_value() == "s3cret"
    assert loaded.sources["venue.token"] == "LIVE_TRADING__VENUE__TOKEN"
    for text in (repr(loaded), str(flat(loaded.config)), str(config_dict(loaded.config))):
        assert "s3cret" not in text
    assert flat(loaded.config)["venue.token"] == "**********"
    assert "token" not in config_dict(loaded.config)["venue"]
    with pytest.raises(ConfigurationError) as caught:
        load_tree(Tree, env={**env, "LIVE_TRADING__VENUE__SINCE": "x"})
    assert "s3cret" not in str(caught.value) + str(caught.value.__cause__)


def test_the_hash_sees_values_and_neither_secrets_nor_spelling() -> None:
    assert config_hash(load_tree(Tree, overrides={"venue.token": "x"}).config) == config_hash(
        load_tree(Tree, overrides={"venue.token": "y", "risk.cash": "1E+5", "seed": "7"}).config
    )
    assert config_hash(Tree(risk=Risk(cash=Decimal("1.50")))) == config_hash(Tree(risk=Risk(cash=Decimal("1.5"))))
    assert config_hash(Tree(seed=8)) != config_hash(Tree())


HASH = """
from LIVE_TRADING.common.config import FrozenConfig, config_hash
class Tree(FrozenConfig):
    tags: frozenset[str] = frozenset("abcdefgh")
print(config_hash(Tree()))
"""


def test_the_hash_is_the_same_in_every_process() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", HASH], env={"PYTHONHASHSEED": seed}, cwd=REPO, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(hashes) == 1


def test_a_dict_comes_back_as_the_configuration_it_was() -> None:
    config = load_tree(
        Tree,
        overrides={
            "risk.cash": "0.1",
            "venue.tags": "b,a",
            "venue.since": "2025-01-02",
            "risk.colour": "blue",
            "venue.folder": "x/y",
            "venue.symbols": "A,B",
            "risk.max_weight": "0.3",
        },
    ).config
    tree = config_dict(config)
    assert tree["venue"]["tags"] == ["a", "b"]
    assert config_from_dict(Tree, tree) == config
    with pytest.raises(ConfigurationError, match="extra: unknown key"):
        config_from_dict(Tree, {**tree, "extra": 1})


def test_lookup() -> None:
    config = Tree()
    assert lookup(config, "live_trading.blending.ridge_lambda") == 0.15
    assert lookup(config, "blending.temperature.5m") == 0.75
    assert lookup(config, "venue.token", default=3) is None
    assert lookup(config, "blending.nope", default=3) == 3
    assert lookup(config, "seed.deeper", default=None) is None
    with pytest.raises(ConfigurationError, match=r"did you mean blending\.ridge_lambda\?"):
        lookup(config, "live_trading.blending.ridge_lamda.deeper")


def test_a_section_is_frozen_and_refuses_what_is_no_number() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Risk(min_weight=math.nan)
    with pytest.raises(ValidationError, match="frozen"):
        Risk().min_weight = 0.1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra"):
        Risk(limit=1)  # type: ignore[call-arg]
