//! Looks for a text in everything below a directory: what must not be there, and what must.

use std::io::Read as _;
use std::path::Path;

/// The files that hold a text as they stand, or unpacked where they are packed by gzip.
pub fn holding(directory: &Path, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    let files = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    let files = files.filter(|file| file.file_type().is_file());
    let found = files.filter(|file| {
        let bytes = fs_err::read(file.path()).unwrap();
        let mut unpacked = Vec::new();
        if bytes.starts_with(b"\x1f\x8b") {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        }
        holds(&bytes) || holds(&unpacked)
    });
    found.map(|file| file.path().display().to_string()).collect()
}
