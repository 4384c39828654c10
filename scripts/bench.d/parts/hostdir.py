"""The host's cache directory: what it adds to a build, by what has changed."""

import os
import shutil

from harness import MELANGE2, alternate, fresh, run
from tables import Found, Row, in_seconds


def hostdir(bench):
    size, files = (1 << 20, 50) if bench.quick else (10 << 20, 500)
    directory = bench.work / "large-cache"
    recipe = bench.recipes / "one-step.yaml"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    noise = os.urandom(1 << 20)
    for number in range(files):
        with open(directory / f"file-{number}", "wb") as file:
            for part in range(size >> 20):
                file.write(number.to_bytes(4, "big") + part.to_bytes(4, "big") + noise[8:])

    def build(nonce, where, script="true"):
        """One step, which runs where it has not seen the nonce."""
        recipe.write_text(
            "package: {name: one, version: '1', epoch: 0, description: one, "
            "copyright: [{license: MIT}]}\n"
            "environment: {contents: {packages: [busybox]}}\n"
            f"pipeline:\n  - runs: |\n      # {nonce}\n      {script}\n"
        )
        return run([
            MELANGE2, "build", recipe, "-r", f"{bench.address}/repo", "-k", bench.key,
            "--signing-key", bench.signing_key, "--out-dir", bench.work / "packages",
            "--cache-dir", where,
        ]).seconds

    def changed():
        """What the build before has left: one file that is new on both sides' lists."""
        build(fresh(), directory, "date > /var/cache/melange/file-0")

    without = bench.work / "no-such-directory"
    build(fresh(), without)
    first = build(fresh(), directory)
    count = f"{files * size / 1e9:.1f} GB in {files} files"
    rows = []

    def row(what, ours, goal):
        pairs = alternate(bench.rounds(7), ours, lambda: build("same", without), what)
        rows.append(Row.of_pairs(what, pairs, "nothing runs, no directory", goal))

    def unchanged():
        changed()
        return build("same", directory)

    def unchanged_and_run():
        changed()
        return build(fresh(), directory)

    def one_stored():
        return build(fresh(), directory, "date > /var/cache/melange/file-1")

    build("same", without)
    row(f"host directory of {count}, unchanged: nothing runs", unchanged, "≤ 1 s")
    row(f"host directory of {count}, unchanged: a step runs", unchanged_and_run, "≤ 1 s")
    row(f"host directory of {count}: a step runs and stores a file", one_stored, "≤ 1 s")
    row("no directory: a step runs", lambda: build(fresh(), without), "")
    shutil.rmtree(directory)
    text = f"Bringing {count} into an empty mount: {in_seconds(first)}, once for each daemon."
    return Found(rows, text)
