"""`record` makes the dataclasses that `dataclass` would make, and `NamedTuple` the named tuples of `typing`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import typing
from dataclasses import dataclass, field
from typing import Any

import pytest

from revvlink_cli._record import NamedTuple, record


@record(frozen=True)
class Place:
    """A frozen record."""

    name: str
    tags: tuple[str, ...] = ()
    secret: str = field(default="x", repr=False)
    seen: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PlaceOfDataclass:
    """The same by `dataclass`."""

    name: str
    tags: tuple[str, ...] = ()
    secret: str = field(default="x", repr=False)
    seen: int = field(default=0, compare=False)


@record(frozen=True, kw_only=True)
class NamedPlace(Place):
    """A record with the fields of another one, and a check."""

    number: int

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        if self.number < 0:
            raise ValueError("number is at least 0")


@record
class Counter:
    """A record that changes."""

    count: int = 0
    names: list[str] = field(default_factory=list)


def test_records_behave_as_dataclasses() -> None:
    """Equality, hash, text, fields, replacement and matching are those of `dataclass`."""
    ours, theirs = Place("a", ("b",)), PlaceOfDataclass("a", ("b",))

    assert repr(ours) == repr(theirs).replace("PlaceOfDataclass", "Place")
    assert ours == Place("a", tags=("b",), seen=3)
    assert hash(ours) == hash(theirs) == hash(dataclasses.replace(ours, seen=5))
    assert ours != Place("a")
    assert ours != theirs  # type: ignore[comparison-overlap]
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert [entry.name for entry in dataclasses.fields(Place)] == ["name", "tags", "secret", "seen"]
    assert dataclasses.replace(ours, name="c") == Place("c", ("b",))
    assert copy.copy(ours) == copy.deepcopy(ours) == pickle.loads(pickle.dumps(ours)) == ours
    assert not hasattr(ours, "__dict__")
    match ours:
        case Place(name, tags):
            assert (name, tags) == ("a", ("b",))


def test_frozen_records_refuse_changes_and_others_take_them() -> None:
    """A frozen record is as it was made; one that changes cannot be a key."""
    place, counter = Place("a"), Counter()

    with pytest.raises(dataclasses.FrozenInstanceError):
        place.name = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del place.name
    counter.count += 1
    counter.names.append("a")
    assert (counter, Counter().names) == (Counter(1, ["a"]), [])
    with pytest.raises(TypeError):
        hash(counter)


def test_inherited_fields_come_first_and_the_check_runs() -> None:
    """A subclass takes the fields of its base, then its own by name."""
    assert NamedPlace("a", number=1) == dataclasses.replace(NamedPlace("a", number=2), number=1)
    with pytest.raises(ValueError, match="at least 0"):
        NamedPlace("a", number=-1)


@pytest.mark.parametrize(
    ("args", "values", "message"),
    [
        ((), {}, "Place needs a value for 'name'"),
        (("a",), {"name": "b"}, "Place got two values for 'name'"),
        (("a",), {"colour": "b"}, "Place has no field 'colour'"),
        (("a", (), "x", 0, 1), {}, "Place takes 4 positional arguments, but 5 were given"),
    ],
)
def test_wrong_arguments_are_refused(args: tuple[Any, ...], values: dict[str, Any], message: str) -> None:
    """What does not fit the fields is a `TypeError` that names the field."""
    with pytest.raises(TypeError, match=message):
        Place(*args, **values)


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: int = 2
    names: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """A method of its own."""
        return self.x + self.y


class PointOfTyping(typing.NamedTuple):
    """The same by `typing`."""

    x: int
    y: int = 2
    names: tuple[str, ...] = ()


def test_named_tuples_behave_as_those_of_typing() -> None:
    """Fields, defaults, text, equality, hash, replacement and matching are those of `typing.NamedTuple`."""
    ours, theirs = Point(1, names=("a",)), PointOfTyping(1, names=("a",))

    assert repr(ours) == repr(theirs).replace("PointOfTyping", "Point")
    assert tuple(ours) == tuple(theirs) == (1, 2, ("a",))
    assert ours == Point(1, 2, ("a",))
    assert hash(ours) == hash(theirs)
    assert (ours.x, ours.y, ours.names, ours.total) == (1, 2, ("a",), 3)
    assert (Point._fields, Point._field_defaults) == (PointOfTyping._fields, PointOfTyping._field_defaults)
    assert ours._asdict() == theirs._asdict()
    assert ours._replace(x=5) == Point._make([5, 2, ("a",)]) == Point(x=5, y=2, names=("a",))
    assert type(ours._replace(x=5)) is Point
    assert copy.copy(ours) == copy.deepcopy(ours) == pickle.loads(pickle.dumps(ours)) == ours
    assert type(pickle.loads(pickle.dumps(ours))) is Point
    assert not hasattr(ours, "__dict__")
    with pytest.raises(AttributeError):
        ours.x = 2  # type: ignore[misc]
    match ours:
        case Point(x, y):
            assert (x, y) == (1, 2)


@pytest.mark.parametrize(
    ("args", "values", "message"),
    [
        ((), {}, "Point needs a value for 'x'"),
        ((1,), {"x": 2}, "Point got two values for 'x'"),
        ((1,), {"colour": 2}, "Point has no field 'colour'"),
        ((1, 2, (), 4), {}, "Point takes 3 positional arguments, but 4 were given"),
    ],
)
def test_wrong_values_of_named_tuples_are_refused(args: tuple[Any, ...], values: dict[str, Any], message: str) -> None:
    """What does not fit the fields is a `TypeError` that names the field."""
    with pytest.raises(TypeError, match=message):
        Point(*args, **values)
