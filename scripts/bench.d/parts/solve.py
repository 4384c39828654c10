"""20 names in a whole distribution's index: `melange2 solve` beside apko, whole processes."""

import json
import tarfile

from harness import MELANGE2, alternate, remove, run
from tables import Found, Row, median

# The index is made from Debian's package lists: Debian's names. All can be had together, and apko
# finds out that they can.
REQUEST = (
    "bash coreutils git curl python3 gcc g++ make cmake jq tar xz-utils openssh-client rsync nodejs "
    "golang-go sqlite3 gdb wget clang"
).split()


def solve(bench):
    index = bench.work / "index"
    count = packages_of(index / "x86_64/APKINDEX.tar.gz")
    cache = bench.work / "solve"
    config = bench.work / "apko.json"
    key = f"{index}/index.rsa.pub"
    contents = {"repositories": [str(index)], "keyring": [key], "packages": REQUEST}
    config.write_text(json.dumps({"contents": contents, "archs": ["x86_64"]}))
    memory = {"ours": [], "seen": [], "apko": []}

    def forget():
        remove(cache)

    def ours(kind, prepare=lambda: None):
        prepare()
        done = run([
            MELANGE2, "solve", "-r", index, "-k", key, "--arch", "x86_64",
            "--apk-cache-dir", cache, "--", *REQUEST,
        ])
        memory[kind].append(done.mebibytes)
        return done.seconds

    def apko():
        done = run([
            "apko", "show-packages", config, "--cache-dir", bench.work / "apko", "-C", bench.work,
        ])
        memory["apko"].append(done.mebibytes)
        return done.seconds

    # The first use of all makes a key of this user; later ones, of new indexes too, have it.
    ours("ours")
    apko()
    first = alternate(bench.rounds(9), lambda: ours("ours", forget), apko, "solve, index new")
    again = alternate(bench.rounds(9), lambda: ours("seen"), apko, "solve, index seen before")
    what = f"solve of {len(REQUEST)} names in {count:,} packages"
    rows = [
        Row.of_pairs(f"{what}: index new", first, "apko", "≤ 0.33"),
        Row.of_pairs(f"{what}: index seen before", again, "apko", "≤ 0.10"),
    ]
    figures = {kind: f"{median(values):.0f} MiB" for kind, values in memory.items()}
    text = (
        f"Largest resident memory of these processes: melange2 {figures['ours']} with a new index, "
        f"{figures['seen']} with one seen before, apko {figures['apko']}."
    )
    return Found(rows, text)


def packages_of(index):
    """How many packages an index has. Read as a stream: what this process holds at the most counts
    as its children's memory."""
    with tarfile.open(index) as archive:
        return sum(line.startswith(b"P:") for line in archive.extractfile("APKINDEX"))
