"""The route planner of a simulated node, which selects source addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.answers import InternalError, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

PLANNERS: dict[str, dict[str, Any]] = {
    "RotateOnBan": {
        "class": "RotatingIpRoutePlanner",
        "details": {
            "ipBlock": {"type": "Inet4Address", "size": "256"},
            "failingAddresses": [],
            "rotateIndex": "1",
            "ipIndex": "1",
            "currentAddress": "/1.0.0.1",
        },
    },
    "LoadBalance": {
        "class": "BalancingIpRoutePlanner",
        "details": {"ipBlock": {"type": "Inet4Address", "size": str(2**24)}, "failingAddresses": []},
    },
    "NanoSwitch": {
        "class": "NanoIpRoutePlanner",
        "details": {
            "ipBlock": {"type": "Inet6Address", "size": str(2**64)},
            "failingAddresses": [],
            "currentAddressIndex": "1129357894",
        },
    },
    "RotatingNanoSwitch": {
        "class": "RotatingNanoIpRoutePlanner",
        "details": {
            "ipBlock": {"type": "Inet6Address", "size": str(2**80)},
            "failingAddresses": [],
            "blockIndex": "0",
            "currentAddressIndex": "1007842059",
        },
    },
}
"""Strategy -> status."""


def status(strategy: str, *, failing: int = 0, freed: Collection[str] = (), block: int | None = None) -> dict[str, Any]:
    """``GET /v4/routeplanner/status``.

    Args:
        strategy: Strategy of the planner.
        failing: Number of addresses that have failed.
        freed: Those of them that a client has freed.
        block: Number of addresses in its block; None is the usual one of the strategy.

    Raises:
        Refusal: ``RotateOnBan`` has not been used yet, and the genuine server has an exception.
    """
    if strategy == "RotateOnBan" and not failing:
        planner = "com.sedmelluq.lava.extensions.youtuberotator.planner.RotatingIpRoutePlanner"
        raise InternalError(
            'NullPointerException: Cannot invoke "java.net.InetAddress.toString()" because the return value of '
            f'"{planner}.getCurrentAddress()" is null'
        )
    known = PLANNERS[strategy]
    kept = [address for address in failing_addresses(failing) if address not in freed]
    found: dict[str, Any] = {**known["details"], "failingAddresses": [_failing(address) for address in kept]}
    if block is not None:
        found["ipBlock"] = {**found["ipBlock"], "size": str(block)}
    return {"class": known["class"], "details": found}


def failing_addresses(count: int) -> list[str]:
    """So many addresses that have failed."""
    return [str(IPv4Address(0x01000000 + index)) for index in range(count)]


def _failing(address: str) -> dict[str, Any]:
    """One address that has failed."""
    return {
        "failingAddress": f"/{address}",
        "failingTimestamp": 1772839275000,
        "failingTime": "Sat Mar 07 00:01:15 UTC 2026",
    }


def check_address(address: str) -> None:
    """Check the body of ``free/address``: an address, or a name that resolves. Here no name resolves.

    Raises:
        Refusal: It is not an address.
    """
    if not re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", address):
        raise Refusal(400, f"Invalid address: {address}: Name or service not known")
