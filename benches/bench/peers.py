"""The command lines of everything that starts one container, on the same image."""

import json
import os
import shutil
import subprocess

from scene import mounts

MASKED = ["acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"]
READONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"]


def commands(scene):
    """By name, all but crun; none: it is not installed."""
    cmd = scene.programs.ours("lithos_cmd")
    found = {
        "floor": scene.floor_command("/bin/true", False),
        "floor, cgroups": scene.floor_command("/bin/true", True),
        "lithos_cmd": [cmd, "-C", str(scene.path("without.yaml")), "shop", "true"],
        "lithos_cmd, cgroups": [cmd, "-C", str(scene.path("master.yaml")), "shop", "true"],
        "bwrap": bwrap(scene),
        "unshare": unshare(scene),
        "runc": runc(scene),
    }
    return {name: command and found_in_path(command) for name, command in found.items()}


def found_in_path(command):
    return [shutil.which(command[0]) or command[0], *command[1:]]


def bwrap(scene):
    """The same namespaces and mounts; it can neither make a sysfs nor a cgroup."""
    if not shutil.which("bwrap"):
        return None
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]
    command += ["--uid", "1000", "--gid", "1000", "--hostname", "bench", "--clearenv", "--new-session"]
    command += ["--cap-drop", "ALL", "--ro-bind", str(scene.image), "/", "--proc", "/proc"]
    for path in READONLY:
        if os.path.exists(f"/proc/{path}"):
            command += ["--ro-bind", f"/proc/{path}", f"/proc/{path}"]
    for path in MASKED:
        command += mask(f"/proc/{path}")
    command += ["--ro-bind", "/sys", "/sys", "--tmpfs", "/sys/firmware", "--dev", "/dev", "--tmpfs", "/dev/shm"]
    return command + ["/bin/true"]


def mask(path):
    if not os.path.lexists(path):
        return []
    return ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]


def unshare(scene):
    """Namespaces and a procfs alone."""
    options = "--mount --pid --fork --ipc --uts --user --cgroup --map-root-user --mount-proc".split()
    return ["unshare", *options, "--root", str(scene.image), "/bin/true"]


def crun(scene):
    """Without cgroups; on a hybrid host it runs only where v2 is out of sight."""
    if not shutil.which("crun"):
        return None
    for kind, _, path in list(mounts()):
        if kind == "cgroup2" and path.name == "unified":
            subprocess.run(["umount", str(path)], check=True)
    return found_in_path(["crun", "--cgroup-manager=disabled", "run", "--bundle", bundle(scene, "crun"), "bench"])


def runc(scene):
    if not shutil.which("runc"):
        return None
    return ["runc", "run", "--bundle", bundle(scene, "runc"), "bench"]


def bundle(scene, name):
    """An OCI bundle that asks for what a plan of lithos has."""
    directory = scene.path(f"bundle-{name}")
    directory.mkdir(exist_ok=True)
    everyone = [{"containerID": 0, "hostID": 0, "size": 4294967295}]
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 1000, "gid": 1000},
            "args": ["/bin/true"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        },
        "root": {"path": str(scene.image), "readonly": True},
        "hostname": "bench",
        "mounts": oci_mounts(name),
        "linux": {
            "uidMappings": everyone,
            "gidMappings": everyone,
            "namespaces": [{"type": kind} for kind in ["pid", "ipc", "uts", "mount", "user", "cgroup"]],
            "maskedPaths": [f"/proc/{path}" for path in MASKED] + ["/sys/firmware", "/sys/devices/virtual/powercap"],
            "readonlyPaths": [f"/proc/{path}" for path in READONLY],
        },
    }
    if name == "runc":
        config["linux"]["cgroupsPath"] = "/lithos-bench/runc"
        config["linux"]["resources"] = {
            "memory": {"limit": 1 << 30},
            "pids": {"limit": 4096},
            "cpu": {"shares": 1024},
        }
    directory.joinpath("config.json").write_text(json.dumps(config))
    return str(directory)


def oci_mounts(name):
    strict = ["nosuid", "noexec", "nodev"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": strict},
        {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "ro", *strict]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        },
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*strict, "mode=1777", "size=64m"]},
    ]
