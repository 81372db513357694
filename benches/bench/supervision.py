"""The supervisor with many containers: starts, memory, idleness, reactions."""

import os
import signal
import subprocess
import time

import daemons
from timing import middle, spread

FLOORS = {"floor": (daemons.floor, daemons.stop_floor), "lithos_tree": (daemons.tree, daemons.stop_tree)}


def starts(scene, count, rounds):
    """Milliseconds for each daemon, of each round, by who starts them."""
    found = {name: [] for name in FLOORS}
    for _ in range(rounds):
        for name, (begin, stop) in FLOORS.items():
            running = begin(scene, count)
            found[name].append(running.started / count / 1e6)
            stop(running)
    return found


class Supervised:
    """A supervisor with so many containers, and what is measured of it."""

    def __init__(self, scene, count):
        self.scene = scene
        self.running = daemons.tree(scene, count)
        self.knots = daemons.knots()
        wait_until_idle(self)

    def stop(self):
        daemons.stop_tree(self.running)

    @property
    def pid(self):
        return self.running.process.pid

    def knot_memory(self):
        """KiB that each knot costs: its proportional set size."""
        return [daemons.smaps(pid, "Pss") for pid in self.knots]

    def tree_memory(self):
        """KiB of the supervisor that are resident."""
        return daemons.smaps(self.pid, "Rss")

    def idle_ticks(self, seconds):
        ours = [self.pid, *self.knots]
        before = daemons.ticks(ours)
        time.sleep(seconds)
        return daemons.ticks(ours) - before

    def restarts(self, rounds):
        """Milliseconds from a process's death to its successor's first word."""
        times = [daemons.restart(self.running, knot) / 1e6 for knot in self.knots[-rounds:]]
        self.knots = daemons.knots()
        return times

    def reloads(self, rounds):
        """Milliseconds without an answer, of reloads with nothing changed."""
        found = []
        for _ in range(rounds):
            found.append(daemons.silence(self.scene, lambda: os.kill(self.pid, signal.SIGHUP)))
            assert self.running.process.poll() is None and not self.running.log.begun(), "a reload restarted something"
        return found

    def adoptions(self, rounds):
        """Milliseconds from the exec of a supervisor to its first answer, after a kill -9."""
        found = []
        for _ in range(rounds):
            self.running.process.kill()
            self.running.process.wait()
            began = time.monotonic()
            log = self.running.log
            self.running = daemons.tree(self.scene)
            self.running.log = log
            while not daemons.asks(self.scene)[0]:
                time.sleep(0.001)
            found.append((time.monotonic() - began) * 1000)
            assert not log.begun(), "an adoption restarted something"
        return found


def wait_until_idle(supervised):
    """A start is over when nobody uses the processor any more."""
    ours = [supervised.pid, *supervised.knots]
    before = None
    while before != (now := daemons.ticks(ours)):
        before = now
        time.sleep(0.5)


def check(scene, count, rounds):
    """Milliseconds of `lithos_check` on so many processes."""
    scene.processes(count)
    command = [scene.programs.ours("lithos_check"), "-C", str(scene.path("master.yaml"))]
    times = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append((time.monotonic() - began) * 1000)
    scene.daemons(0)
    return times


def told(times):
    return f"{middle(times):.3g} ms +-{spread(times):.0%}"
