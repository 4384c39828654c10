//! The text of `APKINDEX`: records of `X:value` lines with a blank line after each.
//!
//! Beneath the stages, a part of `index`.

use super::Entry;
use crate::apk::Error;

/// Reads the text. Unknown fields are passed over; a record needs a name and a version.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut entry = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() {
            finish(entry.take(), number, &mut entries)?;
            continue;
        }
        let (key, value) = match line.as_bytes() {
            // Two ASCII characters: 2 is a boundary.
            [key, b':', ..] => (*key, &line[2..]),
            _ => return Err(malformed(number, "not of the form `X:value`")),
        };
        set(entry.get_or_insert_with(Entry::default), key, value)
            .map_err(|problem| malformed(number, problem))?;
    }
    finish(entry, text.lines().count(), &mut entries)?;
    Ok(entries)
}

fn finish(entry: Option<Entry>, number: usize, entries: &mut Vec<Entry>) -> Result<(), Error> {
    match entry {
        Some(entry) if entry.name.is_empty() => {
            Err(malformed(number, "the package before it has no name (`P:`)"))
        }
        Some(entry) if entry.version.is_empty() => {
            Err(malformed(number, &format!("the package `{}` has no version (`V:`)", entry.name)))
        }
        Some(entry) => {
            entries.push(entry);
            Ok(())
        }
        None => Ok(()),
    }
}

fn malformed(number: usize, problem: &str) -> Error {
    Error::Malformed { what: "index", problem: format!("line {number}: {problem}") }
}

fn set(entry: &mut Entry, key: u8, value: &str) -> Result<(), &'static str> {
    match key {
        b'C' => value.clone_into(&mut entry.checksum),
        b'P' => value.clone_into(&mut entry.name),
        b'V' => value.clone_into(&mut entry.version),
        b'A' => value.clone_into(&mut entry.arch),
        b'S' => entry.size = value.parse().map_err(|_| "`S:` is not a number")?,
        b'I' => entry.installed_size = value.parse().map_err(|_| "`I:` is not a number")?,
        b'T' => value.clone_into(&mut entry.description),
        b'U' => value.clone_into(&mut entry.url),
        b'L' => value.clone_into(&mut entry.license),
        b'o' => value.clone_into(&mut entry.origin),
        b'm' => value.clone_into(&mut entry.maintainer),
        b't' => entry.build_date = value.parse().map_err(|_| "`t:` is not a number")?,
        b'c' => value.clone_into(&mut entry.commit),
        b'k' => {
            entry.provider_priority = Some(value.parse().map_err(|_| "`k:` is not a number")?);
        }
        b'D' => entry.depends = words(value),
        b'p' => entry.provides = words(value),
        b'i' => entry.install_if = words(value),
        b'r' => entry.replaces = words(value),
        _ => {}
    }
    Ok(())
}

fn words(value: &str) -> Vec<String> {
    value.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Writes the text. Fields without a value are left out, the description is not, as in apko.
pub(super) fn write(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        write_entry(&mut text, entry);
    }
    text
}

fn write_entry(text: &mut String, entry: &Entry) {
    let number = |value: i128| if value == 0 { String::new() } else { value.to_string() };
    // apk-tools and apko read an unsigned number and would refuse the whole index.
    let priority = entry.provider_priority.unwrap_or_default().max(0);
    let fields: [(char, &str); 18] = [
        ('C', &entry.checksum),
        ('P', &entry.name),
        ('V', &entry.version),
        ('A', &entry.arch),
        ('S', &number(entry.size.into())),
        ('I', &number(entry.installed_size.into())),
        ('T', &entry.description),
        ('U', &entry.url),
        ('L', &entry.license),
        ('o', &entry.origin),
        ('m', &entry.maintainer),
        ('t', &number(entry.build_date.into())),
        ('c', &entry.commit),
        ('D', &entry.depends.join(" ")),
        ('i', &entry.install_if.join(" ")),
        ('p', &entry.provides.join(" ")),
        ('r', &entry.replaces.join(" ")),
        ('k', &number(priority.into())),
    ];
    for (key, value) in fields.into_iter().filter(|(key, value)| *key == 'T' || !value.is_empty()) {
        text.push(key);
        text.push(':');
        // A line break would forge fields.
        text.extend(value.chars().map(|char| if char.is_control() { ' ' } else { char }));
        text.push('\n');
    }
    text.push('\n');
}
