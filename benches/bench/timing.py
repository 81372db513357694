"""Timing of whole commands: interleaved runs, and what is told of their spread."""

import statistics
import subprocess
import sys
from collections import defaultdict


def interleaved(scene, commands, rounds):
    """Runs each command `rounds` times, in turn; milliseconds of each, by name.

    A command that fails is told, and left out.
    """
    works = {}
    for name, command in commands.items():
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if tried.returncode == 0:
            works[name] = command
        else:
            print(f"warning: {name} does not work here: {tried.stderr.strip()[-300:]}", file=sys.stderr)
    names, line = list(works), [scene.stopwatch, str(rounds)]
    for number, name in enumerate(names):
        line += ["--"] * bool(number) + works[name]
    output = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout
    times = defaultdict(list)
    for run in output.splitlines():
        number, wall, _, status = map(int, run.split())
        if status:
            sys.exit(f"error: {names[number]} failed with wait status {status}")
        times[names[number]].append(wall / 1e6)
    return dict(times)


def middle(times):
    return statistics.median(times)


def spread(times):
    """Half of the distance between the quartiles, as a share of the median."""
    if len(times) < 4:
        return (max(times) - min(times)) / 2 / middle(times)
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2 / middle(times)
