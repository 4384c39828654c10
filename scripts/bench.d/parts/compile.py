"""Recipes to JSON: Wolfi's in one process, if they are here, and one as a whole process."""

import os
import pathlib
import re

from harness import MELANGE2, ROOT, alternate, note, run
from tables import Found, Row, median, table


def compile_recipes(bench):
    shared = pathlib.Path(os.environ.get("MELANGE2_SHARED", ROOT.parent / "shared"))
    corpus = shared / "corpus"
    if not (corpus / "recipes").is_dir():
        note(f"compile: there is no {corpus}")
        corpus = None
    recipe = corpus / "recipes/zlib.yaml" if corpus else ROOT / "examples/zlib.yaml"
    words = ["compile", recipe, "--arch", "x86_64", "--git-commit", "0"]
    if corpus:
        words += ["--pipeline-dir", corpus / "pipelines"]
    memory = {MELANGE2: [], "melange": []}

    def one(program):
        done = run([program, *words])
        memory[program].append(done.mebibytes)
        return done.seconds

    one(MELANGE2)
    one("melange")
    pairs = alternate(
        bench.rounds(21), lambda: one(MELANGE2), lambda: one("melange"), "compile one recipe"
    )
    rows = [Row.of_pairs("compile of zlib's recipe, whole process", pairs, "melange", "≤ 10 ms")]
    ours, theirs = (f"{median(values):.0f} MiB" for values in memory.values())
    text = f"Compiling one recipe takes {ours}, with melange {theirs}."
    if not corpus:
        return Found(rows, text)
    done = run(
        ["cargo", "bench", "--quiet", "--locked", "--features", "dev-tools", "--bench", "compile",
         "--", corpus, "--runs", 1 if bench.quick else 9], directory=ROOT,
    )
    figure = {
        name: re.search(rf"^{name}: ([\d.]+)", done.text, re.MULTILINE).group(1)
        for name in ("recipes", "median", "peak memory")
    }
    return Found(rows, "\n\n".join([text, table(
        ["compiling in one process", "median", "goal", "largest memory", "goal"],
        [[f"Wolfi's {int(figure['recipes']):,} recipes, x86_64", f"{figure['median']} s", "≤ 1 s",
          f"{figure['peak memory']} MiB", "≤ 200 MiB"]],
    )]))
