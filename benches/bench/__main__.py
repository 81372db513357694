"""Measures lithos, its peers and the floor in one run, and prints a table.

It runs itself again in mount and pid namespaces of its own (`inside`), with a tmpfs
over /run that everything made lies on: what it starts and mounts ends with it, however
it ends. Cgroups alone outlive a kill; whoever started it removes them, or the next run.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import machine
import report
from build import Programs, build
from figures import GROUPS, measure
from scene import LIBC, Scene, remove_stale_cgroups

TOP = Path(__file__).resolve().parent.parent.parent
INSIDE = "LITHOS_BENCH_INSIDE"


def options():
    parser = argparse.ArgumentParser(
        prog="benches/run",
        description="Measures lithos, its peers and the floor side by side.",
        epilog="Example: benches/run --only start,memory --json figures.json",
    )
    parser.add_argument("--only", metavar="GROUP,...", help=f"measure only these of {', '.join(GROUPS)}")
    parser.add_argument("--short", action="store_true", help="few rounds and containers, for a check in 2 minutes")
    parser.add_argument("--check", action="store_true", help="fail if a ratio is beyond its figure by far")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--programs", metavar="DIR", help="measure the programs in there, build none")
    asked = parser.parse_args()
    asked.only = asked.only.split(",") if asked.only else list(GROUPS)
    unknown = [group for group in asked.only if group not in GROUPS]
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    return asked


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def enter(asked):
    """Builds what is measured, and has it measured inside."""
    if os.geteuid() != 0:
        fail("cannot measure: containers need root")
    programs = asked.programs or build(TOP)
    environment = dict(os.environ, **{INSIDE: str(Path(programs).resolve())})
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    command += [sys.executable, "-B", *sys.argv]
    within = subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: pass_on(within.pid, number))
    status = within.wait()
    if status not in (0, 1):
        remove_stale_cgroups()
    sys.exit(status)


def end_with_parent():
    set_parent_death_signal = 1
    LIBC.prctl(set_parent_death_signal, signal.SIGKILL)


def pass_on(unshare, number):
    """To the first process inside; unshare itself waits for that."""
    for child in Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split():
        os.kill(int(child), number)


def inside(asked, directory):
    """Measures, in namespaces of our own."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    only_one = socket.socket(socket.AF_UNIX)
    try:
        only_one.bind("\0lithos-bench")
    except OSError:
        fail("cannot measure: another benchmark runs, the figures of both would be worthless")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"], check=True)
    remove_stale_cgroups()
    scene = Scene(Path("/run/lithos-bench"), Programs(TOP, directory))
    try:
        found, failed = measure(scene, asked.only, asked.short)
    finally:
        scene.leave()
    result = {"machine": machine.describe(), "short": asked.short, "figures": found}
    if asked.json:
        Path(asked.json).write_text(json.dumps(result, indent=1) + "\n")
    print(report.table(result))
    missed = [figure for figure in found if asked.check and report.is_far_off(figure)]
    for figure in missed:
        bound = report.bound(figure)
        most = "at most" if bound >= 0 else "at least"
        print(f"error: {figure['what']}: {figure['ratio']:.2f}, {most} {abs(bound):.2f}", file=sys.stderr)
    return 1 if missed or failed else 0


def main():
    asked = options()
    directory = os.environ.pop(INSIDE, None)
    if directory is None:
        enter(asked)
    sys.exit(inside(asked, directory))


main()
