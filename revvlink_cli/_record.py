"""Dataclasses and named tuples that are made fast, for the types that every command loads.

`dataclass` compiles six methods for each class: with eight fields that takes a fortieth of the time of `import typer`,
and a command loads many such types before it does anything. `record` gives all classes the same methods, which read
the fields of their instance. Making an instance takes longer, so types of which there are many stay `dataclass`.

`NamedTuple` makes named tuples fast. `typing.NamedTuple` compiles a method and the types of all fields for each class,
which takes ten times as long.
"""

from __future__ import annotations

__all__ = ["NamedTuple", "record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from typing import NamedTuple
else:
    from dataclasses import MISSING, FrozenInstanceError, dataclass
    from operator import itemgetter
    from typing import Any

    def record(cls: Any = None, /, *, frozen: bool = False, kw_only: bool = False) -> Any:
        """Make a dataclass with slots, as ``dataclass(slots=True)`` does: fields, `replace` and the rest work alike.

        Args:
            cls: The class.
            frozen: Whether instances cannot be changed; they can be hashed then.
            kw_only: Whether the fields are given by name only.
        """

        def decorate(cls: type) -> type:
            made = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            methods = {"__init__": _init, "__repr__": _repr, "__eq__": _equal, "__hash__": None}
            if frozen:
                methods |= {
                    "__hash__": _hash, "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete,
                    "__setstate__": _set_state,
                }  # fmt: skip
            for name, method in methods.items():
                if name not in vars(cls):
                    setattr(made, name, method)
            return made

        return decorate if cls is None else decorate(cls)

    def _init(self: Any, *args: Any, **values: Any) -> None:
        kind = type(self).__name__
        if len(args) > len(self.__match_args__):
            raise TypeError(f"{kind} takes {len(self.__match_args__)} positional arguments, but {len(args)} were given")
        for name, value in zip(self.__match_args__, args, strict=False):
            if name in values:
                raise TypeError(f"{kind} got two values for {name!r}")
            values[name] = value
        for name, field in self.__dataclass_fields__.items():
            if name in values:
                value = values.pop(name)
            elif field.default is not MISSING:
                value = field.default
            elif field.default_factory is not MISSING:
                value = field.default_factory()
            else:
                raise TypeError(f"{kind} needs a value for {name!r}")
            object.__setattr__(self, name, value)
        if values:
            raise TypeError(f"{kind} has no field {next(iter(values))!r}")
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def _repr(self: Any) -> str:
        fields = self.__dataclass_fields__.values()
        shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields if field.repr)
        return f"{type(self).__qualname__}({shown})"

    def _values(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in self.__dataclass_fields__.values() if field.compare)

    def _equal(self: Any, other: object) -> bool:
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def _hash(self: Any) -> int:
        return hash(_values(self))

    def _refuse_to_set(_self: Any, name: str, _value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(_self: Any, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _set_state(self: Any, state: Any) -> None:
        """Take the values of a copy: `copy` and `pickle` would set them otherwise."""
        for name, value in state[1].items():
            object.__setattr__(self, name, value)

    class _NamedTupleType(type):
        """Makes a class with `NamedTuple` as its base: its fields are those of the annotations."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
            made = super().__new__(cls, name, bases, {**namespace, "__slots__": ()})
            fields = tuple(made.__annotations__)
            made._fields = made.__match_args__ = fields
            made._field_defaults = {field: namespace[field] for field in fields if field in namespace}
            for place, field in enumerate(fields):
                setattr(made, field, property(itemgetter(place)))
            return made

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """The base of named tuples, which work as those of `typing.NamedTuple` do."""

        __slots__ = ()

        def __new__(cls, *args: Any, **values: Any) -> Any:
            if values or len(args) != len(cls._fields):
                args = _in_order(cls, args, values)
            return tuple.__new__(cls, args)

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

        @classmethod
        def _make(cls, values: Any) -> Any:
            return cls(*values)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **values: Any) -> Any:
            return type(self)(**{**self._asdict(), **values})

    def _in_order(kind: Any, args: tuple[Any, ...], values: dict[str, Any]) -> tuple[Any, ...]:
        """The values of all fields of a named tuple, of which some are given by name or not at all."""
        fields = kind._fields
        if len(args) > len(fields):
            raise TypeError(f"{kind.__name__} takes {len(fields)} positional arguments, but {len(args)} were given")
        by_place = dict(zip(fields, args, strict=False))
        for name in values:
            if name in by_place:
                raise TypeError(f"{kind.__name__} got two values for {name!r}")
            if name not in fields:
                raise TypeError(f"{kind.__name__} has no field {name!r}")
        given = {**kind._field_defaults, **by_place, **values}
        for name in fields:
            if name not in given:
                raise TypeError(f"{kind.__name__} needs a value for {name!r}")
        return tuple(given[name] for name in fields)
