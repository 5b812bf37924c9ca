"""A node's REST interface, call by call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from revvlink_cli.client.connection.exchange import MAX_BODY, Answer
from revvlink_cli.client.connection.http_client import HttpClient
from revvlink_cli.client.connection.rate_limits import Purpose
from revvlink_cli.client.connection.session_players import RemotePlayer, read_player
from revvlink_cli.client.errors import (
    Code,
    LavalinkException,
    LavalinkLoadException,
    NodeException,
    Stage,
)
from revvlink_cli.client.protocol import dialects
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.load_answers import Turns, read_playlist, read_search, value_of
from revvlink_cli.client.protocol.messages import read_guild
from revvlink_cli.client.protocol.models import (
    Decoded,
    NodeInfo,
    UndecodableError,
    WireException,
    WireInfo,
    WireSession,
    WireStats,
    convert,
    decode,
    decode_json,
    split_object,
)
from revvlink_cli.client.protocol.plugin_answers import RoutePlanner, has_refresh_token
from revvlink_cli.client.protocol.tracks import Playable, Playlist
from revvlink_cli.client.redaction import LONGEST_ECHO

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

    from revvlink_cli.client.connection.exchange import Progress

LOAD_TIMEOUT = 35.0
"""Seconds a load may take: a NodeLink whose upstream is slow answers after 30 (Lavalink after 3)."""

STACK_TRACE_LENGTH = 20_000
"""Characters of a server's stack trace that are kept: causes stand at its end, and one has some 3,000."""


