//! The private daemon's `buildkitd.toml`.
//!
//! Part of stage 4. BuildKit's default garbage collection caps cache mounts that were unused for
//! two days at 512 MB: it would delete the module and compiler caches that make builds warm. And any
//! rule with a size makes it count them, which loses some (`garbage.rs`). So there is one rule, with an
//! age; everything else is `garbage.rs`'.
//!
//! The network is the host's: no bridge, no CNI. `security.insecure` may be granted, because a
//! recipe may ask for capabilities, and the daemon serves its owner alone.

use super::paths::Paths;

/// The text of the file.
pub(super) fn text(paths: &Paths, rootless: bool) -> String {
    let root = quote(&paths.root().display().to_string());
    let addr = quote(&paths.addr());
    let otel = quote(&paths.otel().display().to_string());
    format!(
        r#"# Written by melange2 whenever its private daemon starts.
root = {root}
insecure-entitlements = ["security.insecure"]

[grpc]
  address = [{addr}]

[otel]
  socketPath = {otel}

[worker.containerd]
  enabled = false

[worker.oci]
  enabled = true
  rootless = {rootless}
  networkMode = "host"
  gc = true

  # What is copied again in no time: files sent by a client, checkouts. The rest melange2 deletes,
  # when the disk fills up: a rule with a size would cost cache mounts that nobody wants to lose.
  [[worker.oci.gcpolicy]]
    filters = ["type==source.local", "type==source.git.checkout"]
    keepDuration = "48h"
"#
    )
}

/// A TOML basic string: JSON's escapes are among TOML's.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn no_rule_has_a_size_or_touches_cache_mounts() {
        let paths = Paths::new(Some(Path::new("/state/da\"emon"))).unwrap();
        let text = text(&paths, false);
        let rules: Vec<&str> = text.split("[[worker.oci.gcpolicy]]").skip(1).collect();
        assert_eq!(rules.len(), 1, "{text}");
        let keys: Vec<&str> = rules[0]
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .map(|(key, _)| key.trim())
            .collect();
        assert_eq!(keys, ["filters", "keepDuration"]);
        assert!(!rules[0].contains("exec.cachemount"));
        assert!(text.contains(r#"root = "/state/da\"emon/root""#), "{text}");
    }
}
