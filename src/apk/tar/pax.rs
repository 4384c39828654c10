//! PAX records: `LENGTH KEY=VALUE\n`.
//!
//! Beneath the stages, a part of `tar`. Values are bytes and may hold line breaks (a file
//! capability often does), so records are cut by their length, never at line breaks.

use std::collections::BTreeMap;

use crate::apk::Error;

/// Records by key.
pub(super) type Records = BTreeMap<String, Vec<u8>>;

/// The text of some records, sorted by key.
pub(super) fn encode(records: &Records) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    for (key, value) in records {
        if key.is_empty() || key.contains('=') {
            return Err(Error::Invalid(format!("`{key}` can't be the key of a PAX record")));
        }
        // A blank, `=` and the line break; and the length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + digits(rest);
        if digits(length) > digits(rest) {
            length += 1;
        }
        text.extend_from_slice(format!("{length} {key}=").as_bytes());
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    Ok(text)
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Adds the records in `text` to those that are there; of two with one key the later one counts.
pub(super) fn decode(mut text: &[u8], records: &mut Records) -> Result<(), Error> {
    while !text.is_empty() {
        let (key, value, rest) = record(text).ok_or_else(|| Error::Malformed {
            what: "tar archive",
            problem: "a PAX record that does not fit its length".to_owned(),
        })?;
        records.insert(key, value);
        text = rest;
    }
    Ok(())
}

fn record(text: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let blank = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = &text[..blank];
    if !length.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(&record[..equals]).ok().filter(|key| !key.is_empty())?;
    Some((key.to_owned(), record[equals + 1..].to_vec(), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_counts_itself() {
        // 98 bytes without the length: 100 with two digits, so it takes three.
        for size in [1, 4, 5, 6, 91, 92, 93, 94, 991, 992] {
            let records = Records::from([("k".to_owned(), vec![b'x'; size])]);
            let text = encode(&records).unwrap();
            let written: usize =
                String::from_utf8_lossy(&text).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(written, text.len());
        }
    }

    #[test]
    fn a_line_break_in_a_value_injects_nothing() {
        let value = b"\n21 linkpath=/etc/shadow\n".to_vec();
        let records = Records::from([("SCHILY.xattr.user.x".to_owned(), value)]);
        let mut read = Records::new();
        decode(&encode(&records).unwrap(), &mut read).unwrap();
        assert_eq!(read, records);
    }

    #[test]
    fn malformed_records_are_refused() {
        for text in [
            "x",
            "5",
            "5 a=b",
            "-6 a=b\n",
            "+6 a=b\n",
            "6 ab=\n\n",
            "4 ab\n",
            "5 =b\n",
            "0 ",
            "99 a=b\n",
        ] {
            assert!(decode(text.as_bytes(), &mut Records::new()).is_err(), "{text:?}");
        }
        assert!(encode(&Records::from([("a=b".to_owned(), Vec::new())])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            records in proptest::collection::btree_map("[a-zA-Zé.]{1,9}", proptest::collection::vec(any::<u8>(), 0..120), 0..5)
        ) {
            let mut read = Records::new();
            decode(&encode(&records).unwrap(), &mut read).unwrap();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn rubbish_never_panics(text in proptest::collection::vec(any::<u8>(), 0..64), length in 0..40_usize) {
            let _ = decode(&text, &mut Records::new());
            let _ = decode(&[format!("{length} ").as_bytes(), &text].concat(), &mut Records::new());
        }
    }
}
