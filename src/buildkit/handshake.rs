//! Whether somebody at an address speaks HTTP/2, as BuildKit's API does: told at once, without
//! starting buildctl.
//!
//! Part of stage 4. Only a hint: that it is BuildKit, and lets us in, buildctl finds out.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The first words of HTTP/2, to which a server at work answers at once. (buildkitd listens before
/// it has anything to say, and may yet fail.)
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Whether somebody answers at `unix:` or `tcp:` (without TLS). At other addresses: `false`.
pub(super) fn at(addr: &str, bound: Duration) -> bool {
    if let Some(path) = addr.strip_prefix("unix://") {
        return at_socket(Path::new(path), bound);
    }
    addr.strip_prefix("tcp://").is_some_and(|place| at_port(place, bound).is_ok())
}

/// Whether somebody answers at a socket.
pub(super) fn at_socket(path: &Path, bound: Duration) -> bool {
    let answer = UnixStream::connect(path).and_then(|mut stream| {
        stream.set_read_timeout(Some(bound))?;
        greet(&mut stream)
    });
    answer.is_ok()
}

fn at_port(place: &str, bound: Duration) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, bound) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(bound))?;
                return greet(&mut stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn greet(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&[PREFACE, EMPTY_SETTINGS].concat())?;
    stream.read_exact(&mut [0])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_who_answers_counts() {
        let bound = Duration::from_secs(30);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = format!("tcp://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            // The first is answered, the second turned away without a word.
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&[0]).unwrap();
            stream.read_exact(&mut [0; 33]).unwrap();
            drop(listener.accept().unwrap());
        });
        assert!(at(&addr, bound));
        assert!(!at(&addr, bound));
        server.join().unwrap();
        assert!(!at(&addr, bound), "nobody listens");
        for addr in ["unix:///nowhere/at.sock", "docker-container://name", "", "tcp://"] {
            assert!(!at(addr, bound), "{addr}");
        }
    }
}
