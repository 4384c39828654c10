//! A proxy before a registry that does to some requests what networks and disks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed at once.
    Closed,
    /// It is accepted, and nothing is ever said.
    Silent,
    /// It is accepted, and closed after that many seconds of silence.
    Late(u64),
    /// A status and a word.
    Status(u16),
    /// A login page, with status 200.
    Html,
    /// The body arrives by half, and that is the end of it.
    Half,
}

/// Which requests it happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// What is written: `POST`, `PUT`, `PATCH`.
    Writes,
    /// All of them.
    All,
    /// All from that `HEAD` on: the first asks whether there is a cache, the second begins its import,
    /// and so on when it is exported.
    FromLook(usize),
    /// The description of a cache, the first blob that is read, from the second time on: the first
    /// time is when it is asked whether there is a cache.
    Description,
    /// Its layers: all other blobs.
    Layers,
}

/// The proxy; serves for as long as the test process lives.
pub struct Proxy {
    /// `127.0.0.1:PORT`
    pub address: String,
    state: Arc<Mutex<Option<(Fault, To)>>>,
}

impl Proxy {
    /// Passes everything on to a registry, but for what the fault happens to.
    pub fn start(registry: &str, fault: Option<(Fault, To)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Seen::default());
        let state = Arc::new(Mutex::new(fault));
        let (shared, registry) = (state.clone(), registry.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, shared, registry) = (seen.clone(), shared.clone(), registry.clone());
                // A side that goes away is what this is about.
                std::thread::spawn(move || serve(client, &registry, &seen, &shared));
            }
        });
        Self { address, state }
    }

    /// From now on this happens.
    pub fn set(&self, fault: Option<(Fault, To)>) {
        *self.state.lock().unwrap() = fault;
    }
}

/// An address at which nobody listens.
pub fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// What there was of that faults count.
#[derive(Default)]
struct Seen {
    looks: AtomicUsize,
    description: Mutex<Option<String>>,
}

/// One request a connection.
fn serve(
    mut client: TcpStream,
    registry: &str,
    seen: &Seen,
    state: &Mutex<Option<(Fault, To)>>,
) -> std::io::Result<()> {
    let Some((head, rest)) = head(&mut client)? else { return Ok(()) };
    let is_look = usize::from(head.starts_with("HEAD "));
    let look = seen.looks.fetch_add(is_look, Ordering::SeqCst) + is_look;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_blob = head.starts_with("GET ") && path.contains("/blobs/");
    let (is_description, is_first) = {
        let mut description = seen.description.lock().unwrap();
        let is_first = is_blob && description.is_none();
        if is_first {
            *description = Some(path.clone());
        }
        (description.as_ref() == Some(&path), is_first)
    };
    let is_read = head.starts_with("GET ") || head.starts_with("HEAD ");
    let fault = (*state.lock().unwrap()).filter(|(_, to)| match to {
        To::Writes => !is_read,
        To::All => true,
        To::FromLook(first) => look >= *first,
        To::Description => is_blob && is_description && !is_first,
        To::Layers => is_blob && !is_description,
    });
    let answer = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    };
    match fault.map(|(fault, _)| fault) {
        Some(Fault::Closed) => return client.shutdown(Shutdown::Both),
        Some(Fault::Silent) => {
            std::thread::sleep(Duration::from_secs(3600));
            return Ok(());
        }
        Some(Fault::Late(seconds)) => {
            std::thread::sleep(Duration::from_secs(seconds));
            return client.shutdown(Shutdown::Both);
        }
        Some(Fault::Status(status)) => {
            return client
                .write_all(answer(&format!("{status} No"), "text/plain", "no").as_bytes());
        }
        Some(Fault::Html) => {
            let page = "<html>please log in</html>";
            return client.write_all(answer("200 OK", "text/html", page).as_bytes());
        }
        Some(Fault::Half) | None => {}
    }
    let mut upstream = TcpStream::connect(registry)?;
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let request = lines.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close\r\n\r\n";
    upstream.write_all(request.as_bytes())?;
    if fault.is_some() && is_read {
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        client.write_all(&answer[..answer.len() / 2])?;
        return client.shutdown(Shutdown::Both);
    }
    if fault.is_some() {
        // Half of what was to be written.
        upstream.write_all(&rest[..rest.len() / 2])?;
        let _ = upstream.shutdown(Shutdown::Both);
        return client.shutdown(Shutdown::Both);
    }
    upstream.write_all(&rest)?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut upstream, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// A request's head, and what came of its body with it.
fn head(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}
