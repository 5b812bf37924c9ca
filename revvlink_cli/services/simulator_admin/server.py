"""The server of the admin API: checks each request by the table of routes, and answers in JSON."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.checker import DocumentChecker
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.schema import Kind
from revvlink_cli.services.simulator_admin.routes import ROUTES, Call, Mistake, MistakesError, UnknownNodeError
from revvlink_cli.simulator.control_errors import ControlError, NoSuchFaultError, WaitTimeoutError
from revvlink_cli.simulator.node_control import here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from revvlink_cli.config.schema import Key
    from revvlink_cli.services.simulator_admin.routes import Route
    from revvlink_cli.simulator import Simulation

LARGEST_BODY = 2**20
"""Bytes that a body may have."""

MOST_WAITING = 256
"""Requests that may be under way at the same time; most of them wait."""

BOOLEANS = {"true": True, "false": False}


class AdminServer:
    """The admin API of a simulation, in its event loop.

    Every request needs the token, also one for an unknown route: a page in a browser, which does not know it, gets
    nothing under any name of this machine.

    Attributes:
        token: The token.
        port: Its port; 0 before `start` if it takes a free one.
    """

    def __init__(self, simulation: Simulation, token: str, *, host: str, port: int) -> None:
        """Prepare; nothing listens yet. Port 0 takes a free one."""
        self._simulation = simulation
        self.token = token
        self._host = host
        self._under_way = 0
        self.port = port
        self._runner: web.AppRunner | None = None

    @property
    def uri(self) -> str:
        """The address for clients on this machine."""
        host = here(self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        app = web.Application(middlewares=[self._frame], client_max_size=LARGEST_BODY)
        paths = {route: route.path.replace("{number}", r"{number:\d{1,18}}") for route in ROUTES}
        app.add_routes([web.route(route.method, paths[route], self._handler(route)) for route in ROUTES])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Close every connection; what waits ends."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode(errors="replace")
        if not hmac.compare_digest(given, self.token.encode()):
            answer = _failure(401, "the token is missing or wrong: send Authorization: Bearer TOKEN")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if self._under_way >= MOST_WAITING:
            return _failure(503, f"{MOST_WAITING} requests are under way already")
        self._under_way += 1
        try:
            return await handler(request)
        except MistakesError as error:
            return _failure(400, str(error), error.mistakes)
        except (UnknownNodeError, NoSuchFaultError) as error:
            return _failure(404, str(error))
        except ControlError as error:
            return _failure(409, str(error))
        except WaitTimeoutError as error:
            return _failure(504, str(error))
        except OSError as error:  # the port of a node that starts is taken
            return _failure(409, error.strerror or str(error))
        except web.HTTPException as error:
            return _failure(error.status, _message(request, error))
        finally:
            self._under_way -= 1

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            call = await _read(route, request, self._simulation)
            return web.json_response(await route.act(call))

        return handle


def _failure(status: int, message: str, mistakes: Sequence[Mistake] = ()) -> web.Response:
    problems = [mistake._asdict() for mistake in mistakes]
    return web.json_response({"status": status, "message": message, "problems": problems}, status=status)


def _message(request: web.Request, error: web.HTTPException) -> str:
    match error:
        case web.HTTPMethodNotAllowed():
            return f"{request.path} takes {', '.join(sorted(error.allowed_methods - {'HEAD'}))}, not {request.method}"
        case web.HTTPNotFound():
            hint = nearest(request.path, list(dict.fromkeys(route.path for route in ROUTES)))
            return f"there is no {request.path}: {hint}"
        case web.HTTPRequestEntityTooLarge():
            return f"a body may have {LARGEST_BODY} bytes"
    return error.reason


async def _read(route: Route, request: web.Request, simulation: Simulation) -> Call:
    """Check a request, and collect every mistake in it."""
    problems: list[Mistake] = []
    values: dict[str, Any] = {}
    query = {name: request.query.getall(name) for name in request.query}
    for name, given in query.items():
        if len(given) > 1:
            problems.append(Mistake(name, "is given more than once"))
    values |= _checked({name: given[0] for name, given in query.items()}, route.query, problems, is_text=True)
    body = await _body(request, problems)
    if route.body is not None:
        values |= _checked(body, route.body, problems)
    elif not body:
        problems.append(Mistake("", "has no JSON object as its body", 'for example {"op": "event", "type": "MyEvent"}'))
    if problems:
        raise MistakesError(*problems)
    return Call(simulation, dict(request.match_info), values, body)


async def _body(request: web.Request, problems: list[Mistake]) -> dict[str, Any]:
    """The body, which is a JSON object or empty."""
    data = await request.read()
    if not data:
        return {}
    try:
        body = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        problems.append(Mistake("", f"is not JSON: {error}"))
        return {}
    if not isinstance(body, dict):
        problems.append(Mistake("", "is not a JSON object"))
        return {}
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


def _checked(
    given: Mapping[str, Any], keys: tuple[Key, ...], problems: list[Mistake], *, is_text: bool = False
) -> dict[str, Any]:
    """The values of a table of keys; mistakes are added to `problems`."""
    by_name = {key.name: key for key in keys}
    if is_text:
        given = {name: _from_text(by_name.get(name), value) for name, value in given.items()}
    checker = DocumentChecker(dict(given), "", None)
    values: dict[str, Any] = {}
    try:
        checker.numbers()
        values = checker.values(checker.document, (), keys)
    except ConfigError as error:
        checker.problems = list(error.problems)
    for problem in checker.problems:
        key = by_name.get(problem.key or "")
        value = given.get(problem.key or "")
        hint = nearest(value, key.choices) if key is not None and key.choices and isinstance(value, str) else None
        problems.append(Mistake(problem.key or "", problem.message, problem.hint or hint))
    missing = [key for key in keys if key.required and key.name not in given]
    problems += [Mistake(key.name, "is missing", key.help) for key in missing]
    return values


def _from_text(key: Key | None, text: str) -> Any:
    """A value of a query, as it would stand in JSON; what cannot be converted stays text, which the check refuses."""
    match key.kind if key is not None else Kind.TEXT:
        case Kind.BOOLEAN:
            return BOOLEANS.get(text, text)
        case Kind.INTEGER if text.removeprefix("-").isdecimal() and len(text) < 20:
            return int(text)
        case Kind.NUMBER | Kind.DURATION:
            try:
                return float(text)
            except ValueError:
                return text
    return text
