"""Maps Discord's voice endpoints to regions.

Discord sends a bot only the address of the voice server. The choice of the nearest Lavalink node needs its region,
which only the host name shows. A search for codes anywhere in the address would find Chicago everywhere (``ord`` is in
``discord``). So this module parses the first label of the host by its known forms and looks it up exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from revvlink_cli.client.arguments import check_mapping, texts
from revvlink_cli.client.routing.region_table import LABEL_OF

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

GLOBAL = "global"
"""The region of an address that names no place."""

_NEAREST: dict[str, tuple[str, ...]] = {
    "us": ("eu", "southamerica", "asia", "oceania", "middleeast", "africa"),
    "southamerica": ("us", "eu", "africa", "middleeast", "asia", "oceania"),
    "eu": ("us", "middleeast", "africa", "asia", "southamerica", "oceania"),
    "africa": ("eu", "middleeast", "us", "asia", "southamerica", "oceania"),
    "middleeast": ("eu", "asia", "africa", "us", "oceania", "southamerica"),
    "asia": ("oceania", "middleeast", "us", "eu", "africa", "southamerica"),
    "oceania": ("asia", "us", "middleeast", "eu", "southamerica", "africa"),
}

LABELS: tuple[str, ...] = tuple(_NEAREST)
"""The built-in labels."""

# ASCII: otherwise IGNORECASE lets a Kelvin sign pass for a k, and \d takes digits of any script.
_FLAGS = re.ASCII | re.IGNORECASE | re.VERBOSE

# An IPv6 address, bare or in brackets, has a second colon where only a port may stand and therefore never matches.
_HOST = re.compile(
    r"""
    (?:(?:[a-z][a-z0-9+.-]*:)?//)?  # scheme
    (?:[^/?\#]*@)?                  # user information
    \[?
    ([^.:/?\#@\[\]]+)               # the first label
    (?:\.[^:/?\#@\[\]]*)?           # the rest of the host
    \]?
    (?::[^:/?\#]*)?                 # port
    (?:[/?\#]|\Z)                   # path, query or fragment
    """,
    _FLAGS,
)

# The tail behind `c-<code><nn>` names one server, not a place. It is hex of five to eight digits, but logs cut or
# blacken it, so any is taken; it is never looked up, although `add` and `dad` are both airports and hex.
_FORM = re.compile(r"(?:vip-)?(c-)?([a-z]+(?:-[a-z]+)*)(?:-?\d+)?(?(1)(?:-.*)?)", _FLAGS | re.DOTALL)


_DISCORD = re.compile(r"\.discord\.(?:media|gg)(?![\w.-])", _FLAGS)
"""The domains of Discord's voice servers."""

NO_PLACE = ("latency", "best", "gateway", "smart", "sweetwater", "stage-scale")
"""Beginnings of names in endpoints of Discord that stand for no place."""

_LONGEST_NAME = 40
"""Characters of an unknown name that are kept."""

_MOST_UNKNOWN = 64
"""Unknown names that are counted separately, which bounds the memory for them."""

OTHERS = "others"
"""The name under which all further ones are counted."""

# What Discord really sends, read in one go; what it does not find takes the two steps above.
_PLAIN = re.compile(r"(?:c-([a-z]{3})\d\d-[0-9a-f]+|([a-z]+(?:-[a-z]+)*)\d+)\.discord\.(?:media|gg)(?::\d+)?", re.ASCII)


def region_from_endpoint(endpoint: str | None, regions: Mapping[str, Sequence[str]] | None = None) -> str | None:
    """Return the region label of a voice server's address.

    Only the first label of the host is read; scheme, user information, domain, port, path, query, white space around
    it and case do not matter. The domain does not, because Discord has changed it before, compatible services have
    their own, and a name alone (``us-east``) is as clear as the whole address. These forms are understood::

        c-lax07-2e24eaf9.discord.media:2053     c-<airport><number>-<server>, since 2025
        us-east1234.discord.gg:80               <name><number>, with or without vip- in front, before that
        us-east-1  brazil  dfw  c-dfw           with the number behind a hyphen, or without one

    Args:
        endpoint: The address as Discord sent it in a voice server update; None while no server is allocated.
        regions: A custom map, label to substrings, that replaces the built-in table. A label fits when one of
            its substrings occurs in the first host label, in any case; among several the longest substring wins, then
            the order of the map. Empty substrings fit nothing.

    Returns:
        A label, `GLOBAL` when none fits, or None when `endpoint` is None or blank.
    """
    if regions is None and endpoint and (plain := _PLAIN.fullmatch(endpoint)):
        label = LABEL_OF.get(plain[plain.lastindex or 0])
        if label is not None:
            return label
    if endpoint is None or not (endpoint := endpoint.strip()):
        return None
    host = _HOST.match(endpoint)
    if host is None:
        return GLOBAL
    if regions is not None:
        return _longest_match(host[1].lower(), regions)
    form = _FORM.fullmatch(host[1])
    return LABEL_OF.get(form[2].lower(), GLOBAL) if form else GLOBAL


def unknown_place(endpoint: str) -> str | None:
    """Return the airport code or the name in an endpoint of Discord that the built-in table lacks.

    Returns:
        The code or name, in lower case; None for a known one, for a name that stands for no place, and for an address
        that is not one of Discord.
    """
    host = _HOST.match(endpoint.strip())
    if host is None or not _DISCORD.search(endpoint):
        return None
    form = _FORM.fullmatch(host[1])
    name = form[2].lower()[:_LONGEST_NAME] if form else ""
    return name if name and name not in LABEL_OF and not name.startswith(NO_PLACE) else None


def count_unknown_place(endpoint: str, counts: Counter[str]) -> None:
    """Count the code or name in an endpoint if the built-in table lacks it, and log each one once."""
    name = unknown_place(endpoint)
    if name is None:
        return
    if name not in counts:
        if len(counts) >= _MOST_UNKNOWN:
            name = OTHERS
        else:
            import logging  # late: `region` needs no log

            logging.getLogger(__name__).warning("unknown voice region %s, served as %s; please report it", name, GLOBAL)
    counts[name] += 1


def checked_map(regions: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return a checked copy of a custom map, label to substrings.

    Raises:
        TypeError: It is not a mapping, or a label is not a str.
        ValueError: The value of a label is not a list of str.
    """
    check_mapping("regions", regions, "a dict or other mapping of region labels to lists of str")
    checked = {}
    for label, parts in regions.items():
        try:
            checked[label] = texts(label, parts)
        except TypeError:
            message = f"regions: {label!r} needs a list of texts, as in {{{label!r}: ['ams', 'fra']}}"
            raise ValueError(message) from None
    return checked


def nearest_regions(region: str) -> tuple[str, ...]:
    """Return the other built-in labels from near to far; empty for a label that is not built in.

    Near means the time a voice packet takes between the cities where hosts usually stand, and cables decide that, not
    kilometres. South America's lead to the United States, Oceania's to Singapore and Tokyo, so these two are far from
    each other. Africa's lead to Europe, the Gulf's to Europe and India. From Europe the east coast of the United
    States is a little nearer than the Gulf.
    """
    return _NEAREST.get(region, ())


def _longest_match(name: str, regions: Mapping[str, Sequence[str]]) -> str:
    best, longest = GLOBAL, 0
    for label, substrings in regions.items():
        for substring in substrings:
            if len(substring) > longest and substring.lower() in name:
                best, longest = label, len(substring)
    return best
