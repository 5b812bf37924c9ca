"""Runs the package as if on Windows, as far as a POSIX system can pretend: nothing of this has run on Windows itself.

``python -m tests.windows_stand_in lines`` imports every module. Then it runs the command lines that stdin has as JSON,
one after the other. ``... main ARGUMENTS`` is the console script.

What it takes away are modules, functions and signals of POSIX. What it adds are rules of Windows: an open file is
neither renamed nor deleted, event loops know no signals, and `select` knows only sockets. The libraries are loaded
before that: they have ways of their own for each system.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import pkgutil
import select
import signal
import stat
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
"""Modules that Windows lacks."""

FUNCTIONS = (
    *("chown", "fchown", "lchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg"),
    *("getpgid", "getpgrp", "getuid", "killpg", "mkfifo", "mknod", "nice", "openpty", "posix_fallocate", "posix_spawn"),
    *("sched_getaffinity", "setegid", "seteuid", "setgid", "setpgid", "setsid", "setuid", "sync", "sysconf", "uname"),
    *("wait", "wait3", "wait4", "waitid", "O_DIRECTORY", "O_NOFOLLOW"),
)
"""Names of `os` that Windows lacks."""

SIGNALS = (
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN"),
    *("SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "setitimer", "sigwait", "pthread_kill"),
)
"""Names of `signal` that Windows lacks."""

LIBRARIES = (
    "aiohttp",
    "bcrypt",
    "filelock",
    "packaging.specifiers",
    "platformdirs",
    "rich.console",
    "rich.table",
    "shutil",
    "sqlite3",
    "subprocess",
    "tempfile",
    "tomlkit",
    "typer",
    "yaml",
)
"""Loaded by some commands only; each knows Windows by itself."""

CTRL_BREAK = signal.SIGUSR1
"""Arrives as Ctrl-Break does on Windows."""


def package_modules() -> list[str]:
    """Every module of the package, but for the one that runs when it is imported."""
    import revvlink_cli

    found = pkgutil.walk_packages(revvlink_cli.__path__, "revvlink_cli.")
    return [module.name for module in found if module.name != "revvlink_cli.__main__"]


def pretend() -> None:
    """Take away what Windows lacks, and apply its rules."""
    for name in [*LIBRARIES, *package_modules()]:
        import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "revvlink_cli"]:
        del sys.modules[name]
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for owner, names in ((os, FUNCTIONS), (signal, SIGNALS), (select, ["poll", "epoll"])):
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    for module in (signal, import_module("_signal")):
        module.SIGBREAK = CTRL_BREAK  # type: ignore[attr-defined]
    for name in ("rename", "replace", "unlink", "remove"):
        setattr(os, name, _refusing_open_files(getattr(os, name)))
    os.chmod = _chmod_of_windows(os.chmod)
    select.select = _only_sockets(select.select)
    signal.signal = _few_signals(signal.signal)
    for kind in {asyncio.SelectorEventLoop, asyncio.BaseEventLoop}:
        for name in ("add_signal_handler", "remove_signal_handler", "add_reader"):
            setattr(kind, name, _not_implemented)
    sys.platform = "win32"


def _not_implemented(*_: object) -> NoReturn:
    raise NotImplementedError


def _open_files() -> Iterator[str]:
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(number.readlink())


def _refusing_open_files(work: Callable[..., None]) -> Callable[..., None]:
    def refuse(*paths: Any, **more: Any) -> None:
        for path in paths:
            if more.get("dir_fd") is None and os.path.realpath(path) in set(_open_files()):
                raise PermissionError(errno.EACCES, "another program uses this file", str(path))
        work(*paths, **more)

    return refuse


def _chmod_of_windows(work: Callable[..., None]) -> Callable[..., None]:
    return lambda path, mode, **more: work(path, 0o666 if mode & stat.S_IWUSR else 0o444, **more)


def _only_sockets(work: Callable[..., Any]) -> Callable[..., Any]:
    def check(*groups: Any) -> Any:
        for each in (each for group in groups[:3] for each in group):
            number = each if isinstance(each, int) else each.fileno()
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(10038, "An operation was attempted on something that is not a socket")
        return work(*groups)

    return check


def _few_signals(work: Callable[..., Any]) -> Callable[..., Any]:
    def check(number: int, handler: Any) -> Any:
        if number not in (
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGABRT,
            signal.SIGFPE,
            signal.SIGILL,
            signal.SIGSEGV,
            CTRL_BREAK,
        ):
            raise ValueError("invalid signal value")
        return work(number, handler)

    return check


def run_lines() -> None:
    """Import every module, and run the command lines.

    Prints lines of JSON: the number of modules, then the exit code, the output and the messages of each command.
    """
    modules = package_modules()
    for name in modules:
        import_module(name)
    print(len(modules), flush=True)  # noqa: T201 - the test reads it
    run = import_module("revvlink_cli.cli.app").run
    lines: list[list[str]] = json.load(sys.stdin)
    printed, messages = sys.stdout, sys.stderr
    for line in lines:
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(2))
        out, err = sys.stdout, sys.stderr
        try:
            code = run(line)
        finally:
            sys.stdout, sys.stderr = printed, messages
        texts = [stream.buffer.getvalue().decode("cp1252") for stream in (out, err)]
        print(json.dumps([code, *texts]), flush=True)  # noqa: T201 - as above


def main() -> None:
    """Pretend, and do what the first argument says."""
    pretend()
    match sys.argv[1:]:
        case ["lines"]:
            run_lines()
        case ["main", *arguments]:
            sys.argv[1:] = arguments
            import_module("revvlink_cli.__main__").main()


if __name__ == "__main__":
    main()
