"""Command lines that need no start-up: each is forked off one process that has loaded everything.

Most of the time of a short command is Python's start and its imports. This runs the same `main`, on pipes, with an
environment and a folder of its own, and ends as a process of its own does. What a test says of the start itself
(which modules are loaded, how long it takes) needs a process that is started: `subprocess.run`.

As a program it serves: ``python -m tests.warm_command_line SOCKET``, until its standard input ends.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn, Self, TextIO, cast

READY = b"ready\n"
DESCRIPTORS = 3
"""Standard input, output and errors, in this order."""


class WarmCommandLine:
    """The process that has loaded everything, and what runs in its forks."""

    def __init__(self) -> None:
        """Start it and wait until it has loaded everything."""
        self._folder = tempfile.TemporaryDirectory(prefix="revvlink-")
        self._path = f"{self._folder.name}/socket"
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.warm_command_line", self._path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == READY, "it loaded every module of the package"
        self._started: list[WarmProcess] = []

    def end_all(self) -> None:
        """Kill the command lines that still run, as those of a test that failed."""
        while self._started:
            self._started.pop().end()

    def close(self) -> None:
        """End it."""
        self._server.communicate(timeout=30)
        self._folder.cleanup()

    def start(
        self, arguments: tuple[str, ...], streams: tuple[int, int, int], environment: dict[str, str], *,
        has_terminal: bool = False,
    ) -> WarmProcess:  # fmt: skip
        """Start one command line on these descriptors, which are closed here; with a terminal if the first is one."""
        os.umask(mask := os.umask(0o077))
        job = {
            "arguments": arguments, "environment": environment, "folder": str(Path.cwd()), "umask": mask,
            "has_terminal": has_terminal,
        }  # fmt: skip
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._path)
        connection.sendmsg([b"f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
        for descriptor in streams:
            os.close(descriptor)
        connection.sendall(json.dumps(job).encode())
        connection.shutdown(socket.SHUT_WR)
        process = WarmProcess(list(arguments), connection)
        self._started.append(process)
        return process

    def run(
        self, arguments: tuple[str, ...], stdin: str | None, timeout: float, environment: dict[str, str],
        interrupt_after: float | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run one command line; like `subprocess.run` with its output captured.

        What still runs after ``interrupt_after`` seconds is interrupted, as by Ctrl-C.
        """
        input_here: IO[bytes] | None = None
        if stdin is None:
            input_there = os.dup(0)
        else:
            input_there, writer = os.pipe()
            input_here = os.fdopen(writer, "wb")
        output, output_there = os.pipe()
        errors, errors_there = os.pipe()
        process = self.start(arguments, (input_there, output_there, errors_there), environment)
        found: dict[int, bytes] = {}
        threads = [threading.Thread(target=_read, args=(end, found)) for end in (output, errors)]
        if input_here is not None:
            threads.append(threading.Thread(target=_write, args=(input_here, (stdin or "").encode())))
        for thread in threads:
            thread.start()
        try:
            if interrupt_after is not None and process.poll(interrupt_after) is None:
                process.signal(signal.SIGINT)
            code = process.wait(timeout)
        finally:
            for thread in threads:
                thread.join(timeout=30)
        return subprocess.CompletedProcess(list(arguments), code, found[output].decode(), found[errors].decode())


class WarmProcess:
    """A command line that runs."""

    def __init__(self, arguments: list[str], connection: socket.socket) -> None:
        """It reports its process at once, and its exit code at its end, over this connection."""
        self._arguments, self._connection = arguments, connection
        self._replies = connection.makefile("rb", buffering=0)
        self.pid = int(self._replies.readline())
        self._code: int | None = None

    def poll(self, seconds: float = 0.0) -> int | None:
        """The exit code, or None if it still runs after this time."""
        if self._code is None and select.select([self._connection], [], [], seconds)[0]:
            self._code = int(self._replies.readline())
            self._replies.close()
            self._connection.close()
        return self._code

    def wait(self, timeout: float) -> int:
        """The exit code; a command line that does not end in time is killed."""
        code = self.poll(timeout)
        if code is None:
            self.end()
            raise subprocess.TimeoutExpired(self._arguments, timeout)
        return code

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.poll() is None:
            self.signal(signal.SIGKILL)
            self.poll(30)

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended, be it a moment before its exit code is here."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)


