"""The route planner of a simulated node: which addresses it would load from. None of them fails here."""

from __future__ import annotations

import re
from typing import Any

from revvlink_cli.simulator.answers import Refusal, Stumble

PLANNERS: dict[str, dict[str, Any] | None] = {
    "RotateOnBan": None,
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
"""Strategy -> status. The one that rotates on a ban stumbles until it has made its first request."""


def status(strategy: str) -> dict[str, Any]:
    """``GET /v4/routeplanner/status``.

    Raises:
        Refusal: The genuine server stumbles.
    """
    told = PLANNERS[strategy]
    if told is None:
        planner = "com.sedmelluq.lava.extensions.youtuberotator.planner.RotatingIpRoutePlanner"
        raise Stumble(
            'NullPointerException: Cannot invoke "java.net.InetAddress.toString()" because the return value of '
            f'"{planner}.getCurrentAddress()" is null'
        )
    return told


def check_address(address: str) -> None:
    """What ``free/address`` takes: an address, or a name that can be resolved; here no name can.

    Raises:
        Refusal: It is neither.
    """
    if not re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", address):
        raise Refusal(400, f"Invalid address: {address}: Name or service not known")
