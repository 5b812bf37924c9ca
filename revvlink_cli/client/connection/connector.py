"""The pool's own connections: how names are looked up and sockets are made."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from revvlink_cli.client.connection.exchange import note_connected, note_stage, under_way
from revvlink_cli.client.errors import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace


class Connector(aiohttp.TCPConnector):
    """Makes the connections of a pool to its nodes, and notes in the progress of each request how far it is.

    Traces of aiohttp would do that too. But aiohttp calls them at seven points of each request: a tenth of its time.
    """

    def __init__(self) -> None:
        # One address may serve many nodes behind path prefixes, and websockets keep theirs: no limit here. The rate
        # limiter of each node limits the requests to it.
        super().__init__(limit=0, resolver=Resolver(), socket_factory=_make_socket)

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return an open connection for a request."""
        connection = await super().connect(req, traces, timeout)
        note_connected()
        return connection


def _make_socket(address: AddrInfoType) -> socket.socket:
    """Make the socket of a connection, and note it in the progress of the request that it is for."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    progress = under_way.get()
    if progress is not None:
        progress.sockets = (*progress.sockets, made)
    return made


class Resolver(AbstractResolver):
    """Looks up names in threads that do not keep the process alive.

    The loop's own executor is waited for at exit, so that a name server which does not answer would hold a command
    long after its timeout.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`, in the system's order."""
        note_stage(Stage.RESOLVE)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()

        def look_up() -> None:
            try:
                found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                failure = _descriptors_used_up() or OSError(str(error))
                _tell(loop, answer, lambda: answer.set_exception(failure))
            else:
                _tell(loop, answer, lambda: answer.set_result(found))

        try:
            threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
        except RuntimeError as error:  # the system allows no more of them
            raise OSError(errno.EAGAIN, str(error)) from None
        found = await answer
        note_stage(Stage.CONNECT)
        return [
            ResolveResult(
                hostname=host,
                host=address[0] if not (len(address) == 4 and address[3]) else f"{address[0]}%{address[3]}",
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _descriptors_used_up() -> OSError | None:
    """The system's error when this process can open no file: a failed name lookup then gives a misleading reason."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error
    return None


def _tell(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    """Settle `answer` from another thread, unless its waiter was cancelled."""

    def settle_if_wanted() -> None:
        if not answer.done():
            settle()

    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(settle_if_wanted)
        except RuntimeError:
            return  # the loop was closed meanwhile: the command has ended
