#!/usr/bin/python3
"""Stands in for systemctl on a host without systemd: starts and stops units as their files say.

`systemctl daemon-reload | enable [--now] | start | stop | restart | reload | is-active UNIT…`. Of a unit in
/etc/systemd/system it reads what decides who runs what, and what a stop ends (systemd.service(5), systemd.kill(5));
the services of Debian's own packages go through their scripts in /etc/init.d.
"""

import configparser
import grp
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
STATE = Path("/run/systemctl")
STOP_SECONDS = 30.0


class Unit:
    """A service of which there is a unit file."""

    def __init__(self, name: str) -> None:
        self.name = name
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read([UNITS / f"{name}.service", *sorted(UNITS.glob(f"{name}.service.d/*.conf"))])
        self.says = dict(parser["Service"])
        self.pid_file = STATE / f"{name}.pid"

    def main_pid(self) -> "int | None":
        """The main process, if it lives."""
        try:
            pid = int(self.pid_file.read_text())
            return None if b") Z " in Path(f"/proc/{pid}/stat").read_bytes() else pid
        except (FileNotFoundError, ProcessLookupError):
            return None

    def start(self) -> None:
        """Start it as the user, group and umask that it names."""
        if self.main_pid() is not None:
            return
        self._make_runtime_directory()
        STATE.mkdir(exist_ok=True)
        with open(STATE / f"{self.name}.log", "ab") as log:
            started = subprocess.Popen(
                [*self._capably(), *shlex.split(self.says["ExecStart"])],
                cwd=self.says.get("WorkingDirectory", "/"),
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._become,
            )
        self.pid_file.write_text(str(started.pid))

    def _environment(self) -> "dict[str, str]":
        return dict(pair.split("=", 1) for pair in shlex.split(self.says.get("Environment", "")))

    def _owner(self) -> "tuple[int, int]":
        user = pwd.getpwnam(self.says.get("User", "root"))
        group = self.says.get("Group")
        return user.pw_uid, grp.getgrnam(group).gr_gid if group else user.pw_gid

    def _capably(self) -> "list[str]":
        """What hands on ambient capabilities to the command, as its user."""
        names = self.says.get("AmbientCapabilities", "").split()
        if not names:
            return []
        given = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in names)
        uid, gid = self._owner()
        become = [f"--reuid={uid}", f"--regid={gid}", "--init-groups"]
        return ["setpriv", *become, f"--inh-caps={given}", f"--ambient-caps={given}"]

    def _become(self) -> None:
        uid, gid = self._owner()
        os.umask(int(self.says.get("UMask", "0022"), 8))
        if self._capably():
            return
        more = [grp.getgrnam(name).gr_gid for name in self.says.get("SupplementaryGroups", "").split()]
        user = pwd.getpwuid(uid).pw_name
        os.setgroups([*os.getgrouplist(user, gid), *more])
        os.setgid(gid)
        os.setuid(uid)

    def _make_runtime_directory(self) -> None:
        for name in self.says.get("RuntimeDirectory", "").split():
            path = Path("/run") / name
            path.mkdir(exist_ok=True)
            os.chown(path, *self._owner())
            path.chmod(int(self.says.get("RuntimeDirectoryMode", "0755"), 8))

    def stop(self) -> None:
        """End its main process; with any KillMode but `process`, what it has started too."""
        pid = self.main_pid()
        if pid is None:
            return
        number = getattr(signal, self.says.get("KillSignal", "SIGTERM"))
        mode = self.says.get("KillMode", "control-group")
        others = [] if mode == "process" else descendants(pid)
        send([pid, *(others if mode == "control-group" else [])], number)
        deadline = time.monotonic() + STOP_SECONDS
        while self.main_pid() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        send([pid, *others], signal.SIGKILL)

    def reload(self) -> None:
        """Carry out its ExecReload."""
        command = self.says["ExecReload"].replace("$MAINPID", str(self.main_pid()))
        subprocess.run(shlex.split(command), check=True)


def send(pids: "list[int]", number: int) -> None:
    """Signal those that are left."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> "list[int]":
    """All that the process has started, and they in turn."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = list(children.get(pid, []))
    for each in found:
        found += children.get(each, [])
    return found


def carry_out(verb: str, name: str) -> int:
    """Do it; the exit code."""
    name = name.removesuffix(".service")
    if not (UNITS / f"{name}.service").exists():
        verb = {"is-active": "status"}.get(verb, verb)
        return subprocess.run([f"/etc/init.d/{name}", verb], stdin=subprocess.DEVNULL, check=False).returncode
    unit = Unit(name)
    if verb == "is-active":
        return 0 if unit.main_pid() is not None else 3
    for step in {"restart": ("stop", "start")}.get(verb, (verb,)):
        getattr(unit, step)()
    return 0


def main(arguments: "list[str]") -> int:
    """What the command line says."""
    verb, *rest = arguments
    names = [name for name in rest if not name.startswith("-")]
    if verb in ("daemon-reload", "enable") and "--now" not in rest:
        return 0
    return max(carry_out({"enable": "start"}.get(verb, verb), name) for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
