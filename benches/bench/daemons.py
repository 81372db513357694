"""Daemons by the hundred: how long they take to start, what they cost, how fast the
supervisor reacts. The floor program starts as many, the same way."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

#: Nothing here takes longer, on any machine that is worth measuring.
PATIENCE = 300

TICKS = os.sysconf("SC_CLK_TCK")


class Log:
    """Where the daemons say, in a line each, when they began."""

    def __init__(self, path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.offset = path.stat().st_size if path.exists() else 0
        self.rest = b""

    def begun(self):
        """The new lines since the last call: when so many more began."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        self.offset += len(text)
        *lines, self.rest = (self.rest + text).split(b"\n")
        return [int(line) for line in lines if line.isdigit()]

    def wait_for(self, count):
        """When each of the next `count` began."""
        found, until = [], time.monotonic() + PATIENCE
        while len(found) < count:
            if time.monotonic() > until:
                raise SystemExit(f"error: only {len(found)} of {count} daemons began in {PATIENCE} s")
            # As rarely as does not distort: what counts is what the daemons say.
            time.sleep(0.02)
            found += self.begun()
        return found


class Daemons:
    """Some daemons that run; `started` is how long it took, in nanoseconds."""

    def __init__(self, process, log, count):
        self.process, self.log, self.count = process, log, count
        self.started = 0

    def wait(self, since):
        self.started = max(self.log.wait_for(self.count)) - since
        return self


def floor(scene, count):
    """Started by the floor program."""
    log = Log(scene.path("floor.log"))
    command = scene.floor_command("/bin/daemon", True, "-n", str(count), "-o", str(log.path))
    since = time.monotonic_ns()
    return Daemons(subprocess.Popen(command), log, count).wait(since)


def tree(scene, count=None):
    """Started by lithos_tree, or adopted by it if there is no count."""
    log = Log(scene.path("log/stdio/shop.log"))
    command = [scene.programs.ours("lithos_tree"), "-C", str(scene.path("master.yaml"))]
    if count is not None:
        scene.daemons(count)
    since = time.monotonic_ns()
    daemons = Daemons(subprocess.Popen(command), log, count)
    return daemons.wait(since) if count is not None else daemons


def stop_floor(daemons):
    """Ends the containers' inits, which ends the floor program."""
    pid = daemons.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    daemons.process.wait(PATIENCE)


def stop_tree(daemons):
    """Stops the supervisor and its containers."""
    daemons.process.send_signal(signal.SIGTERM)
    daemons.process.wait(PATIENCE)


def knots():
    """The pids of every knot that has not ended."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # What a killed supervisor leaves is ours, and nobody buries it.
            if " (lithos_knot) " in (stat := directory.joinpath("stat").read_text()) and ") Z " not in stat:
                found.append(int(directory.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def smaps(pid, name):
    """A sum over all mappings of a process, in KiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:"))


def ticks(pids):
    """The processor time of these, in clock ticks."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def restart(daemons, knot):
    """From the death of a knot's process to its successor's first word, in ns."""
    process = child_of(knot)
    since = time.monotonic_ns()
    os.kill(process, signal.SIGKILL)
    return daemons.log.wait_for(1)[0] - since


def asks(scene):
    """Whether the supervisor answers on its control socket; how long that took, in s."""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(str(scene.path("run/control.sock")))
            client.sendall(b'{"version":1,"command":"outcome"}\n')
            answered = client.recv(1) != b""
        except (FileNotFoundError, ConnectionError, BlockingIOError):
            answered = False
    return answered, time.monotonic() - began


def silence(scene, deed):
    """The longest time without an answer after `deed`, in ms, once it has begun."""
    last = time.monotonic()
    deed()
    longest, calm = 0.0, 0
    while calm < 50:
        answered, _ = asks(scene)
        now = time.monotonic()
        if answered:
            longest = max(longest, now - last)
            # Far more than an answer takes: something has kept it from answering.
            calm = calm + 1 if now - last < 0.01 else 0
            last = now
        time.sleep(0.001)
    return longest * 1000
