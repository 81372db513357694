"""The programs that are measured, and how they are made."""

import os
import subprocess
import sys
from pathlib import Path

#: Of ours, in one directory.
OURS = ["lithos_cmd", "lithos_knot", "lithos_tree", "lithos_check", "lithos_crypt"]


def build(top):
    """Builds ours as they are installed, and gives their directory."""
    command = [str(top / "scripts/install"), "--build"]
    directory = Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--package", "lithos_crypt", "--example", "speed"]
    # With the same flags, so that nothing is built twice.
    environment = dict(os.environ, RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols")
    subprocess.run(command + ["--target", directory.parent.name], cwd=top, env=environment, check=True)
    return directory


class Programs:
    """Where each program is."""

    def __init__(self, top, directory):
        self.top = top
        self.directory = Path(directory)
        for name in OURS:
            if not (self.directory / name).exists():
                print(f"error: there is no {name} in {directory}", file=sys.stderr)
                sys.exit(1)

    def ours(self, name):
        return str(self.directory / name)

    def speed(self):
        """The example of lithos_crypt that measures the library."""
        return str(self.directory / "examples/speed")

    def compile(self, name, into, *libraries):
        """Compiles one of our C programs; tells whether that was possible."""
        command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(into), str(self.top / f"benches/{name}.c")]
        static = [] if libraries else ["-static"]
        done = subprocess.run(command + static + list(libraries), stderr=subprocess.PIPE, text=True)
        if done.returncode and not libraries:
            print(f"error: cannot compile {name}.c: {done.stderr}", file=sys.stderr)
            sys.exit(1)
        return done.returncode == 0
