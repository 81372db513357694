"""Every group of measurements, and the figures to reach."""

import sys
import time
import traceback

import peers
import sealing
import supervision
from timing import interleaved, middle, spread


def figure(what, value, unit, times=None, ratio=None, of=None, limit=None):
    """One line of the table.

    `ratio` is to `of`; `limit` is the most that the ratio may be, or the value where
    there is no ratio. A negative limit is the least that it may be.
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


def crypt(scene, short):
    """lithos_crypt, the program and the library."""
    times = sealing.encrypt(scene, 50 if short else 300)
    yield compared("lithos_crypt encrypt", times["encrypt"], ("a static program that only exits", times["exit"]), 2.0)
    found = sealing.library(scene, 3 if short else 15)
    for deed, least in [("seal", 0.85), ("open", 0.45)] if found else []:
        ours, theirs = found["lithos"][deed], found["libsodium"][deed]
        speed = middle(theirs) / middle(ours)
        yield figure(f"{deed}: speed", middle(ours), "us", ours, speed, f"libsodium, {middle(theirs):.3g} us", -least)
    if not found:
        yield figure("libsodium: not installed", None, "us")
    count = 1000 if short else 10000
    yield absolute(f"lithos_crypt check over {count} tokens", sealing.check(scene, count, 5 if short else 20), "ms", 300)


def growth(scene, short):
    """The same at 10, 100 and 1,000 containers, and with 5,000 mounts on the host."""
    for count in [10, 50] if short else [10, 100, 1000]:
        yield from grown(scene, count, f"at {count}", 1 if short else 3)
    count, mounts = (10, 500) if short else (100, 5000)
    with scene.mounts(mounts):
        yield from grown(scene, count, f"at {count}, {mounts} mounts", 1 if short else 3)
        command = peers.commands(scene)
        beside = {name: command[name] for name in ["floor", "lithos_cmd"]}
        times = interleaved(scene, beside, 5 if short else 30)
        yield compared(f"lithos_cmd, {mounts} mounts", times["lithos_cmd"], ("floor", times["floor"]))


def grown(scene, count, where, rounds):
    times = supervision.starts(scene, count, rounds)
    yield compared(f"lithos_tree {where}", times["lithos_tree"], (f"floor {where}", times["floor"]))
    one = supervision.Supervised(scene, count)
    yield absolute(f"memory of a knot {where}", one.knot_memory(), "KiB")
    yield figure(f"memory of lithos_tree {where}", one.tree_memory() / 1024, "MiB")
    yield absolute(f"restart {where}", one.restarts(5 * rounds), "ms")
    yield absolute(f"reload {where}, not reacting", one.reloads(rounds), "ms")
    yield absolute(f"adoption {where}", one.adoptions(rounds), "ms")
    one.stop()


GROUPS = {"start": start, "daemons": daemons, "supervised": supervised, "check": check, "crypt": crypt, "growth": growth}


def measure(scene, only, short):
    """The figures of these groups, and the groups that could not be measured whole."""
    found, failed = [], []
    for name in only:
        began = time.monotonic()
        try:
            for line in GROUPS[name](scene, short):
                found.append({"group": name, **line})
        except Exception:
            # What was measured so far is still worth seeing.
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found, failed
