//! Whether BuildKit is at work for somebody who is no melange2 process: a `build.sh` by hand.
//!
//! Part of stage 4. Asked by the supervisor before it ends an unused buildkitd.

use std::ffi::OsString;
use std::time::Duration;

use crate::buildkit::{process, tools};

/// How long the answer may take.
const BOUND: Duration = Duration::from_secs(10);
/// What BuildKit calls a build that has not ended.
const RUNNING: &str = "STARTED";

/// Whether a build runs, by the types of BuildKit's records, a line each.
pub(in crate::buildkit) fn is_running(types: &str) -> bool {
    types.lines().any(|line| line == RUNNING)
}

/// Whether a build runs, by BuildKit's own records. Where they can't be had: no.
pub(super) fn builds_run(addr: &str) -> bool {
    let words = ["--addr", addr, "debug", "histories", "--format", "{{.Type}}"];
    let argv: Vec<OsString> = words.map(OsString::from).into();
    let said = tools::find("buildctl").map_err(|error| error.to_string()).and_then(|buildctl| {
        process::capture(&buildctl, &argv, BOUND).map_err(|error| error.to_string())
    });
    match said {
        Ok(output) => is_running(&String::from_utf8_lossy(&output.stdout)),
        Err(error) => {
            tracing::warn!("failed to ask for running builds: {error}");
            false
        }
    }
}
