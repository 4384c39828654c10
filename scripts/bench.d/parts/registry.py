"""The registry's cache: a fresh daemon beside a warm registry, and the export of 100 steps."""

from harness import Registry, Recipe, alternate, fresh, run
from parts.recipes import SOURCES, Edited
from tables import Found, Row, in_seconds, median

GOALS = {"hello": "≤ 1.5 s"}
STEPS = 100


def registry(bench):
    with Registry(bench.work / "registry") as server:
        names = ["jq"] if bench.quick else list(SOURCES)
        found = [from_registry(bench, server, name) for name in names]
        rows = [row for rows, _ in found for row in rows]
        shares = ", ".join(f"{name} {in_seconds(share)}" for name, (_, share) in zip(names, found))
        rows += export(bench, server)
    return Found(rows, f"Packaging's share of the builds from a warm registry: {shares}.")


def from_registry(bench, server, name):
    """Builds on an empty daemon that runs, with a registry that has everything and without one."""
    recipe = Edited(bench, name).recipe
    # Whatever this daemon knows is exported: it begins with nothing of other parts.
    bench.empty_daemon()
    cache = ["--cache-registry", f"{server.address}/melange-cache"]
    bench.build(recipe, *cache)
    packaging = []

    def ours():
        bench.empty_daemon()
        done = bench.build(recipe, *cache)
        packaging.append(done.phases()["packaging"])
        return done.seconds

    def on_another_machine():
        bench.empty_daemon()
        bench.forget_caches()
        return bench.build(recipe, *cache).seconds

    def without():
        bench.empty_daemon()
        return bench.build(recipe).seconds

    what = f"{name}, fresh daemon, warm registry"
    pairs = alternate(bench.rounds(3 if name == "hello" else 2), ours, without, what)
    rows = [
        Row.of_pairs(
            what, pairs, "no registry", GOALS.get(name, "≤ 5 s + packaging"),
            ("Fresh daemon, warm registry", name),
        ),
    ]
    if name == "hello":
        elsewhere = [on_another_machine() for _ in bench.rounds(3)]
        without_registry = [theirs for _, theirs in pairs]
        what = f"{what}, and melange2's own caches empty"
        rows.append(Row(what, elsewhere, without_registry, "no registry"))
    return rows, median(packaging)


def export(bench, server):
    """A recipe of 100 steps, all cached, into a repository that is new: beside it the same spec by
    buildctl alone."""
    path = bench.recipes / "many.yaml"
    steps = "".join(f"  - runs: echo {number} > step-{number}\n" for number in range(STEPS - 1))
    path.write_text(
        "package: {name: many, version: '1', epoch: 0, description: many steps, "
        "copyright: [{license: MIT}]}\n"
        "environment: {contents: {packages: [busybox]}}\n"
        f"pipeline:\n  - runs: mkdir -p ${{{{targets.destdir}}}} # {fresh()}\n{steps}"
    )
    recipe = Recipe(path, bench.hello.variables)
    bench.empty_daemon()
    without = bench.build(recipe).seconds
    script = bench.render(recipe) / "build.sh"

    def ours():
        return bench.build(
            recipe, "--cache-registry", f"{server.address}/{fresh()}"
        ).seconds

    def by_hand():
        to = f"type=registry,ref={server.address}/{fresh()}:many,mode=max"
        to += ",registry.insecure=true,image-manifest=true,oci-mediatypes=true,compression=zstd"
        words = ["sh", str(script), "--export-cache", to, "--progress", "plain"]
        return run(words, {"BUILDKIT_HOST": bench.socket()}).seconds

    def again():
        return bench.build(recipe, "--cache-registry", f"{server.address}/kept").seconds

    def smallest():
        return bench.build(
            recipe, "--cache-registry", f"{server.address}/{fresh()}", "--cache-mode", "min"
        ).seconds

    # What an export compresses is kept by the daemon: both find it there.
    ours()
    by_hand()
    what = f"{STEPS} steps, all cached, exported to a new repository"
    pairs = alternate(bench.rounds(3), ours, by_hand, what)
    bench.build(recipe, "--cache-registry", f"{server.address}/kept")
    new = [mine for mine, _ in pairs]
    return [
        Row.of_pairs(what, pairs, "the same spec by buildctl"),
        Row(f"{STEPS} steps, all cached, exported again", [again() for _ in bench.rounds(3)],
            new, "to a new repository"),
        Row(f"{what}, `min`", [smallest() for _ in bench.rounds(3)], new, "`max`"),
        Row(what, [median(new)], [without], "all run, no registry"),
    ]