class Rest(HttpClient):
    """The calls of the v4 protocol to one node."""

    __slots__ = ()

    def _bad_answer(self, what: str) -> NodeException:
        """The exception for an answer that cannot be read; `what` follows the node's address."""
        return self.errors.failure(Code.BAD_ANSWER, what)

    def _value(self, answer: Answer, path: str) -> Any:
        try:
            return decode_json(answer.body)
        except UndecodableError as error:
            raise self._bad_answer(f"answered {self.errors.excerpt(path)} with something that is {error}") from None

    async def info(self, progress: Progress | None = None) -> NodeInfo:
        """``GET /v4/info``; only a v4 node answers it.

        Args:
            progress: Records how far the request has come.

        Raises:
            NodeException: With `Code.NOT_LAVALINK` or `Code.LAVALINK_V3` when the address is not one of a v4 node.
        """
        try:
            answer = await self.request("GET", "/v4/info", progress=progress)
        except LavalinkException as error:
            if error.status not in (400, 404, 405, 501):
                raise
            raise await self._no_v4(error) from error
        try:
            wire, odd, extra = decode(answer.body, WireInfo)
        except UndecodableError as error:
            if self.dialect is None:
                raise self._stranger(f"is {error}", "correct host and port in uri") from None
            what = f"answers /v4/info with what is {error}"
            raise self.errors.failure(Code.BAD_ANSWER, what, "look at the node's log", stage=Stage.VERSION) from None
        if wire == WireInfo() and not odd and self.dialect is None:
            raise self._stranger("has none of the fields it should", "correct host and port in uri")
        if odd:
            self.unexpected_fields |= {f"/v4/info {field}" for field in odd}
        if wire.is_nodelink:
            self.rate_limiter.identify(Dialect.NODELINK)
        return dialects.read_info(wire, extra, self.errors.excerpt)

    async def _no_v4(self, error: LavalinkException) -> NodeException:
        """Why ``/v4/info`` is not there: a v3 server, or something else altogether."""
        try:
            version = await self.version()
        except (LavalinkException, NodeException):
            version = ""
        if version.startswith("3.") and self.dialect is not Dialect.NODELINK:
            what = f"is a Lavalink {version}, and only version 4 is supported"
            hint = "update the node to Lavalink 4"
            return self.errors.failure(Code.LAVALINK_V3, what, hint, stage=Stage.VERSION, status=error.status)
        what = f"answers {error.status} {error.error}".rstrip()
        return self._stranger(what, "correct host, port and path prefix in uri", error.status)

    def _stranger(self, what: str, hint: str, status: int | None = None) -> NodeException:
        """The exception for a server that is not a v4 node; `what` says how ``/v4/info`` shows that."""
        message = f"is not a Lavalink: /v4/info {what}"
        return self.errors.failure(Code.NOT_LAVALINK, message, hint, stage=Stage.VERSION, status=status)

    async def stats(self) -> Decoded[WireStats]:
        """``GET /v4/stats``: never with frame statistics on Lavalink."""
        answer = await self.request("GET", "/v4/stats")
        try:
            stats = decode(answer.body, WireStats)
        except UndecodableError as error:
            raise self._bad_answer(f"answered /v4/stats with what is {error}") from None
        if stats.odd:
            self.unexpected_fields |= {f"/v4/stats {field}" for field in stats.odd}
        return stats

    async def version(self) -> str:
        """``GET /version``: plain text such as ``4.2.2``, or ``<commit>-SNAPSHOT``."""
        answer = await self.request("GET", "/version", accept="*/*")
        return self.errors.excerpt(answer.body[:LONGEST_ECHO].decode(errors="replace"))

    async def load(self, identifier: str, progress: Progress | None = None) -> list[Playable] | Playlist:
        """``GET /v4/loadtracks``: a search result, a track, a playlist, or an empty list when nothing matches.

        Args:
            identifier: Sent as it is.
            progress: Records how far the request has come.

        Raises:
            LavalinkLoadException: The node tried and failed; its `reason` is the innermost cause.
        """
        try:
            answer = await self.request(
                "GET",
                "/v4/loadtracks",
                params={"identifier": identifier},
                purpose=Purpose.LOAD,
                timeout=max(LOAD_TIMEOUT, self._settings.timeout),
                progress=progress,
                max_body=MAX_BODY,
            )
        except LavalinkException as error:
            if error.status == 500 and error.reason.startswith("Source or search alias not found"):
                raise LavalinkLoadException(  # NodeLink's message; Lavalink answers `empty`
                    error.reason,
                    code=Code.SOURCE_MISSING,
                    node=self._settings.identifier,
                    hint="enable the source on the node, or search elsewhere with --source",
                ) from error
            raise
        try:
            return await self._read_load(answer)
        except UndecodableError as error:
            raise self._bad_answer(f"answered /v4/loadtracks with something that is {error}") from None
        except (TypeError, ValueError) as error:
            raise self._bad_answer(f"answered /v4/loadtracks with a bad track: {error}") from None

    async def _read_load(self, answer: Answer) -> list[Playable] | Playlist:
        """Read an answer of ``/v4/loadtracks``; raises as `load` does, UndecodableError, or ValueError for a track."""
        turns = Turns(answer.body)
        await turns.pause()
        parts = split_object(answer.body)
        if parts is None:
            raise self._bad_answer("answered /v4/loadtracks with JSON that is not an object")
        await turns.pause()
        data = parts.pop("data", msgspec.Raw(b"null"))
        raw = {key: value_of(part) for key, part in parts.items()}
        kind = raw.get("loadType")
        match kind:
            case "search":
                reader = await read_search(data, turns)
                if reader.has_left_out:
                    self.unexpected_fields |= {"/v4/loadtracks data[]"}
                return reader.tracks()
            case "playlist":
                playlist, reader = await read_playlist(data, turns)
                if reader.has_left_out:
                    self.unexpected_fields |= {"/v4/loadtracks data.tracks[]"}
                return playlist
        value = value_of(data)  # also where it is not needed: it must be JSON
        match kind:
            case "track":
                return [Playable.from_payload(value)]
            case "empty":
                return []
            case "error":
                raise self._load_failure(value if value is not None else raw.get("exception"))
            case other:
                raise self._bad_answer(f"answered /v4/loadtracks with load type {self.errors.excerpt(str(other))}")

    def _note_lost(self, where: str, sent: Sized, read: Sized) -> None:
        """Record that some items of an answer could not be read."""
        if len(read) != len(sent):
            self.unexpected_fields |= {where}

    def _load_failure(self, data: Any) -> LavalinkLoadException:
        wire = convert(data if isinstance(data, dict) else {}, WireException).value
        trace = self.redact(wire.cause_stack_trace or "")  # before it is cut: a secret may go over two lines
        causes = [
            line.removeprefix("Caused by: ").strip() for line in trace.splitlines() if line.startswith("Caused by: ")
        ]
        causes = [cause for cause in causes if cause]  # the YouTube plugin names some causes by their frames only
        reason = causes[-1] if causes else wire.message or wire.cause or "the node gave no reason"
        return LavalinkLoadException(
            self.errors.excerpt(reason),
            severity=self.errors.excerpt(wire.severity or ""),
            cause=self.errors.excerpt(wire.cause or ""),
            stack_trace=trace[:STACK_TRACE_LENGTH],
            node=self._settings.identifier,
            hint="the node's log has the whole story",
        )

    async def decode_tracks(self, encoded: Sequence[str]) -> list[Playable]:
        """Let the node decode encoded tracks: one bad track makes the node refuse them all."""
        if len(encoded) == 1:
            answer = await self.request(
                "GET", "/v4/decodetrack", params={"encodedTrack": encoded[0]}, purpose=Purpose.LOAD, max_body=MAX_BODY
            )
            raw = [self._value(answer, "/v4/decodetrack")]
        else:
            answer = await self.request(
                "POST", "/v4/decodetracks", data=list(encoded), purpose=Purpose.LOAD, max_body=MAX_BODY
            )
            raw = self._value(answer, "/v4/decodetracks")
        try:
            return [Playable.from_payload(track) for track in raw]
        except (TypeError, ValueError) as error:
            raise self._bad_answer(f"answered a decoded track that cannot be read: {error}") from None

    async def route_planner(self) -> RoutePlanner:
        """``GET /v4/routeplanner/status``; its kind is None where no planner is configured (NodeLink has none)."""
        try:
            answer = await self.request("GET", "/v4/routeplanner/status")
        except LavalinkException as error:
            if error.status == 404 and self.dialect is Dialect.NODELINK:
                return RoutePlanner(None, {})
            raise
        raw = self._value(answer, "/v4/routeplanner/status") if answer.status != 204 else {}
        raw = raw if isinstance(raw, dict) else {}
        kind, details = raw.get("class"), raw.get("details")
        return RoutePlanner(
            self.errors.excerpt(kind) if isinstance(kind, str) else None, details if isinstance(details, dict) else {}
        )

    async def has_youtube_token(self) -> bool:
        """``GET /youtube`` of the YouTube plugin: whether it has an OAuth token.

        The answer is the token itself. It is neither kept nor quoted, so failures have no word of the node's answer.

        Raises:
            NodeException: The node refused the request, or its answer does not say.
        """
        status, has_token = None, None
        try:
            has_token = has_refresh_token((await self.request("GET", "/youtube")).body)
        except LavalinkException as error:
            status = error.status
        if status is not None:  # raised here, because the other exception would have the node's words
            hint = "update the YouTube plugin" if status == 404 else "enable its YouTube source; see the node's log"
            raise self.errors.failure(Code.SERVER_ERROR, f"answers /youtube with {status}", hint, status=status)
        if has_token is None:
            raise self._bad_answer("answers /youtube with something that is not the plugin's configuration")
        return has_token

    async def free_address(self, address: str | None = None) -> None:
        """Take one address, or with None all, off the route planner's list of failing ones."""
        if address is None:
            await self.request("POST", "/v4/routeplanner/free/all")
        else:  # the status writes addresses as Java does, with a leading slash, which this route refuses
            await self.request("POST", "/v4/routeplanner/free/address", data={"address": address.lstrip("/")})

    async def update_session(self, session_id: str, *, resuming: bool, timeout: int | None = None) -> WireSession:
        """``PATCH /v4/sessions/{id}``: whether the session survives a lost connection, and for how many seconds."""
        data: dict[str, Any] = {"resuming": resuming}
        if timeout is not None:
            data["timeout"] = timeout
        answer = await self.request(
            "PATCH", f"/v4/sessions/{quote(session_id, safe='')}", data=data, purpose=Purpose.PLAYER
        )
        try:
            return decode(answer.body, WireSession).value
        except UndecodableError as error:
            raise self._bad_answer(f"answered the session's settings with what is {error}") from None

    async def players(self, session_id: str) -> list[RemotePlayer]:
        """``GET /v4/sessions/{id}/players``. On Lavalink, a session that waits to be resumed is hidden: 404.

        Raises:
            LavalinkException: There is no such session.
        """
        path = _players(session_id)
        raw = self._value(await self.request("GET", path, purpose=Purpose.PLAYER, max_body=MAX_BODY), path)
        if not isinstance(raw, list):
            raise self._bad_answer(f"answered {self.errors.excerpt(path)} with JSON that is not a list")
        players = []
        for item in raw:
            try:
                players.append(self._player(item, path))
            except NodeException as error:  # one that cannot be read costs no other
                fault = error
        self._note_lost("players []", raw, players)
        if raw and not players:
            raise fault
        return players

    async def player(self, session_id: str, guild_id: int | str) -> RemotePlayer:
        """``GET …/players/{guild}``. NodeLink makes the player when there is none.

        Raises:
            LavalinkException: There is no such session or player.
        """
        path = _players(session_id, guild_id)
        return self._player(
            self._value(await self.request("GET", path, purpose=Purpose.PLAYER, max_body=MAX_BODY), path), path
        )

    async def update_player(
        self, session_id: str, guild_id: int | str, data: Mapping[str, Any], *, no_replace: bool = False
    ) -> RemotePlayer:
        """``PATCH …/players/{guild}``; an empty object makes the player.

        Args:
            session_id: The session.
            guild_id: The player's guild.
            data: What to change, as in the protocol.
            no_replace: Whether a track that plays goes on.

        Raises:
            LavalinkException: The node refused the change.
        """
        path = _players(session_id, guild_id)
        answer = await self.request(
            "PATCH",
            path,
            params={"noReplace": "true"} if no_replace else None,  # NodeLink knows lower case only
            data=data,
            purpose=Purpose.PLAYER,
            voice=_endpoint_in(data),
            max_body=MAX_BODY,
        )
        player = read_player(answer.body)
        if player is not None:
            return player
        raw = self._value(answer, path) if answer.body else {}
        if isinstance(raw, dict) and read_guild(raw) is None:  # the node has accepted the update nevertheless
            self.unexpected_fields |= {"player guildId"}
            raw = {**raw, "guildId": str(guild_id)}
        return self._player(raw, path)

    async def destroy_player(self, session_id: str, guild_id: int | str) -> None:
        """``DELETE …/players/{guild}``; a player that is not there is no error (a NodeLink answers 404).

        Raises:
            LavalinkException: There is no such session.
        """
        try:
            await self.request("DELETE", _players(session_id, guild_id), purpose=Purpose.PLAYER)
        except LavalinkException as error:
            if error.status != 404 or "session" in error.reason.lower():
                raise

    def _player(self, raw: Any, path: str) -> RemotePlayer:
        try:
            player = RemotePlayer.from_payload(raw)
        except ValueError as error:
            raise self._bad_answer(f"answered {self.errors.excerpt(path)} with {error}") from None
        if "track" in player.extra:
            self.unexpected_fields |= {"players track"}
        return player

    async def sample(self, method: str, path: str, *, data: Any = None, most: int, timeout: float) -> bytes:
        """The first bytes of a stream.

        Args:
            method: HTTP method.
            path: Path below the node's address.
            data: Sent as JSON unless None.
            most: Bytes to read at most.
            timeout: Seconds for the answer and the bytes; returns the bytes that have come by then.

        Raises:
            LavalinkException: The node refused it.
        """
        answer = await self.request(
            method, path, data=data, purpose=Purpose.LOAD, timeout=timeout, accept="*/*", sample=most
        )
        return answer.body

    async def send(self, method: str, path: str, *, params: Mapping[str, str] | None = None, data: Any = None) -> Any:
        """Send any request; returns the answer as JSON values, as text if it is not JSON, or None without a body."""
        answer = await self.request(method, path, params=params, data=data, max_body=MAX_BODY)  # it may be tracks
        if not answer.body:
            return None
        try:
            return decode_json(answer.body)
        except UndecodableError:
            return answer.body.decode(errors="replace")


def _endpoint_in(data: Mapping[str, Any]) -> str | None:
    """The voice server in a player's update, if there is one."""
    voice = data.get("voice")
    endpoint = voice.get("endpoint") if isinstance(voice, Mapping) else None
    return endpoint if isinstance(endpoint, str) else None


def _players(session_id: str, guild_id: int | str | None = None) -> str:
    """Path of a session's players, or of one of them."""
    path = f"/v4/sessions/{quote(session_id, safe='')}/players"
    if guild_id is None:
        return path
    return f"{path}/{guild_id if isinstance(guild_id, int) else quote(guild_id, safe='')}"
