"""lithos_crypt: the program, and the library beside libsodium."""

import subprocess

from timing import interleaved


def encrypt(scene, rounds):
    """Milliseconds of `lithos_crypt encrypt`, and of a static program that only exits."""
    value = scene.path("value")
    value.write_text("a value of some length, and not to be guessed: 4f7a1c9e\n")
    key = str(scene.path("keys/key.pub"))
    commands = {
        "exit": [str(scene.image / "bin/true")],
        "encrypt": [scene.programs.ours("lithos_crypt"), "encrypt", "-n", "shop", "-k", key, "--data-file", str(value)],
    }
    return interleaved(scene, commands, rounds)


def library(scene, rounds):
    """Microseconds to seal and to open, in turn, by whose library; none: no libsodium."""
    sodium = scene.path("sodium")
    if not scene.programs.compile("sodium", sodium, "-lsodium"):
        return None
    found = {name: {"seal": [], "open": []} for name in ["lithos", "libsodium"]}
    for _ in range(rounds):
        for name, command in [("libsodium", [str(sodium)]), ("lithos", [scene.programs.speed()])]:
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            for deed, nanoseconds in zip(["seal", "open"], output.split()):
                found[name][deed].append(int(nanoseconds) / 1000)
    return found


def repository(scene, count):
    """A repository with so many tokens, a hundred in each file."""
    top = scene.path("repository")
    top.mkdir()
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    command = [scene.programs.speed(), str(count), str(scene.path("keys/key.pub"))]
    tokens = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for first in range(0, count, 100):
        lines = (f"  SECRET_{number}: {token}\n" for number, token in enumerate(tokens[first : first + 100]))
        directory = top / f"application-{first // 1000}"
        directory.mkdir(exist_ok=True)
        directory.joinpath(f"config-{first}.yaml").write_text("secret-environ:\n" + "".join(lines))
    return top


def check(scene, count, rounds):
    """Milliseconds of `lithos_crypt check` over so many tokens."""
    command = [scene.programs.ours("lithos_crypt"), "check", str(repository(scene, count))]
    return interleaved(scene, {"check": command}, rounds)["check"]
