"""What is measured upon: an image, keys, configs and cgroups, all below one directory."""

import ctypes
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)

#: What every cgroup of ours is called.
CGROUP = "lithos-bench"

#: As the sandbox config below has them.
LIMITS = {"memory": 1 << 30, "pids": 4096, "cpu": 1024}

DIRECTORIES = ["bin", "config", "dev", "etc", "proc", "sys", "tmp"]


class Scene:
    """The directory, with everything made that all measurements share."""

    def __init__(self, root, programs):
        self.root = root
        self.programs = programs
        self.image = root / "image"
        for name in [*(f"image/{name}" for name in DIRECTORIES), "sandboxes", "processes", "keys", "mnt"]:
            (root / name).mkdir(parents=True)
        self.stopwatch = str(root / "stopwatch")
        self.floor = str(root / "floor")
        for name in ["stopwatch", "floor"]:
            programs.compile(name, root / name)
        for name in ["true", "daemon"]:
            programs.compile(name, self.image / "bin" / name)
        self.groups = Groups()
        self._configs()

    def path(self, below):
        return self.root / below

    def _configs(self):
        key = self.path("keys/key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.path("sandboxes/shop.yaml").write_text(
            f"image-dir: {self.root}\nallow-users: [1000]\nallow-groups: [1000]\n"
            "default-user: 1000\ndefault-group: 1000\n"
            f"limits: {{ memory: {LIMITS['memory']}, pids: {LIMITS['pids']} }}\n"
            f"secrets-private-key: {key}\nsecrets-namespaces: [shop]\n"
        )
        secret = f"secret-environ: {{ PASSWORD: '{self.seal(os.urandom(24).hex())}' }}\n"
        self.image.joinpath("config/true.yaml").write_text(f"kind: Command\nexecutable: /bin/true\n{secret}")
        self.image.joinpath("config/daemon.yaml").write_text(
            f"executable: /bin/daemon\nrestart-timeout: 0\nkill-timeout: 5\n{secret}"
        )
        for name, group in [("master", f"{CGROUP}.slice"), ("without", "null")]:
            self.path(f"{name}.yaml").write_text(
                f"runtime-dir: {self.root}/run\ndefault-log-dir: {self.root}/log\n"
                f"config-log-dir: {self.root}/log/config\nstdio-log-dir: {self.root}/log/stdio\n"
                f"cgroup-name: {group}\n"
            )
        self.daemons(0)

    def daemons(self, count):
        """Asks for so many daemons, and a command besides."""
        text = "true: { kind: Command, image: image, config: /config/true.yaml }\n"
        if count:
            text += f"daemon: {{ image: image, config: /config/daemon.yaml, instances: {count} }}\n"
        self.path("processes/shop.yaml").write_text(text)

    def processes(self, count):
        """Asks for so many processes."""
        line = "process-{}: {{ image: image, config: /config/daemon.yaml }}\n"
        self.path("processes/shop.yaml").write_text("".join(line.format(number) for number in range(count)))

    @contextmanager
    def mounts(self, count):
        """So many mounts more on what is the host here."""
        directory = self.path("mounts")
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(directory)], check=True)
        for number in range(count):
            target = directory / str(number)
            target.mkdir()
            mount(directory, target)
        yield
        subprocess.run(["umount", "--lazy", str(directory)], check=True)

    def seal(self, value):
        command = [self.programs.ours("lithos_crypt"), "encrypt", "-n", "shop", "-k", str(self.path("keys/key.pub"))]
        return subprocess.run(command, input=value, check=True, capture_output=True, text=True).stdout.strip()

    def floor_command(self, program, cgroups, *more):
        """The floor's command line."""
        groups = self.groups.arguments() if cgroups else []
        return [self.floor, *more, *groups, str(self.image), str(self.path("mnt")), program]

    def leave(self):
        """Ends what still runs, and removes the cgroups."""
        if os.getpid() == 1:
            # All of this pid namespace, which is ours alone.
            end_all_others()
        remove_stale_cgroups()


def end_all_others():
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.wait()
    except (ProcessLookupError, ChildProcessError):
        pass


def mount(source, target):
    """A bind mount, without a program for each."""
    bind = 4096
    if LIBC.mount(os.fsencode(source), os.fsencode(target), None, bind, None):
        raise OSError(ctypes.get_errno(), f"cannot mount on {target}")


def mounts():
    """Kind, options and directory of every mount."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        kind, _, options = right.split(" ", 2)
        yield kind, options.split(","), Path(left.split(" ")[4])


class Groups:
    """The floor's cgroups: as lithos chooses them, v2 where it has the controllers."""

    def __init__(self):
        found = list(mounts())
        two = [directory for kind, _, directory in found if kind == "cgroup2"]
        has = two[0].joinpath("cgroup.controllers").read_text().split() if two else []
        self.directories = {}
        if {"cpu", "memory", "pids"} <= set(has):
            base = two[0] / CGROUP
            base.mkdir(exist_ok=True)
            for directory in [two[0], base]:
                directory.joinpath("cgroup.subtree_control").write_text("+cpu +memory +pids")
            memory, pids = LIMITS["memory"], LIMITS["pids"]
            self.directories[base] = (
                f"cpu.weight=100,memory.oom.group=1,memory.max={memory},memory.swap.max=0,pids.max={pids}"
            )
            return
        limits = {
            "cpu": f"cpu.shares={LIMITS['cpu']}",
            "memory": "memory.limit_in_bytes={0},memory.memsw.limit_in_bytes={0}".format(LIMITS["memory"]),
            "pids": f"pids.max={LIMITS['pids']}",
            "cpuacct": "",
        }
        for controller, limit in limits.items():
            for kind, options, directory in found:
                if kind == "cgroup" and controller in options:
                    base = directory / CGROUP
                    base.mkdir(exist_ok=True)
                    before = self.directories.get(base)
                    self.directories[base] = ",".join(filter(None, [before, limit]))

    def arguments(self):
        """As the floor takes them."""
        arguments = []
        for directory, limits in self.directories.items():
            arguments += ["-g", f"{directory}:{limits}" if limits else str(directory)]
        return arguments


def remove_stale_cgroups():
    """Removes every cgroup of ours; who was in them has ended."""
    for kind, _, directory in mounts():
        if kind in ("cgroup", "cgroup2"):
            for top in directory.glob(f"{CGROUP}*"):
                remove_group(top)


def remove_group(directory):
    for child in [entry for entry in directory.iterdir() if entry.is_dir()]:
        remove_group(child)
    for _ in range(200):
        try:
            return directory.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.01)
    print(f"warning: cannot remove {directory}: something runs in it")
    return None
