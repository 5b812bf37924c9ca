"""A client of the admin API, and the search for the one that runs."""

from __future__ import annotations

import json
import os
import tempfile
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "admin.json"
"""Name of the file with address and token, beside the configuration of nodes that run."""

LARGEST_ANSWER = 64 * 2**20
"""Bytes that are read of an answer."""


class AdminError(Exception):
    """A request failed.

    Attributes:
        status: Status of the answer; None if there is none.
        problems: The mistakes that it names.
    """

    def __init__(self, message: str, status: int | None = None, problems: tuple[Mapping[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.problems = problems


class NotFoundError(Exception):
    """It is not known which simulated nodes are meant."""


class AdminAddress(NamedTuple):
    """Where an admin API listens, and its token."""

    uri: str
    token: str

    @classmethod
    def read(cls, path: Path) -> AdminAddress:
        """The address in a ready file.

        Raises:
            NotFoundError: The file cannot be read, or has none.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotFoundError(f"{path}: {error.strerror or error}") from None
        except ValueError:
            raise NotFoundError(f"{path} is not JSON") from None
        match found:
            case {"admin": {"uri": str(uri), "token": str(token)}}:
                return cls(uri, token)
        raise NotFoundError(f"{path} has no admin API; start simulate with --admin PORT")

    @classmethod
    def find(cls) -> AdminAddress:
        """The address of the one that this user runs.

        Raises:
            NotFoundError: None runs, or several do.
        """
        paths = [path for path in Path(tempfile.gettempdir()).glob(f"revvlink-simulate-*/{FILE}") if _is_mine(path)]
        if not paths:
            raise NotFoundError("no simulated nodes with an admin API run; start `revvlink simulate --admin 0`")
        if len(paths) > 1:
            raise NotFoundError(f"{len(paths)} sets of simulated nodes run")
        return cls.read(paths[0])


def _is_mine(path: Path) -> bool:
    """Whether a file and its folder are this user's: the folder of temporary files is open to all."""
    if not hasattr(os, "getuid"):
        return True
    try:
        return all(one.lstat().st_uid == os.getuid() for one in (path, path.parent))
    except OSError:
        return False


class AdminClient:
    """Sends requests to an admin API, one connection each."""

    def __init__(self, address: AdminAddress, timeout: float) -> None:
        """`timeout` is the seconds that one request may take.

        Raises:
            NotFoundError: The address is not one.
        """
        parts = urlsplit(address.uri)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
            raise NotFoundError(f"{address.uri!r} is not an address such as http://127.0.0.1:2400")
        self._host, self._port, self._is_secure = parts.hostname, port, parts.scheme == "https"
        self._token = address.token
        self.uri = address.uri
        self.timeout = timeout

    def ask(
        self, method: str, *path: str, query: Mapping[str, Any] | None = None, body: Any = None, more_time: float = 0.0
    ) -> Any:
        """The answer to a request; parts of the path are encoded, and values of None are left out of the query.

        Raises:
            AdminError: It failed.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = "/" + "/".join(quote(part, safe="") for part in path) + (f"?{urlencode(given)}" if given else "")
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=self.timeout + more_time)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, found = answer.status, json.loads(answer.read(LARGEST_ANSWER))
        except TimeoutError:
            raise AdminError(f"{self.uri} does not answer within {self.timeout:g} s") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminError(f"{self.uri}: {reason}") from None
        finally:
            connection.close()
        if status == 200:
            return found
        problems = found.get("problems", []) if isinstance(found, dict) else []
        message = found.get("message", "") if isinstance(found, dict) else ""
        raise AdminError(str(message) or f"status {status}", status, tuple(problems))
