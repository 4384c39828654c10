//! The head of an HTTP request, and its body's framing.

use std::io::{BufRead, Read, Write};

use color_eyre::eyre::{Result, bail};

/// More than this is no request of a client that is meant.
const MAX_HEAD: u64 = 64 << 10;

/// A request without its body.
#[derive(Debug, Default)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// The path, percent-decoded, with its leading slash.
    pub path: String,
    /// What stood after `?`.
    pub query: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Reads up to the blank line; `None` if that is no HTTP request.
    pub fn read(stream: &mut impl BufRead) -> Result<Option<Self>> {
        let mut head = stream.take(MAX_HEAD);
        let mut line = String::new();
        head.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = percent_decode(path).filter(|path| path.starts_with('/')) else {
            return Ok(None);
        };
        let mut request =
            Self { method: method.to_owned(), path, query: query.to_owned(), headers: Vec::new() };
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line.trim().is_empty() {
                return Ok(Some(request));
            }
            if let Some((name, value)) = line.split_once(':') {
                request.headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
            }
        }
    }

    /// A header's value; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(header, _)| header == name);
        header.map(|(_, value)| value.as_str())
    }

    /// Copies the body from the stream.
    pub fn copy_body(&self, stream: &mut impl BufRead, target: &mut impl Write) -> Result<()> {
        if self.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return copy_chunks(stream, target);
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse)?;
        std::io::copy(&mut stream.take(length), target)?;
        Ok(())
    }
}

fn copy_chunks(stream: &mut impl BufRead, target: &mut impl Write) -> Result<()> {
    loop {
        let mut line = String::new();
        stream.take(MAX_HEAD).read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)?;
        if std::io::copy(&mut stream.take(size), target)? != size {
            bail!("the request's body ends early");
        }
        let mut end = String::new();
        stream.take(MAX_HEAD).read_line(&mut end)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let mut text = &b"POST /a%20b?c=d HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd"[..];
        let request = Request::read(&mut text).unwrap().unwrap();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/a b", "c=d"));
        let mut body = Vec::new();
        request.copy_body(&mut text, &mut body).unwrap();
        assert_eq!(body, b"abc");
    }

    #[test]
    fn chunks_are_joined() {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let text = [&head[..], b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"].concat();
        let mut text = text.as_slice();
        let request = Request::read(&mut text).unwrap().unwrap();
        let mut body = Vec::new();
        request.copy_body(&mut text, &mut body).unwrap();
        assert_eq!(body, b"abc0123456789");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost: a", "GET /%zz HTTP/1.1\r\n\r\n"] {
            assert!(Request::read(&mut text.as_bytes()).unwrap().is_none(), "{text:?}");
        }
        assert_eq!(percent_decode("%é"), None);
    }
}
