"""Every group of measurements, and the figures to reach."""

import sys
import time

import peers
from timing import interleaved, middle, spread


def figure(what, value, unit, times=None, ratio=None, of=None, limit=None):
    """One line of the table.

    `ratio` is to `of`; `limit` is the most that the ratio may be, or the value where
    there is no ratio. What should be large has its ratio the other way round.
    """
    return {
        "what": what,
        "value": value,
        "unit": unit,
        "noise": spread(times) if times and len(times) > 1 else None,
        "least": min(times) if times else None,
        "ratio": ratio,
        "of": of,
        "limit": limit,
    }


def start(scene, short):
    """One container that runs /bin/true, whole command."""
    commands = peers.commands(scene)
    missing = [name for name, command in commands.items() if not command]
    rounds = 30 if short else 200
    times = interleaved(scene, {name: command for name, command in commands.items() if command}, rounds)
    for name, runs in times.items():
        own = "floor, cgroups" if name.endswith(", cgroups") or name == "runc" else "floor"
        limit = 1.8 if name.startswith("lithos") else None
        yield figure(name, middle(runs), "ms", runs, middle(runs) / middle(times[own]), own, limit)
    # By itself, since it may need another view of the host.
    crun = peers.crun(scene)
    missing += ["crun"] * (not crun)
    beside = interleaved(scene, {"floor": commands["floor"], "crun": crun}, rounds) if crun else {}
    for name, runs in list(beside.items())[1:]:
        yield figure(name, middle(runs), "ms", runs, middle(runs) / middle(beside["floor"]), "floor")
    if "bwrap" in times:
        ours = times["lithos_cmd"]
        yield figure("lithos_cmd to bwrap", middle(ours), "ms", ours, middle(ours) / middle(times["bwrap"]), "bwrap", 1.0)
    for name in missing:
        yield figure(f"{name}: not installed", None, "ms")


GROUPS = {"start": start}


def measure(scene, only, short):
    """The figures of these groups, with the time that each group took."""
    found = []
    for name in only:
        began = time.monotonic()
        for line in GROUPS[name](scene, short):
            found.append({"group": name, **line})
        print(f"{name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found
