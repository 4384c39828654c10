//! `demo-distro serve`: files by HTTP on loopback, and git repositories by `git http-backend`.
//!
//! Just enough of HTTP/1.1 for the clients that builds have (wget, curl, git, this project's own):
//! `GET` and `HEAD` of files, `POST` to git, one request per connection. Not for a network.

mod git;
mod request;

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use color_eyre::eyre::Result;
use fs_err as fs;
use melange2::fsutil::write_atomic;

use crate::note;
use request::Request;

/// Serves `directory` until the process is ended. Once connections are taken, the address is printed
/// and the port's number written to `port_file`.
pub fn run(directory: &Path, port_file: Option<&Path>, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    let root: Arc<Path> = fs::canonicalize(directory)?.into();
    if let Some(file) = port_file {
        write_atomic(file, port.to_string().as_bytes())?;
    }
    writeln!(std::io::stdout(), "http://127.0.0.1:{port}")?;
    for stream in listener.incoming() {
        let root = Arc::clone(&root);
        std::thread::spawn(move || {
            // A client that went away is no news; other failures are the request's answer.
            if let Err(error) = stream.map_err(Into::into).and_then(|stream| answer(&root, &stream))
            {
                note(&format!("request failed: {error:#}"));
            }
        });
    }
    Ok(())
}

/// Answers one request and ends the connection.
fn answer(root: &Path, stream: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = Request::read(&mut reader)? else {
        return respond(stream, "400 Bad Request", b"malformed request\n");
    };
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        let mut interim = stream;
        interim.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.path.contains(".git/") {
        return git::answer(root, &request, &mut reader, stream);
    }
    match (request.method.as_str(), file_below(root, &request.path)) {
        ("GET" | "HEAD", Some(path)) => send_file(stream, &request, &path),
        ("GET" | "HEAD", None) => respond(stream, "404 Not Found", b"no such file\n"),
        _ => respond(stream, "405 Method Not Allowed", b"only GET and HEAD\n"),
    }
}

/// The regular file that a request's path names; `None` if it is none or leads out of the root.
fn file_below(root: &Path, path: &str) -> Option<PathBuf> {
    let file = fs::canonicalize(root.join(path.trim_start_matches('/'))).ok()?;
    (file.starts_with(root) && file.is_file()).then_some(file)
}

fn send_file(mut stream: &TcpStream, request: &Request, path: &Path) -> Result<()> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    if request.method == "GET" {
        std::io::copy(&mut file, &mut stream)?;
    }
    Ok(())
}

fn respond(mut stream: &TcpStream, status: &str, body: &[u8]) -> Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Command;

    use super::*;

    /// A server on a free port, for as many requests as come.
    fn serve(root: &Path) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = fs::canonicalize(root).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&root, &stream.unwrap()).unwrap();
            }
        });
        port
    }

    fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_below_the_root_are_served_and_others_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a b"), "content").unwrap();
        fs::write(directory.path().join("secret"), "secret").unwrap();
        let port = serve(&root);
        assert!(get(port, "/a%20b?query").ends_with("\r\n\r\ncontent"));
        assert!(get(port, "/missing").starts_with("HTTP/1.1 404 "));
        assert!(get(port, "/../secret").starts_with("HTTP/1.1 404 "));
        assert!(get(port, "/%2e%2e/secret").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn git_clones() {
        let directory = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let output = Command::new("git")
                .current_dir(directory.path())
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .args(["-c", "user.name=a", "-c", "user.email=a@b.invalid"])
                .args(["-c", "init.defaultBranch=main"])
                .args(args)
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        };
        fs::create_dir(directory.path().join("root")).unwrap();
        git(&["init", "-q", "work"]);
        fs::write(directory.path().join("work/file"), "content").unwrap();
        git(&["-C", "work", "add", "file"]);
        git(&["-C", "work", "commit", "-q", "-m", "first"]);
        git(&["clone", "-q", "--bare", "work", "root/project.git"]);
        let port = serve(&directory.path().join("root"));
        git(&["clone", "-q", &format!("http://127.0.0.1:{port}/project.git"), "copy"]);
        assert_eq!(fs::read_to_string(directory.path().join("copy/file")).unwrap(), "content");
    }
}
