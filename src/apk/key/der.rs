//! The little DER and PEM that the crypto library leaves to its users.
//!
//! Beneath the stages, a part of `key`. Not a parser of certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The `RSAPrivateKey` (PKCS#1) that a `PrivateKeyInfo` (PKCS#8) wraps.
pub(super) fn pkcs1_of_pkcs8(document: &[u8]) -> Option<&[u8]> {
    let (info, _) = element(document, SEQUENCE)?;
    let (_version, rest) = element(info, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    element(rest, OCTET_STRING).map(|(key, _)| key)
}

/// The content of the element at the start, and what follows the element.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        // Keys are shorter than 64 KiB.
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// The sections of a PEM text as label and DER; what stands around them is passed over. `None` if
/// a section is cut short, is not base64, or has headers (as encrypted keys have).
pub(super) fn sections(pem: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let text = std::str::from_utf8(pem).ok()?;
    let mut lines = text.lines().map(str::trim);
    let mut sections = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ") else { continue };
        let label = label.strip_suffix("-----")?;
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next()? {
                line if line == end => break,
                line => body.push_str(line),
            }
        }
        sections.push((label.to_owned(), STANDARD.decode(&body).ok()?));
    }
    Some(sections)
}

/// PEM with lines of 64 characters.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: any place is a boundary.
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_is_found() {
        let document = [0x30, 0x0c, 2, 1, 0, 0x30, 2, 5, 0, 4, 0x81, 3, b'k', b'e', b'y'];
        assert_eq!(pkcs1_of_pkcs8(&document), None, "the length does not fit");
        let document = [0x30, 0x0d, 2, 1, 0, 0x30, 2, 5, 0, 4, 0x81, 3, b'k', b'e', b'y'];
        assert_eq!(pkcs1_of_pkcs8(&document), Some(b"key".as_slice()));
        for cut in 0..document.len() {
            assert_eq!(pkcs1_of_pkcs8(&document[..cut]), None);
        }
    }

    #[test]
    fn sections_are_found_between_other_text() {
        let text = format!("remark\n{}\r\n{}", pem("A KEY", b"one"), pem("B", &[7; 100]));
        let found = sections(text.as_bytes()).unwrap();
        assert_eq!(found, [("A KEY".into(), b"one".to_vec()), ("B".into(), vec![7; 100])]);
        assert_eq!(sections(b"").unwrap(), []);
        for text in ["-----BEGIN A-----\n", "-----BEGIN A-----\n?\n-----END A-----", "-----BEGIN A"]
        {
            assert_eq!(sections(text.as_bytes()), None);
        }
    }

    #[test]
    fn lines_have_64_characters() {
        let text = pem("X", &[0; 49]);
        let lengths: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [17, 64, 4, 15]);
    }
}
