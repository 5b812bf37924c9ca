"""Reads the arguments of `Node` that need more than a check of their type."""

from __future__ import annotations

import os
import ssl
from typing import Any

from revvlink_cli.client.arguments import wrong_type
from revvlink_cli.client.errors import InvalidClientException
from revvlink_cli.client.settings import normalise_uri


def checked_address(uri: object) -> str:
    """The address of a node, in its one form.

    Raises:
        TypeError: It is not text.
        ValueError: No node can have it.
    """
    if not isinstance(uri, str):
        raise wrong_type("uri", "a str, as in http://127.0.0.1:2333", uri)
    try:
        return normalise_uri(uri)
    except ValueError as error:
        raise ValueError(f"uri: {error}") from None


def checked_verification(given: object) -> tuple[str | None, ssl.SSLContext | None]:
    """The file of a certificate authority, or the context, that the parameter `ssl` gives.

    Raises:
        TypeError: It gives neither.
        ValueError: The file is not there, or is none of a certificate authority.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return None, given
    path = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(path, str):
        raise wrong_type("ssl", "the path of a PEM file, an ssl.SSLContext, or None", given)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        raise ValueError(f"ssl: {path!r} is not a PEM file of a certificate authority: {reason}") from None
    return path, None


def user_id_of(client: Any) -> int:
    """The bot's id.

    Raises:
        InvalidClientException: There is no integer at ``.user.id``.
    """
    user = getattr(client, "user", None)
    found = getattr(user, "id", None)
    if not isinstance(found, int) or isinstance(found, bool) or found <= 0:
        raise InvalidClientException("the client has no user id: there is no positive integer at .user.id")
    return found
