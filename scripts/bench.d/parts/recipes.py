"""The recipes that are built whole: hello, zlib and jq, with a step of their own at the end of the
main package and one at the end of all, to be edited."""

from harness import ROOT, fresh, run

STRIP = "  - uses: strip\n"
TEST = "\ntest:\n"
SOURCES = {
    "hello": ROOT / "examples/hello.yaml",
    "zlib": ROOT / "examples/zlib.yaml",
    "jq": ROOT / "scripts/bench.d/recipes/jq.yaml",
}


class Edited:
    """A recipe whose two own steps are edited by giving their scripts another comment."""

    def __init__(self, bench, name):
        self.name = name
        self.text = SOURCES[name].read_text()
        if name == "hello":
            variables = f"mirror: {bench.address}\n"
        else:
            repository = bench.work / f"www/{name}.git"
            commit = run(["git", "-C", repository, "rev-parse", "HEAD"]).text.strip()
            variables = f"repository: {bench.address}/{name}.git\ncommit: {commit}\n"
        self.recipe = bench.recipe(bench.recipes / f"{name}.yaml", variables)
        self.main = self.last = "first"
        self.write()

    def write(self):
        head, found, test = self.text.partition(TEST)
        before, _, after = head.partition(STRIP)
        self.recipe.path.write_text(
            f"{before}{STRIP}\n{own_step('  ', self.main)}{after.rstrip()}\n\n"
            f"{own_step('      ', self.last)}{found}{test}"
        )

    def edit_last(self):
        self.last = fresh()
        self.write()

    def edit_main(self):
        self.main = fresh()
        self.write()


def own_step(indent, comment):
    lines = ("- runs: |", f"    # {comment}", "    find ${{targets.destdir}} -type f")
    return "".join(f"{indent}{line}\n" for line in lines)
