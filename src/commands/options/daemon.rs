//! How the BuildKit daemon is found: flags of `build` and `daemon`.

use std::path::PathBuf;
use std::time::Duration;

use crate::buildkit::DaemonOptions;
use crate::error::{Error, Result};

/// How the BuildKit daemon is found.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "BuildKit daemon")]
pub struct DaemonArgs {
    /// Address of the daemon, in any form that buildctl takes (`unix://`, `tcp://`,
    /// `docker-container://`, `kube-pod://`, `podman-container://`, `ssh://`).
    /// Default: `BUILDKIT_HOST`, the well-known sockets, then a private daemon. `private` is
    /// always the private daemon.
    #[arg(long, visible_alias = "buildkit-addr", value_name = "ADDRESS")]
    pub addr: Option<String>,
    /// Server name for certificate validation (passed to buildctl).
    #[arg(long, value_name = "NAME")]
    pub tlsservername: Option<String>,
    /// Certificate authority of the daemon (passed to buildctl).
    #[arg(long, value_name = "FILE")]
    pub tlscacert: Option<PathBuf>,
    /// Client certificate (passed to buildctl).
    #[arg(long, value_name = "FILE")]
    pub tlscert: Option<PathBuf>,
    /// Client key (passed to buildctl).
    #[arg(long, value_name = "FILE")]
    pub tlskey: Option<PathBuf>,
    /// Directory with ca.pem, cert.pem and key.pem (passed to buildctl).
    #[arg(long, value_name = "DIR")]
    pub tlsdir: Option<PathBuf>,
    /// How long a private daemon stays after its last user has left, such as `90s` or `10m`.
    #[arg(long, value_name = "DURATION", default_value = "10m", env = "MELANGE2_DAEMON_LINGER")]
    pub daemon_linger: String,
    /// State of the private daemon [default: melange2 below the user's state directory].
    #[arg(long, value_name = "DIR", env = "MELANGE2_DAEMON_DIR")]
    pub daemon_dir: Option<PathBuf>,
}

impl DaemonArgs {
    /// As stage 4 takes them.
    pub fn resolve(&self) -> Result<DaemonOptions> {
        let server_name = self.tlsservername.as_ref().map(PathBuf::from);
        let flags = [
            ("--tlsservername", &server_name),
            ("--tlscacert", &self.tlscacert),
            ("--tlscert", &self.tlscert),
            ("--tlskey", &self.tlskey),
            ("--tlsdir", &self.tlsdir),
        ];
        let tls = flags
            .into_iter()
            .filter_map(|(flag, value)| value.clone().map(|value| (flag.to_owned(), value)))
            .collect();
        let linger = Self::duration("--daemon-linger", &self.daemon_linger)?;
        Ok(DaemonOptions {
            addr: self.addr.clone(),
            tls,
            linger: Some(linger),
            state_dir: self.daemon_dir.clone(),
            program: None,
        })
    }

    /// The value of a flag that takes a duration.
    pub(crate) fn duration(flag: &str, text: &str) -> Result<Duration> {
        parse_duration(text).ok_or_else(|| {
            Error::config(format!("`{flag} {text}` is not a duration"))
                .hint("write a number and a unit, such as `90s`, `10m` or `1h`")
        })
    }
}

/// `90s`, `10m`, `1h`, `1h30m`, `0`.
fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let signed: jiff::SignedDuration = text.parse().ok()?;
    signed.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Some(Duration::ZERO));
        assert_eq!(parse_duration("-1s"), None);
        assert_eq!(parse_duration("soon"), None);
    }
}
