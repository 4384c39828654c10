//! The private daemon's `buildkitd.toml`.
//!
//! Part of stage 4. BuildKit's default garbage collection caps cache mounts that were unused for
//! two days at 512 MB: it would delete the module and compiler caches that make builds warm. Here
//! sources go first, then results of steps, and cache mounts only when the disk is nearly full.
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

  # What is copied again in no time: files sent by a client, checkouts.
  [[worker.oci.gcpolicy]]
    filters = ["type==source.local", "type==source.git.checkout"]
    keepDuration = "48h"
    maxUsedSpace = "2GB"

  # Results of steps. Cache mounts stay.
  [[worker.oci.gcpolicy]]
    filters = ["type!=exec.cachemount"]
    reservedSpace = "10%"
    maxUsedSpace = "60%"
    minFreeSpace = "20%"

  # Everything, when the disk is nearly full.
  [[worker.oci.gcpolicy]]
    all = true
    reservedSpace = "10%"
    maxUsedSpace = "80%"
    minFreeSpace = "5%"
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
    fn only_the_last_rule_touches_cache_mounts() {
        let paths = Paths::new(Some(Path::new("/state/da\"emon"))).unwrap();
        let text = text(&paths, false);
        let rules: Vec<&str> = text.split("[[worker.oci.gcpolicy]]").skip(1).collect();
        assert_eq!(rules.len(), 3);
        assert!(!rules[0].contains("exec.cachemount"));
        assert!(rules[1].contains("type!=exec.cachemount"));
        assert!(rules[2].contains("all = true"));
        assert!(text.contains(r#"root = "/state/da\"emon/root""#), "{text}");
    }
}
