"""Names that people mistype, and the ones that they may have meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint that names the known name closest to `name`, or all of them where there is none near."""
    close = closest(name, known)
    return f"did you mean {close}?" if close is not None else f"known here: {', '.join(known)}"


def closest(name: str, known: Sequence[str]) -> str | None:
    """The known name closest to `name`, in any case of letters; None when there is none near."""
    from difflib import get_close_matches

    by_fold = {entry.casefold(): entry for entry in known}
    close = get_close_matches(name.casefold(), list(by_fold), n=1)
    return by_fold[close[0]] if close else None
