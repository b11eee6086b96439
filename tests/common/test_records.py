"""Changed copies of records: what `dataclasses.replace` gives, for every kind of record."""

from __future__ import annotations

# covers: A5
import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace
from functools import cached_property

import pytest

from LIVE_TRADING.common.records import quick_init, replaced


@dataclass(frozen=True)
class Copied:
    a: int
    b: str = "b"

    @cached_property
    def doubled(self) -> int:
        return 2 * self.a


@dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: str = "b"


@dataclass(frozen=True)
class Checked:
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError(f"a is {self.a}")


@quick_init
@dataclass(frozen=True, slots=True)
class Quick:
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError(f"a is {self.a}")


@pytest.mark.parametrize("kind", [Copied, Slotted, Checked, Quick])
def test_it_is_what_dataclasses_replace_gives(kind: type) -> None:
    record = kind(1)
    after = replaced(record, a=2)
    assert after == replace(record, a=2)
    assert record == kind(1)
    assert replaced(after, b="c") == kind(2, "c")
    assert replaced(record) == record
    assert replaced(record) is not record
    with pytest.raises(FrozenInstanceError):
        after.a = 3


@pytest.mark.parametrize("kind", [Copied, Slotted, Checked, Quick])
def test_a_name_that_is_no_field_is_refused(kind: type) -> None:
    with pytest.raises(KeyError, match="z"):
        replaced(kind(1), z=1)


def test_what_was_computed_from_the_old_fields_is_not_carried_over() -> None:
    record = Copied(1)
    assert record.doubled == 2
    after = replaced(record, a=5)
    assert after.doubled == 10
    assert after == Copied(5)


def test_a_record_that_checks_itself_is_checked_again() -> None:
    with pytest.raises(ValueError, match="a is -1"):
        replaced(Checked(1), a=-1)
    with pytest.raises(ValueError, match="a is -1"):
        replaced(Quick(1), a=-1)


def test_a_quick_record_is_made_as_its_dataclass_would_make_it() -> None:
    assert Quick(1) == Quick(a=1, b="b") == Quick(1, b="b")
    assert repr(Quick(2, "c")) == "Quick(a=2, b='c')"
    assert str(inspect.signature(Quick)) == str(inspect.signature(Slotted))
    for wrong in ({}, {"a": 1, "z": 2}, {"b": "c"}):
        with pytest.raises(TypeError, match="__init__"):
            Quick(**wrong)
    with pytest.raises(ValueError, match="a is -1"):
        Quick(-1)


@dataclass(frozen=True, slots=True)
class Listing:
    a: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Longer(Slotted):
    c: int = 0


@pytest.mark.parametrize("kind", [Copied, Listing, Longer])
def test_a_record_that_cannot_be_set_by_its_slots_is_refused(kind: type) -> None:
    with pytest.raises(TypeError, match=kind.__name__):
        quick_init(kind)
