"""What the private daemon's start costs, by itself and as a part of a build."""

from harness import alternate
from tables import Found, Row


def daemon(bench):
    def build():
        return bench.build(bench.hello).seconds

    def start():
        bench.daemon("stop")
        return bench.daemon("start").seconds

    def start_empty():
        bench.forget_daemon()
        return bench.daemon("start").seconds

    def build_and_start():
        bench.daemon("stop")
        return build()

    empty = [start_empty() for _ in bench.rounds(5)]
    build()
    kept = [start() for _ in bench.rounds(5)]
    pairs = alternate(bench.rounds(5), build_and_start, build, "build, daemon stopped")
    return Found([
        Row("the daemon's own start: state kept", kept, empty, "empty state"),
        Row.of_pairs("hello, nothing changed: the daemon is started", pairs, "daemon runs"),
    ])
