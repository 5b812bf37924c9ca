"""The route planner of a simulated node, which selects source addresses; none of them ever fails here."""

from __future__ import annotations

import re
from typing import Any

from revvlink_cli.simulator.answers import InternalError, Refusal

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
"""Strategy -> status. ``RotateOnBan`` has an exception in place of a status before its first request."""


def status(strategy: str) -> dict[str, Any]:
    """``GET /v4/routeplanner/status``.

    Raises:
        Refusal: The genuine server has an exception.
    """
    planner_status = PLANNERS[strategy]
    if planner_status is None:
        planner = "com.sedmelluq.lava.extensions.youtuberotator.planner.RotatingIpRoutePlanner"
        raise InternalError(
            'NullPointerException: Cannot invoke "java.net.InetAddress.toString()" because the return value of '
            f'"{planner}.getCurrentAddress()" is null'
        )
    return planner_status


def check_address(address: str) -> None:
    """Check the body of ``free/address``: an address, or a name that resolves. Here no name resolves.

    Raises:
        Refusal: It is not an address.
    """
    if not re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", address):
        raise Refusal(400, f"Invalid address: {address}: Name or service not known")
