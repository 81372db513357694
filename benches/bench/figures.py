"""Every group of measurements, and the figures to reach."""

import sys
import time

import peers
import supervision
from timing import interleaved, middle, spread


def figure(what, value, unit, times=None, ratio=None, of=None, limit=None):
    """One line of the table.

    `ratio` is to `of`; `limit` is the most that the ratio may be, or the value where
    there is no ratio.
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


def absolute(what, values, unit, limit=None):
    """A figure that is no ratio."""
    return figure(what, middle(values), unit, values, limit=limit)


def compared(what, times, of, limit=None):
    """A figure that is a ratio to `of`, its name and its times."""
    name, others = of
    return figure(what, middle(times), "ms", times, middle(times) / middle(others), name, limit)


def start(scene, short):
    """One container that runs /bin/true, whole command."""
    commands = peers.commands(scene)
    missing = [name for name, command in commands.items() if not command]
    rounds = 30 if short else 200
    times = interleaved(scene, {name: command for name, command in commands.items() if command}, rounds)
    for name, runs in times.items():
        own = "floor, cgroups" if name.endswith(", cgroups") or name == "runc" else "floor"
        limit = 1.8 if name.startswith("lithos") else None
        yield compared(name, runs, (own, times[own]), limit)
    if "bwrap" in times:
        yield compared("lithos_cmd", times["lithos_cmd"], ("bwrap", times["bwrap"]), 1.0)
    # By itself, since it may need another view of the host.
    crun = peers.crun(scene)
    missing += ["crun"] * (not crun)
    beside = interleaved(scene, {"floor": commands["floor"], "crun": crun}, rounds) if crun else {}
    if "crun" in beside:
        yield compared("crun", beside["crun"], ("floor", beside["floor"]))
    for name in missing:
        yield figure(f"{name}: not installed", None, "ms")


def daemons(scene, short):
    """Many daemons at once, per daemon."""
    for count, rounds in [(50, 2)] if short else [(200, 7), (1000, 3)]:
        times = supervision.starts(scene, count, rounds)
        floor = (f"floor at {count}", times["floor"])
        yield compared(floor[0], floor[1], floor)
        yield compared(f"lithos_tree at {count}", times["lithos_tree"], floor, 1.5)


def supervised(scene, short):
    """What running containers cost, and how fast the supervisor reacts."""
    few, many = (50, 100) if short else (200, 1000)
    one = supervision.Supervised(scene, few)
    yield absolute(f"memory of a knot at {few}", one.knot_memory(), "KiB", 160)
    one.stop()
    all_of_them = supervision.Supervised(scene, many)
    yield figure(f"memory of lithos_tree at {many}", all_of_them.tree_memory() / 1024, "MiB", limit=8)
    yield figure(f"idle for 10 s at {many}", all_of_them.idle_ticks(10), "ticks", limit=0)
    began = (f"start at {many}", [all_of_them.running.started / many / 1e6])
    yield compared(f"restart at {many}", all_of_them.restarts(10 if short else 50), began, 1.3)
    yield absolute(f"reload at {many}, not reacting", all_of_them.reloads(3 if short else 10), "ms", 100)
    yield absolute(f"adoption at {many}", all_of_them.adoptions(3 if short else 10), "ms", 200)
    all_of_them.stop()


def check(scene, short):
    """lithos_check."""
    count = 100 if short else 1000
    yield absolute(f"lithos_check on {count} processes", supervision.check(scene, count, 5 if short else 20), "ms", 150)


GROUPS = {"start": start, "daemons": daemons, "supervised": supervised, "check": check}


def measure(scene, only, short):
    """The figures of these groups, with the time that each group took."""
    found = []
    for name in only:
        began = time.monotonic()
        for line in GROUPS[name](scene, short):
            found.append({"group": name, **line})
        print(f"{name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found
