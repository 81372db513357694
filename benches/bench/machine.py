"""What the figures were measured on."""

import os
import platform
from pathlib import Path


def describe():
    """The machine, in words."""
    info = Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    virtual = " (virtual)" if "hypervisor" in info else ""
    return {
        "processors": f"{os.cpu_count()} x {models[0] if models else platform.machine()}{virtual}",
        "memory": f"{memory} MiB",
        "kernel": platform.release(),
        "cgroups": hierarchies(),
        "load": " ".join(Path("/proc/loadavg").read_text().split()[:3]),
    }


def hierarchies():
    """Which versions of cgroups are mounted."""
    kinds = {line.split(" - ")[1].split()[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    both = {"cgroup": "v1", "cgroup2": "v2"}
    return " and ".join(name for kind, name in both.items() if kind in kinds) or "none"
