# What the scripts share: where things are, how they speak, how they fail. Sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Programs that `setup` builds or unpacks; in no version control.
tools=$root/.tools
# What the scripts make: the demo distribution, states of daemons, packages.
# shellcheck disable=SC2034
work=$root/build
export PATH="$tools/bin:$PATH"

# Says something to the person who waits.
note() {
  printf '%s\n' "$*" >&2
}

# die WHAT [HINT]: ends with an error, and says what to do.
die() {
  note "error: $1"
  if [ $# -gt 1 ]; then
    note "  help: $2"
  fi
  exit 1
}

# phase NAME COMMAND…: runs a command and says how long it took.
phase() {
  local name=$1 begin=$SECONDS
  shift
  note "==> $name"
  if ! "$@"; then
    note "==> $name failed after $((SECONDS - begin)) s"
    return 1
  fi
  note "==> $name: $((SECONDS - begin)) s"
}

# at_least WANTED HAVE: whether version HAVE is WANTED or later.
at_least() {
  [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# Ends a daemon that melange2 started with this state directory, if one runs.
stop_daemon() {
  local melange2=$1 state=$2
  if [ -x "$melange2" ] && [ -d "$state" ]; then
    MELANGE2_DAEMON_DIR=$state "$melange2" --quiet daemon stop || true
  fi
}
