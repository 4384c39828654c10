//! git's smart HTTP: a request handed to `git http-backend` as a CGI program.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use color_eyre::eyre::{Context as _, ContextCompat as _, Result};

use super::request::Request;

/// Runs the program with the request as its environment and standard input, and passes on what it
/// answers.
pub fn answer(
    root: &Path,
    request: &Request,
    body: &mut impl BufRead,
    stream: &TcpStream,
) -> Result<()> {
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        // Repositories of another owner are served too: this is a test's own directory.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.header(header) {
            command.env(variable, value);
        }
    }
    let mut child = command.spawn().context("`git` does not start")?;
    let mut stdin = child.stdin.take().context("git has no input")?;
    let stdout = child.stdout.take().context("git has no output")?;
    // git reads a request whole before it answers; it may end early, which is no failure.
    let sent = request.copy_body(body, &mut stdin);
    drop(stdin);
    let passed = pass_on(BufReader::new(stdout), stream);
    child.wait()?;
    passed?;
    sent
}

/// A CGI answer as an HTTP one: `Status:` becomes the first line.
fn pass_on(mut answer: impl BufRead, mut stream: &TcpStream) -> Result<()> {
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        match line.strip_prefix("Status:") {
            Some(value) => status = value.trim().to_owned(),
            None => headers.push_str(&format!("{}\r\n", line.trim_end())),
        }
    }
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n")?;
    std::io::copy(&mut answer, &mut stream)?;
    Ok(())
}
