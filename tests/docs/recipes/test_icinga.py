"""The recipe for Icinga: Icinga accepts the file, runs its commands and reads their output."""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess

from tests.docs.recipes.monitoring_plugins import collected, performance
from tests.docs.recipes.recipe_host import Host, program, read, seconds

ICINGA_OBJECTS = """\
template Service "generic-service" {
  max_check_attempts = 1
  check_interval = 2s
  retry_interval = 2s
}
object CheckCommand "nothing" {
  command = [ "/bin/true" ]
}
object Host "lavalink" {
  check_command = "nothing"
  vars.revvlink_fleet = true
  vars.revvlink_nodes = [ "us-1", "eu-1" ]
}
object Service "canary" {
  import "generic-service"
  host_name = "lavalink"
  check_command = "revvlink"
  vars.revvlink_node = "us-1"
  vars.revvlink_canaries = [ "ytsearch:night", "scsearch:night" ]
  vars.revvlink_canaries_play = "ytsearch:night"
}
object CheckerComponent "checker" { }
object PerfdataWriter "perfdata" {
  rotation_interval = 1s
  host_perfdata_path = "FOLDER/host"
  host_temp_path = "FOLDER/host-temporary"
  service_perfdata_path = "FOLDER/service"
  service_temp_path = "FOLDER/service-temporary"
  service_format_template = "$service.name$\\t$service.state_id$\\t$service.perfdata$"
}
"""


def icinga(host: Host) -> list[str]:
    """The command line of an Icinga that keeps to a folder."""
    folder = host.root / "i"
    (folder / "icinga2").mkdir(parents=True)
    (folder / "objects.conf").write_text(ICINGA_OBJECTS.replace("FOLDER", str(folder)), encoding="utf-8")
    (folder / "recipe.conf").write_text(host.place(read("icinga2.conf")), encoding="utf-8")
    constants = dict.fromkeys(("DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"), str(folder)) | {
        "RunAsUser": pwd.getpwuid(os.geteuid()).pw_name,
        "RunAsGroup": grp.getgrgid(os.getegid()).gr_name,
    }
    line = [program("icinga2"), "daemon", "-c", str(folder / "objects.conf"), "-c", str(folder / "recipe.conf")]
    return [*line, *(f"-D{name}={value}" for name, value in constants.items())]


def test_icinga_accepts_the_file(host: Host) -> None:
    """`icinga2 daemon -C` finds nothing wrong, and a service for the fleet and each node comes of it.

    Icinga waits longer for the command than the command for the nodes.
    """
    done = subprocess.run([*icinga(host), "-C"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert not re.search(r"\b(warning|critical)/", done.stdout), done.stdout
    assert "Instantiated 4 Services" in done.stdout
    outer, inner = re.findall(r'timeout = "?([0-9]+[sm])', read("icinga2.conf"))
    assert seconds(outer) >= seconds(inner) + 15, "a --notify or a heartbeat may need 10 seconds more"


def test_icinga_itself_runs_the_services(host: Host) -> None:
    """Icinga builds the command lines from the arguments, and has the states and thresholds that were meant."""
    host.fleet["eu-1"].kill()

    found = collected(icinga(host), host.root / "i", "service.*", 4, lambda: None)

    states = {name: int(fields[0]) for name, fields in found.items()}
    assert states == {"lavalink-fleet": 1, "lavalink-us-1": 0, "lavalink-eu-1": 2, "canary": 0}
    data = performance(found["lavalink-us-1"][1])
    assert (data["us-1 cpu_system_load"]["warning"], data["us-1 cpu_system_load"]["critical"]) == ("80", "95")
    assert data["us-1 websocket_round_trip"]["critical"] == "2"
    tried = performance(found["canary"][1])
    assert {"us-1 load ytsearch:night", "us-1 load scsearch:night", "us-1 play_start ytsearch:night"} <= tried.keys()