class RunningCommand:
    """A command line that runs, with the part of the interface of `subprocess.Popen` that tests use."""

    def __init__(self, process: WarmProcess, stdout: int, stderr: int) -> None:
        """Its output and its errors come from these descriptors."""
        self._process = process
        self.pid = process.pid
        self.returncode: int | None = None
        self.stdout: TextIO = os.fdopen(stdout, encoding="utf-8")
        self.stderr: TextIO = os.fdopen(stderr, encoding="utf-8")

    def __enter__(self) -> Self:
        """Use it as a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close its pipes, and wait for its end."""
        self.stdout.close()
        self.stderr.close()
        self.wait(60)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        self.returncode = self._process.poll()
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end."""
        if self._process.poll(timeout) is None:
            raise subprocess.TimeoutExpired("revvlink", timeout)
        self.returncode = self._process.wait(0)
        return self.returncode

    def communicate(self, timeout: float = 60.0) -> tuple[str, str]:
        """Read all that it still writes, close its pipes, and wait for its end."""
        found = {}

        def read(name: str, stream: TextIO) -> None:
            found[name] = stream.read()

        streams = {"stdout": self.stdout, "stderr": self.stderr}
        threads = [threading.Thread(target=read, args=item, daemon=True) for item in streams.items()]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join(timeout)
        for stream in streams.values():
            stream.close()
        return found["stdout"], found["stderr"]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        self._process.signal(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _read(descriptor: int, found: dict[int, bytes]) -> None:
    with os.fdopen(descriptor, "rb") as stream:
        found[descriptor] = stream.read()


def _write(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:  # a command that fails early does not read its input
        stream.write(data)


def main(path: str) -> None:
    """Load everything, then fork for each connection until standard input ends."""
    for name in ("aiohttp", "msgspec", "rich.console", "rich.live", "rich.table", "rich.text"):
        import_module(name)
    package = import_module("revvlink_cli")
    for module in pkgutil.walk_packages(package.__path__, "revvlink_cli."):
        if not module.name.startswith("revvlink_cli.testing"):  # loaded by pytest alone
            import_module(module.name)
    gc.collect()
    gc.freeze()  # forks do not search what is loaded for garbage, which took two thirds of a short command
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets the forks that have ended
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        os.write(1, READY)
        while True:
            ready, _, _ = select.select([server.fileno(), 0], [], [])
            if 0 in ready and not os.read(0, 1):
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _serve(connection)
            connection.close()


def _serve(connection: socket.socket) -> NoReturn:
    """Fork the command line and report its process and its exit code: only its parent process can wait for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2])
    with connection.makefile("rb") as stream:
        job = json.load(stream)
    pid = os.fork()
    if pid == 0:
        connection.close()
        if job["has_terminal"]:  # a session of its own, whose terminal sends it Ctrl-C
            os.setsid()
            fcntl.ioctl(descriptors[0], termios.TIOCSCTTY, 0)
        _become(list(descriptors), job)
        _command_line()
    for descriptor in (0, 1, *descriptors):
        os.close(descriptor)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # the test gave up waiting
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(descriptors: list[int], job: dict[str, Any]) -> None:
    """Take this job's streams, environment and folder, as a process that starts has them."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = _opened(0, "r", sys.stdin)
    sys.stdout = _opened(1, "w", sys.stdout)
    sys.stderr = _opened(2, "w", sys.stderr)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    os.umask(job["umask"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = import_module("revvlink_cli.__main__")
    sys.argv = [str(command.__file__), *job["arguments"]]


def _opened(number: int, mode: str, before: TextIO) -> TextIO:
    """A standard stream as Python opens it: errors are written line by line, the others in blocks."""
    buffering = 1 if number == 2 else -1
    return cast(
        "TextIO",
        os.fdopen(number, mode, buffering, encoding=before.encoding, errors=before.errors, closefd=False),
    )


def _command_line() -> NoReturn:
    """Run it, and end as Python ends: exit handlers and destructors run, with all that they print."""
    from revvlink_cli.__main__ import main as run

    run()
    raise AssertionError("`main` ends the process")


if __name__ == "__main__":
    main(sys.argv[1])
