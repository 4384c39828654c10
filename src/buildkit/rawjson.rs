//! `buildctl --progress=rawjson`: lines of its stderr as typed values.
//!
//! Part of stage 4. The format has no version: unknown fields are skipped, and a line that is no
//! JSON object is one that buildctl itself wrote (its error message, the Dockerfile's excerpt).
//! Does not know what the events mean; `events.rs` does.

use std::io::{self, BufRead};

use serde::Deserialize;

/// Longest line that is taken in. A log chunk is at most some hundred KiB.
const LONGEST_LINE: usize = 8 << 20;

/// One line: what changed since the line before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SolveStatus {
    /// Vertexes, each as a whole whenever something about it changed.
    #[serde(deserialize_with = "null_default")]
    pub(super) vertexes: Vec<Vertex>,
    /// Parts of the vertexes' work that have a progress of their own.
    #[serde(deserialize_with = "null_default")]
    pub(super) statuses: Vec<Progress>,
    /// Pieces of the vertexes' logs.
    #[serde(deserialize_with = "null_default")]
    pub(super) logs: Vec<Log>,
    /// Warnings of the Dockerfile frontend.
    #[serde(deserialize_with = "null_default")]
    pub(super) warnings: Vec<Warning>,
}

/// A node of the build graph.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vertex {
    /// Its identity, `sha256:…`.
    pub(super) digest: String,
    /// `[step-02 1/1] RUN …`
    pub(super) name: String,
    /// When it began (RFC 3339), if it did.
    pub(super) started: Option<String>,
    /// When it ended.
    pub(super) completed: Option<String>,
    /// Its result came from a cache.
    pub(super) cached: bool,
    /// Why it failed; empty when it did not.
    pub(super) error: String,
}

/// A part of a vertex's work: a layer that is pulled, or written to a registry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// What it is: `sha256:…`, `writing layer sha256:…`.
    pub(super) id: String,
    /// The vertex it belongs to.
    pub(super) vertex: String,
    /// Bytes done.
    pub(super) current: i64,
    /// Bytes in all, if known.
    pub(super) total: i64,
    /// When it ended.
    pub(super) completed: Option<String>,
}

/// A piece of a log: not cut at line ends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Log {
    /// The vertex it belongs to.
    pub(super) vertex: String,
    /// 1 is stdout, 2 is stderr.
    pub(super) stream: u8,
    /// Base64.
    data: String,
}

/// Something the frontend warns of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Warning {
    /// Base64 of one line.
    short: String,
}

fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Log {
    /// The bytes; nothing when they can't be decoded.
    pub(super) fn bytes(&self) -> Vec<u8> {
        decode(&self.data)
    }
}

impl Warning {
    /// The text of the warning.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&decode(&self.short)).into_owned()
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
}

/// The events of a line; `None` when the line is not one of the format.
pub(super) fn parse(line: &[u8]) -> Option<SolveStatus> {
    let line = line.trim_ascii();
    if line.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(line).ok()
}

/// Hands over the lines of a stream without their ends; of a line beyond the limit, its beginning.
pub(super) fn for_each_line(
    mut stream: impl BufRead,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let chunk = match stream.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            if !line.is_empty() {
                take(&line);
            }
            return Ok(());
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = piece.len() + usize::from(end.is_some());
        stream.consume(used);
        if end.is_some() {
            take(&line);
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        // A small buffer, so that lines span several reads.
        let reader = io::BufReader::with_capacity(7, bytes);
        for_each_line(reader, |line| lines.push(line.to_vec())).unwrap();
        lines
    }

    #[test]
    fn unknown_fields_and_nulls_are_accepted() {
        let status = parse(
            br#"{"vertexes":[{"digest":"d","name":"n","inputs":null,"later":{"a":1}}],"statuses":[{}],"logs":null,"x":1}"#,
        )
        .unwrap();
        assert_eq!(status.vertexes.len(), 1);
        assert_eq!(status.vertexes[0].name, "n");
        assert!(status.logs.is_empty());
    }

    #[test]
    fn what_is_not_an_event_is_not_taken_for_one() {
        for line in
            ["", "error: failed to solve", "{\"vertexes\":[{\"dig", "[]", "{]", "{\"vertexes\":7}"]
        {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn logs_are_base64_and_bad_base64_is_nothing() {
        let status = parse(br#"{"logs":[{"data":"aGk="},{"data":"!"}]}"#).unwrap();
        assert_eq!(status.logs[0].bytes(), b"hi");
        assert!(status.logs[1].bytes().is_empty());
    }

    #[test]
    fn half_a_last_line_is_handed_over() {
        assert_eq!(lines(b"one\n\ntwo"), [b"one".to_vec(), b"".to_vec(), b"two".to_vec()]);
    }

    #[test]
    fn a_huge_line_is_cut_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; LONGEST_LINE + 100];
        bytes.extend_from_slice(b"\nnext\n");
        let mut seen = Vec::new();
        for_each_line(bytes.as_slice(), |line| seen.push((line.len(), line[0]))).unwrap();
        assert_eq!(seen, [(LONGEST_LINE, b'x'), (4, b'n')]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for line in lines(&bytes) {
                let _ = parse(&line);
            }
        }
    }
}
