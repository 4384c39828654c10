//! What clients and the supervisor say to each other: one line of JSON each way per connection.
//!
//! Part of stage 4, beneath the rest of `daemon`. Only the directory's owner reaches the socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest line.
const LONGEST: u64 = 64 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    /// A user has come, and wants the daemon to stay that long after the last one has left.
    Use {
        /// In milliseconds.
        linger_ms: u64,
    },
    /// How are you?
    Status,
    /// Stop buildkitd, and end.
    Stop {
        /// Also when it is used.
        force: bool,
        /// It does nothing any more: do not wait for it.
        #[serde(default)]
        stuck: bool,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    /// The daemon runs.
    Running(Report),
    /// It was stopped.
    Stopped,
    /// It is used, and was not to be forced.
    Busy,
}

/// What the supervisor knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The supervisor's process.
    pub supervisor: u32,
    /// buildkitd's process.
    pub buildkitd: u32,
    /// How long the daemon stays after the last user has left, in milliseconds.
    pub linger_ms: u64,
}

/// Asks a supervisor. An error also means that there is none.
pub(super) fn ask(socket: &Path, request: &Request, bound: Duration) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(bound))?;
    stream.set_write_timeout(Some(bound))?;
    send(&mut stream, request)?;
    receive(&stream)
}

/// Sends one line.
pub(super) fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads one line.
pub(super) fn receive<T: serde::de::DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        let (mut here, there) = UnixStream::pair().unwrap();
        for request in [
            Request::Use { linger_ms: 5 },
            Request::Status,
            Request::Stop { force: true, stuck: true },
        ] {
            send(&mut here, &request).unwrap();
            assert_eq!(receive::<Request>(&there).unwrap(), request);
        }
        drop(here);
        assert!(receive::<Request>(&there).is_err());
    }

    #[test]
    fn garbage_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"{\"request\":\"dance\"}\n").unwrap();
        assert!(receive::<Request>(&there).is_err());
    }
}
