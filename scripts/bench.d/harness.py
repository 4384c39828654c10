"""Runs programs and measures them: rounds, the places of a run, builds of recipes, a registry."""

import atexit
import dataclasses
import os
import pathlib
import platform
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MELANGE2 = ROOT / "target/release/melange2"


@dataclasses.dataclass
class Done:
    """A process that has ended."""

    seconds: float
    text: str
    mebibytes: float

    def phases(self):
        """What `melange2 build -v` says of its phases, in seconds."""
        found = re.findall(r"^ *([\d.]+)s  (\w+) \(time\)$", self.text, re.MULTILINE)
        return {name: float(seconds) for seconds, name in found} | {"whole": self.seconds}


def run(command, environment=None, directory=None):
    """Runs a program; its time and its largest resident memory, children included."""
    with tempfile.TemporaryFile() as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **(environment or {})}, cwd=directory,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode(errors="replace")
    if process.returncode:
        words = " ".join(str(word) for word in command)
        sys.exit(f"error: exit code {process.returncode}: {words}\n{text[-4000:]}")
    return Done(seconds, text, usage.ru_maxrss / 1024)


# What `remove` has moved out of the way.
aside = []


def remove(directory):
    """Moves a directory out of the way, and waits until the disk has it.

    It is not deleted before the end of all: for minutes ext4 does not use the number of a deleted file
    again (`recently_deleted` in fs/ext4/ialloc.c), and to find another one it looks at all of these,
    for each file that is made. Deleting a daemon's 40,000 files costs the next one up to 8 s.
    """
    directory = pathlib.Path(directory)
    if not directory.exists():
        return
    if shutil.disk_usage(directory).free < 16 * 2**30:
        note("the disk is nearly full: what is not used any more is deleted, new files cost more now")
        delete_aside()
    away = directory.with_name(f"{directory.name}.aside-{len(aside)}")
    shutil.rmtree(away, ignore_errors=True)
    directory.rename(away)
    aside.append(away)
    os.sync()


@atexit.register
def delete_aside():
    for directory in aside:
        shutil.rmtree(directory, ignore_errors=True)


def note(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def fresh():
    """Something that no step has seen: steps that contain it run."""
    return secrets.token_hex(8)


def alternate(rounds, ours, theirs, what):
    """Runs both in every round, each first in every second one."""
    pairs = []
    for number in rounds:
        if number % 2 == 0:
            mine = ours()
            other = theirs()
        else:
            other = theirs()
            mine = ours()
        note(f"{what}: {mine:.3f} s, beside it {other:.3f} s")
        pairs.append((mine, other))
    return pairs


@dataclasses.dataclass
class Recipe:
    """A recipe, and the file of variables that says where its sources are."""

    path: pathlib.Path
    variables: pathlib.Path


class Registry:
    """Debian's docker-registry on loopback, empty."""

    def __init__(self, directory):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        configuration = directory / "registry.yml"
        configuration.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: '{directory}/storage'}}}}\n"
            f"http: {{addr: '{self.address}'}}\n"
        )
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", configuration], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    sys.exit(f"error: the registry does not start: see {directory}/log")
                time.sleep(0.02)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Bench:
    """The places of a run, and the programs with all their arguments."""

    def __init__(self, arguments):
        self.work = arguments.work
        self.quick = arguments.quick
        self.host_cache = self.work / "host-cache"
        # Copies, to be edited.
        self.recipes = self.work / "recipes"
        self.recipes.mkdir(exist_ok=True)
        self.address = arguments.address
        self.key = arguments.demo / "keys/demo.rsa.pub"
        self.signing_key = self.work / "bench.rsa"
        self.hello = self.recipe(ROOT / "examples/hello.yaml", f"mirror: {self.address}\n")
        if not self.signing_key.exists():
            run([MELANGE2, "keygen", self.signing_key])

    def rounds(self, count):
        return range(1 if self.quick else count)

    def recipe(self, path, variables):
        file = self.work / f"{path.stem}-vars.yaml"
        file.write_text(variables)
        return Recipe(path, file)

    def recipe_flags(self, recipe):
        return [
            recipe.path, "-r", f"{self.address}/repo", "-k", self.key,
            "--vars-file", recipe.variables,
        ]

    def build(self, recipe, *more):
        """`melange2 build -v`."""
        return run([
            MELANGE2, "build", "-v", *self.recipe_flags(recipe),
            "--signing-key", self.signing_key, "--out-dir", self.work / "packages",
            "--cache-dir", self.host_cache, *more,
        ])

    def with_nonce(self, nonce):
        """Flags that make all steps run when they have not seen the nonce."""
        environment = self.work / "nonce.env"
        environment.write_text(f"NONCE={nonce}\n")
        return ["--env-file", environment]

    def render(self, recipe):
        """Renders a recipe with all that it takes: the directory of `build.sh`."""
        directory = self.work / "rendered"
        shutil.rmtree(directory, ignore_errors=True)
        run([MELANGE2, "render", *self.recipe_flags(recipe), "-o", directory])
        return directory

    def peer(self, recipe):
        """Upstream's melange, the same build, with caches of its own."""
        theirs = self.peer_directory
        for name in ("cache", "apk"):
            (theirs / name).mkdir(parents=True, exist_ok=True)
        return run([
            "melange", "build", recipe.path, "--runner", "bubblewrap",
            "--arch", platform.machine(), "-r", f"{self.address}/repo", "-k", self.key,
            "--vars-file", recipe.variables, "--signing-key", self.signing_key,
            "--out-dir", theirs / "packages", "--cache-dir", theirs / "cache",
            "--apk-cache-dir", theirs / "apk",
        ]).seconds

    @property
    def peer_directory(self):
        return self.work / "melange"

    def socket(self):
        """The address of the private daemon."""
        return f"unix://{os.environ['MELANGE2_DAEMON_DIR']}/buildkitd.sock"

    def daemon(self, *words):
        return run([MELANGE2, "daemon", *words])

    def forget_daemon(self):
        self.daemon("stop")
        remove(os.environ["MELANGE2_DAEMON_DIR"])

    def empty_daemon(self):
        self.forget_daemon()
        self.daemon("start")

    def forget_caches(self):
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            remove(os.environ[name])
        remove(self.host_cache)
