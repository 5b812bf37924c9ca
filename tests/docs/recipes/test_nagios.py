"""The recipe for Nagios: Nagios accepts the file, runs its commands and reads their output."""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
import time
from typing import TYPE_CHECKING

from tests.docs.recipes.monitoring_plugins import OUTPUT, collected, performance
from tests.docs.recipes.read_recipes import expanded, nagios
from tests.docs.recipes.recipe_host import VERDICTS, Host, program, read

if TYPE_CHECKING:
    from pathlib import Path


def as_plugin(host: Host, service: dict[str, str]) -> tuple[str, dict[str, re.Match[str]]]:
    """Run the command of a service; its verdict and performance data, after a look at the form of the output."""
    ran = host.run(host.place(expanded(service["check_command"], nagios()[0])))
    output = OUTPUT.fullmatch(ran.out)
    assert output is not None, ran.out
    assert ran.err == ""
    assert len(ran.out.partition("\n")[0]) <= 80
    assert ran.code == VERDICTS.index(output["verdict"])
    return output["verdict"], performance(output["data"] or "")


def test_the_grammar_of_performance_data_is_strict() -> None:
    """The pattern refuses what graphs cannot read: two bars, labels without quotes, exponents, a comma for a point."""
    assert OUTPUT.fullmatch("OK: fine\nall of it | 'a b'=1.5s;1:2;~:3;0;9 'c'=2%;@1:2;5:\n")
    for wrong in (
        "OK: fine\n",
        "OK: fine | 'a'=1\n",
        "OK: fine\nall | 'a'=1 | 'b'=2\n",
        "OK: fine\nall | a=1\n",
        "OK: fine\nall | 'a'=1e-5s\n",
        "OK: fine\nall | 'a'=1,5s\n",
        "OK: fine\nall | 'a'=nan\n",
        "OK: fine\nall | 'a'=1;:;\n",
        "OK: fine\nall | 'a'=1  'b'=2\n",
        "FINE: fine\nall | 'a'=1\n",
    ):
        assert not OUTPUT.fullmatch(wrong), wrong


def test_commands_of_nagios_on_a_healthy_fleet(host: Host) -> None:
    """Each service's command says OK; thresholds from its arguments stand in the performance data."""
    _, services = nagios()
    found = {service["service_description"]: as_plugin(host, service) for service in services}

    assert {verdict for verdict, _ in found.values()} == {"OK"}
    cpu, memory = (found["Lavalink us-1"][1][f"us-1 {name}"] for name in ("cpu_system_load", "memory_used"))
    assert (cpu["warning"], cpu["critical"]) == ("80", "95")
    assert (memory["warning"], memory["critical"]) == ("90", None)
    assert "asia-1 ready" in found["Lavalink fleet"][1]
    assert "us-1 cpu_system_load" not in found["Lavalink us-1 alive"][1]


def test_commands_of_nagios_when_something_is_wrong(host: Host) -> None:
    """The fleet bears the loss of one node with a WARNING, and of two not; thresholds count; mistakes are UNKNOWN."""
    _, services = nagios()
    fleet, node, alive = services

    host.fleet["us-1"].set_load(system_load=0.9)
    assert as_plugin(host, node)[0] == "WARNING"
    assert as_plugin(host, alive)[0] == "OK"

    host.fleet["us-1"].kill()
    assert [as_plugin(host, service)[0] for service in services] == ["WARNING", "CRITICAL", "CRITICAL"]
    host.fleet["eu-1"].kill()
    assert as_plugin(host, fleet)[0] == "CRITICAL"

    ran = host.run(host.place(expanded("check_revvlink_node!us-1!80%!50%", nagios()[0])))
    assert (ran.code, OUTPUT.fullmatch(ran.out) is not None) == (3, True)


