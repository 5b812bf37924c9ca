"""Why something cannot be done to simulated nodes."""

from __future__ import annotations


class ControlError(Exception):
    """It cannot be done in the present state of the nodes."""


class NodeDownError(ControlError):
    """The node is down."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node} is down; start it first")


class NodeUpError(ControlError):
    """The node runs."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node} runs already")


class NothingThereError(ControlError):
    """No session or player takes part."""


class NoSuchFaultError(ControlError):
    """No fault has this number, or it is over."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no fault {number}, or it is over")


class ClockError(ControlError, ValueError):
    """The clock cannot be advanced, or not so far."""


class WaitTimeoutError(TimeoutError):
    """What was waited for did not happen in time."""
