"""buildctl's part of a build of hello against a hand-written Dockerfile, and the phases of the same
builds."""

import re

from harness import ROOT, alternate, fresh, run
from tables import Found, Row, in_seconds, median, table

DOCKERFILE = ROOT / "scripts/bench.d/hello.Dockerfile"
PHASES = ("solving", "fetching", "assembling", "BuildKit", "packaging")


def environment_image(bench):
    """The environment's image, prepared for others, and its digest."""
    directory = bench.render(bench.hello)
    line = (directory / "build.sh").read_text()
    digest = re.search(r"oci-layout://env@(sha256:[0-9a-f]{64})", line)
    return directory / "contexts/env", digest.group(1)


def by_hand_with(bench, image, nonce):
    """The hand-written Dockerfile, by buildctl alone, on the same daemon."""
    layout, digest = image
    return run([
        "buildctl", "--addr", bench.socket(), "build",
        "--frontend", "dockerfile.v0", "--progress", "plain",
        "--local", f"dockerfile={DOCKERFILE.parent}", "--opt", f"filename={DOCKERFILE.name}",
        "--oci-layout", f"env={layout}", "--opt", f"context:env=oci-layout://env@{digest}",
        "--opt", f"build-arg:NONCE={nonce}", "--opt", f"build-arg:MIRROR={bench.address}",
        "--output", "type=tar,dest=/dev/null",
    ])


def steps(bench):
    seen = {"empty": [], "changed": [], "same": []}
    bench.forget_caches()
    image = environment_image(bench)

    def build(nonce):
        return bench.build(bench.hello, *bench.with_nonce(nonce))

    def ours(kind, nonce, prepare=lambda: None):
        prepare()
        phases = build(nonce()).phases()
        seen[kind].append(phases)
        return phases["BuildKit"]

    def by_hand(nonce):
        return by_hand_with(bench, image, nonce()).seconds

    def nothing_known():
        bench.empty_daemon()
        bench.forget_caches()

    def by_hand_on_empty():
        # Layers that were written a moment ago, as ours are: the disk has them both to digest.
        nothing_known()
        bench.render(bench.hello)
        return by_hand(fresh)

    empty = alternate(
        bench.rounds(4),
        lambda: ours("empty", fresh, nothing_known),
        by_hand_on_empty,
        "empty daemon",
    )
    # The daemon of the last round knows the environment's image by one of the two: make it both.
    build("warm-up")
    by_hand(lambda: "warm-up")
    changed = alternate(
        bench.rounds(8), lambda: ours("changed", fresh), lambda: by_hand(fresh), "all steps run"
    )
    same = alternate(
        bench.rounds(20),
        lambda: ours("same", lambda: "warm-up"),
        lambda: by_hand(lambda: "warm-up"),
        "nothing changed",
    )
    other = "hand-written Dockerfile"

    def with_packaging(kind, pairs):
        """Stage 5 works while buildctl does: BuildKit's part alone leaves out what that costs it."""
        return [
            (phases["BuildKit"] + phases["packaging"], theirs)
            for phases, (_, theirs) in zip(seen[kind], pairs)
        ]

    what = "buildctl's part of a build of hello"
    rows = [
        Row.of_pairs(f"{what}: empty daemon, all steps run", empty, other, "≤ 1.05"),
        Row.of_pairs(f"{what}: environment known, all steps run", changed, other, "≤ 1.05"),
        Row.of_pairs(f"{what}: nothing changed", same, other, "≤ 1.05"),
        Row.of_pairs("the same and packaging: nothing changed", with_packaging("same", same), other),
    ]
    return Found(rows, phase_table(seen))


def phase_table(seen):
    rows = []
    for phase in (*PHASES, "whole"):
        # Nothing is fetched for an environment that is known.
        cells = [
            in_seconds(median(run[phase] for run in runs))
            if all(phase in run for run in runs) else "–"
            for runs in seen.values()
        ]
        rows.append(["whole process" if phase == "whole" else phase, *cells])
    return table(["", "caches and daemon empty", "all steps run", "nothing changed"], rows)