NAGIOS_OBJECTS = """\
define command {
    command_name  nothing
    command_line  /bin/true
}
define timeperiod {
    timeperiod_name  always
    alias            always
    monday           00:00-24:00
}
define contact {
    contact_name                   nobody
    host_notification_commands     nothing
    host_notification_options      n
    host_notification_period       always
    service_notification_commands  nothing
    service_notification_options   n
    service_notification_period    always
}
define host {
    host_name            lavalink
    check_command        nothing
    check_period         always
    contacts             nobody
    max_check_attempts   1
    notification_period  always
}
define service {
    name                 generic-service
    register             0
    check_interval       60
    check_period         always
    contacts             nobody
    max_check_attempts   1
    notification_interval  60
    notification_period  always
    retry_interval       60
}
"""


def nagios_main(host: Host) -> Path:
    """A main configuration as small as Nagios takes it, around the recipe."""
    folder = host.root / "n"
    (folder / "results").mkdir(parents=True)
    (folder / "objects.cfg").write_text(NAGIOS_OBJECTS, encoding="utf-8")
    (folder / "recipe.cfg").write_text(host.place(read("nagios-commands.cfg")), encoding="utf-8")
    files = {
        "cfg_file": "objects.cfg",
        "check_result_path": "results",
        "command_file": "command",
        "lock_file": "lock",
        "log_file": "log",
        "object_cache_file": "cache",
        "query_socket": "query",
        "service_perfdata_file": "performance",
        "state_retention_file": "retention",
        "status_file": "status",
        "temp_file": "temporary",
    }
    settings = {
        "cfg_file ": folder / "recipe.cfg",
        "temp_path": folder,
        "check_external_commands": 1,
        "check_for_updates": 0,
        "execute_host_checks": 0,
        "illegal_macro_output_chars": "`~$&|'\"<>",
        "nagios_group": grp.getgrgid(os.getegid()).gr_name,
        "nagios_user": pwd.getpwuid(os.geteuid()).pw_name,
        "process_performance_data": 1,
        "service_perfdata_file_template": "$SERVICEDESC$\\t$SERVICESTATE$\\t$SERVICEOUTPUT$\\t$SERVICEPERFDATA$",
    }
    lines = [f"{key}={folder / name}" for key, name in files.items()]
    main = folder / "nagios.cfg"
    text = "\n".join([*lines, *(f"{key.strip()}={value}" for key, value in settings.items())])
    main.write_text(f"{text}\n", encoding="utf-8")
    return main


def test_nagios_accepts_the_file(host: Host) -> None:
    """`nagios4 -v` finds neither an error nor a warning."""
    done = subprocess.run(
        [program("nagios4"), "-v", str(nagios_main(host))], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"Total Warnings: 0\nTotal Errors: +0\n", done.stdout), done.stdout
    assert "Checked 3 services" in done.stdout


def test_nagios_itself_runs_the_services(host: Host) -> None:
    """Nagios runs the commands, and has the state, the line and the performance data that were meant."""
    main = nagios_main(host)
    folder = main.parent
    host.fleet["eu-1"].kill()

    def start() -> None:
        deadline = time.monotonic() + 20
        while not (folder / "command").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for service in nagios()[1]:
            now = int(time.time())
            order = f"[{now}] SCHEDULE_FORCED_SVC_CHECK;lavalink;{service['service_description']};{now}\n"
            with (folder / "command").open("w", encoding="utf-8") as pipe:
                pipe.write(order)

    found = collected([program("nagios4"), str(main)], folder, "performance", 3, start)

    assert {name: fields[0] for name, fields in found.items()} == {
        "Lavalink fleet": "WARNING",
        "Lavalink us-1": "OK",
        "Lavalink us-1 alive": "OK",
    }
    line = found["Lavalink fleet"][1]
    assert line.startswith("WARNING: 2 of 3 nodes healthy, eu-1 reach: nothing listens on ")
    assert found["Lavalink us-1"][1] == "OK: 1 of 1 node healthy"
    assert "us-1 players" in performance(found["Lavalink us-1"][2])
