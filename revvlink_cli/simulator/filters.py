"""Filters of a player: the server returns every value of the filters that are set, in its own order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.answers import BadRequest, InternalError
from revvlink_cli.simulator.bodies import integer, mapping, number

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS: dict[str, dict[str, float]] = {
    "karaoke": {"level": 1.0, "monoLevel": 1.0, "filterBand": 220.0, "filterWidth": 100.0},
    "timescale": {"speed": 1.0, "pitch": 1.0, "rate": 1.0},
    "tremolo": {"frequency": 2.0, "depth": 0.5},
    "vibrato": {"frequency": 2.0, "depth": 0.5},
    "distortion": {
        "sinOffset": 0.0,
        "sinScale": 1.0,
        "cosOffset": 0.0,
        "cosScale": 1.0,
        "tanOffset": 0.0,
        "tanScale": 1.0,
        "offset": 0.0,
        "scale": 1.0,
    },
    "rotation": {"rotationHz": 0.0},
    "channelMix": {"leftToLeft": 1.0, "leftToRight": 0.0, "rightToLeft": 0.0, "rightToRight": 1.0},
    "lowPass": {"smoothing": 20.0},
}

FILTERS = ("volume", "equalizer", *_DEFAULTS)
"""Filters of a simulated node."""

_BANDS = 15


def read_filters(value: Any) -> dict[str, Any]:
    """The filters of a PATCH as the server returns them: without unknown ones and null, and with defaults.

    Raises:
        Refusal: The genuine server would refuse them.
    """
    body = mapping(value)
    found: dict[str, Any] = {}
    if "volume" in body:
        found["volume"] = number(body["volume"])
    if body.get("equalizer") is not None:
        found["equalizer"] = [_band(band) for band in _list(body["equalizer"])]
    for name, defaults in _DEFAULTS.items():
        if body.get(name) is not None:
            given = mapping(body[name])
            found[name] = {key: number(given.get(key, default)) for key, default in defaults.items()}
    mapping(body.get("pluginFilters", {}))
    return found


def tempo(filters: Mapping[str, Any]) -> float:
    """How fast the sound of a track advances with these filters, 1 without a timescale."""
    given = filters.get("timescale") or {}
    values = [given.get(name, 1.0) for name in ("speed", "rate")]
    if not all(isinstance(value, (int, float)) and 0 < value < math.inf for value in values):
        return 1.0
    return float(values[0] * values[1])


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest
    return value


def _band(value: Any) -> dict[str, float]:
    given = mapping(value)
    band = integer(given, "band", 32)
    if not isinstance(band, int):
        raise BadRequest
    if not 0 <= band < _BANDS:
        raise InternalError(f"ArrayIndexOutOfBoundsException: Index {band} out of bounds for length {_BANDS}")
    return {"band": band, "gain": number(given.get("gain", 1.0))}
