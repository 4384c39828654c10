"""The second build of a Go, a Rust, a Python and a Node package: warm mounts beside cold ones.

Their dependencies come from the registries of this machine: what its clients are told by well-known
variables, steps are told too, and they trust what `SSL_CERT_FILE` names.
"""

import os
import shlex
import shutil

from harness import ROOT, Recipe, alternate, fresh
from tables import Found, Row

FIXTURES = ROOT / "tests/fixtures/mounts"
# One environment for all four, so that it is brought to the daemon once.
PACKAGES = (
    "busybox,go,cargo,rust,gcc,glibc-dev,build-base,ca-certificates-bundle,git,py3-pip,"
    "py3-setuptools,py3-wheel,nodejs,npm"
)
KINDS = {
    "Go": ("go-quote", ["go/pkg/mod", ".cache/go-build"]),
    "Rust": ("rust-digits", [".cargo/registry", ".cargo/git"]),
    "Python": ("python-options", [".cache/pip"]),
    "Node": ("node-odd", [".npm"]),
}
REGISTRIES = (
    "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "NPM_CONFIG_REGISTRY",
)
PREFIXES = ("CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_SOURCE_")


def mounts(bench):
    rows = []
    for language, (name, targets) in KINDS.items():
        shutil.copytree(FIXTURES / name, bench.recipes / name, dirs_exist_ok=True)
        shutil.copy(FIXTURES / f"{name}.yaml", bench.recipes)
        recipe = Recipe(bench.recipes / f"{name}.yaml", bench.hello.variables)

        def warm():
            return build(bench, recipe, [])

        def cold():
            return build(bench, recipe, new_mounts(targets))

        # The environment, and the mounts, get what they then have.
        warm()
        what = f"{language} package, built again: warm mounts"
        pairs = alternate(bench.rounds(3), warm, cold, what)
        picture = ("Built again, warm mounts", language)
        rows.append(Row.of_pairs(what, pairs, "cold mounts", "", picture))
    return Found(rows)


def build(bench, recipe, more):
    """All steps run: nothing is known but what the mounts hold."""
    file = bench.work / "registries.env"
    told = {
        name: value for name, value in os.environ.items()
        if name in REGISTRIES or name.startswith(PREFIXES)
    }
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(told.items())]
    file.write_text(f"NONCE={fresh()}\n{''.join(lines)}")
    trusted = os.environ.get("SSL_CERT_FILE")
    trust = ["--ca-file", trusted] if trusted else []
    return bench.build(
        recipe, "--env-file", file, "--package-append", PACKAGES, *trust, *more
    ).seconds


def new_mounts(targets):
    """Flags for empty mounts in the places of the built-in ones."""
    nonce = fresh()
    return [
        word for number, target in enumerate(targets)
        for word in ("--cache-mount", f"id={nonce}-{number},target=/home/build/{target}")
    ]
