"""benches/package.rs: nothing but stage 5, on a stream of this machine's files."""

import re
import shutil

from harness import ROOT, note, run
from tables import Found, table


def packaging(bench):
    temporary = bench.work / "tmp"
    temporary.mkdir(exist_ok=True)

    def one(size, files, runs):
        note(f"packaging {size}")
        text = run(
            ["cargo", "bench", "--quiet", "--locked", "--features", "dev-tools", "--bench",
             "package", "--", "--size", size, "--files", files, "--runs", runs],
            {"TMPDIR": str(temporary)}, ROOT,
        ).text
        figure = {
            name: re.search(rf"^{name}: ([\d.]+) ", text, re.MULTILINE).group(1)
            for name in ("stream", "median", "peak memory")
        }
        return [
            f"{figure['stream']} MB in {files:,} files", f"{figure['median']} MB/s",
            f"{figure['peak memory']} MiB", "< 300 MiB", str(runs),
        ]

    sizes = [("50M", 1_000, 1), ("256M", 1_000, 1)] if bench.quick else [
        ("500M", 11_000, 5), ("2G", 11_000, 1)
    ]
    rows = [one(*size) for size in sizes]
    shutil.rmtree(temporary)
    header = ["packaging alone", "median", "largest memory", "goal", "runs"]
    return Found([], table(header, rows))
