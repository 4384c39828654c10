//! The text in `APKINDEX.tar.gz`, as bytes and with limits.
//!
//! `apk::index` reads an index into a structure; this only cuts the text out, because a catalog
//! is made from the text and an index of a distribution is large.

use std::io::{self, Read};

use flate2::bufread::{GzDecoder, MultiGzDecoder};

use crate::apk::Error;
use crate::apk::tar::Reader;

/// The most that an index may have, unpacked.
const LARGEST: u64 = 2 << 30;
/// The most that a signature segment may have, unpacked.
const LARGEST_SIGNATURE: u64 = 1 << 20;

/// Cuts `APKINDEX` out of the part of the archive that signatures cover.
///
/// What the signature segment holds is passed over: it is signed by nobody, and a file called
/// `APKINDEX` there must not be believed.
pub(super) fn text(archive: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = Reader::new(MultiGzDecoder::new(behind_signature(archive)?));
    while let Some(header) = reader.next_entry()? {
        if header.path != b"APKINDEX" {
            continue;
        }
        if header.size > LARGEST {
            return Err(malformed(format!("it is larger than {LARGEST} bytes")));
        }
        // The size is only a claim: memory is taken as the bytes come.
        let mut text = Vec::with_capacity(header.size.min(256 << 20).try_into().unwrap_or(0));
        reader.content().read_to_end(&mut text)?;
        return Ok(text);
    }
    Err(malformed("there is no `APKINDEX` in it"))
}

/// The archive without its signature segment, if it has one.
fn behind_signature(archive: &[u8]) -> Result<&[u8], Error> {
    let mut first = GzDecoder::new(archive).take(LARGEST_SIGNATURE);
    let header = Reader::new(&mut first).next_entry()?;
    if !header.is_some_and(|header| header.path.starts_with(b".SIGN.")) {
        return Ok(archive);
    }
    io::copy(&mut first, &mut io::sink())?;
    if first.limit() == 0 {
        return Err(malformed("its signature segment is too long"));
    }
    Ok(first.into_inner().into_inner())
}

fn malformed(problem: impl Into<String>) -> Error {
    Error::Malformed { what: "index", problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::gzip;
    use crate::apk::tar::{Header, Kind, Writer};

    fn member(files: &[(&str, &str)], trailer: bool) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in files {
            let mut header = Header::new(*name, Kind::File);
            header.size = content.len() as u64;
            writer.append(&header, &mut content.as_bytes()).unwrap();
        }
        let bytes = if trailer { writer.finish().unwrap() } else { writer.into_inner() };
        gzip::compress(&bytes)
    }

    #[test]
    fn the_text_is_cut_out() {
        let index = member(&[("DESCRIPTION", "d"), ("APKINDEX", "P:a\n")], true);
        assert_eq!(text(&index).unwrap(), b"P:a\n");
        let signed = [member(&[(".SIGN.RSA256.k", "s")], false), index].concat();
        assert_eq!(text(&signed).unwrap(), b"P:a\n");
    }

    #[test]
    fn what_stands_beside_a_signature_is_not_read() {
        let index = member(&[("APKINDEX", "P:good\n")], true);
        let sneaky = member(&[(".SIGN.RSA256.k", "s"), ("APKINDEX", "P:evil\n")], false);
        assert_eq!(text(&[sneaky, index].concat()).unwrap(), b"P:good\n");
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for bytes in [b"".to_vec(), b"text".to_vec(), member(&[("OTHER", "")], true)] {
            assert!(text(&bytes).is_err());
        }
        let index = member(&[("APKINDEX", "P:a\n")], true);
        assert!(text(&index[..index.len() / 2]).is_err());
    }
}
