//! Makes a catalog from the text of `APKINDEX`, in one pass and without a string per field.

use std::collections::HashSet;

use base64::Engine as _;

use super::{Catalog, MAGIC, hash};

/// Whether solving and fetching look at a field. Descriptions, addresses and licences are most of
/// an index, and nobody asks for them here.
fn is_kept(key: u8) -> bool {
    matches!(key, b'C' | b'P' | b'V' | b'A' | b'S' | b'o' | b'k' | b'D' | b'p' | b'i')
}

/// Reads a whole text.
pub(in crate::repo) fn build(text: &[u8]) -> Option<Catalog> {
    let mut builder = Builder::default();
    builder.read(text)?;
    builder.finish()
}

/// The name in `name=1.2`, `name>1`, `name@tag`.
pub(super) fn name_of(atom: &str) -> &str {
    &atom[..name_length(atom.as_bytes())]
}

fn name_length(atom: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'=' | b'<' | b'>' | b'~' | b'@');
    atom.iter().position(ends).unwrap_or(atom.len())
}

/// The bytes of `Q1…`. Text that is no SHA-1, or one that nobody computed, identifies nothing.
fn identity(checksum: &[u8]) -> Option<[u8; 20]> {
    // Spare bits of the last character are not always zero.
    const ENGINE: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let mut bytes = [0; 21];
    let size = ENGINE.decode_slice(checksum.strip_prefix(b"Q1")?, &mut bytes).ok()?;
    let identity: [u8; 20] = bytes[..size].try_into().ok()?;
    (identity != [0; 20]).then_some(identity)
}

/// Reads the text, in pieces of any size. A package without name or version is left out; lines that
/// are not `X:…` are passed over, and so are packages with text that is not UTF-8. Of packages with
/// one identity (`C:`) the first counts, as with apk-tools: the others can't be what they are said
/// to be.
///
/// `None` if it is larger than the format can hold (4 GiB).
#[derive(Default)]
pub(in crate::repo) struct Builder {
    /// The beginning of a line whose end is in the next piece.
    begun: Vec<u8>,
    text: Vec<u8>,
    /// Where the package that is being read begins in `text`, and in the two tables.
    start: usize,
    first_name: usize,
    first_condition: usize,
    has_name: bool,
    has_version: bool,
    identity: Option<[u8; 20]>,
    identities: HashSet<[u8; 20]>,
    offsets: Vec<u32>,
    names: Vec<(u64, u32)>,
    conditions: Vec<(u64, u32)>,
}

impl Builder {
    /// Reads on.
    pub(in crate::repo) fn read(&mut self, mut piece: &[u8]) -> Option<()> {
        if !self.begun.is_empty()
            && let Some(end) = memchr::memchr(b'\n', piece)
        {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(piece.get(..end)?);
            self.line(&line)?;
            piece = piece.get(end + 1..)?;
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            self.line(piece.get(start..end)?)?;
            start = end + 1;
        }
        self.begun.extend_from_slice(piece.get(start..)?);
        Some(())
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        match line.strip_suffix(b"\r").unwrap_or(line) {
            [] => self.end_package()?,
            line @ [key, b':', value @ ..] if is_kept(*key) => self.field(*key, line, value),
            _ => {}
        }
        Some(())
    }

    fn number(&self) -> u32 {
        u32::try_from(self.offsets.len()).unwrap_or(u32::MAX)
    }

    fn field(&mut self, key: u8, line: &[u8], value: &[u8]) {
        let number = self.number();
        let atoms = || value.split(|byte| *byte == b' ').filter(|atom| !atom.is_empty());
        match key {
            b'C' => self.identity = identity(value),
            b'P' => {
                self.has_name = !value.is_empty();
                self.names.push((hash(value), number));
            }
            b'V' => self.has_version = !value.is_empty(),
            b'p' => {
                let names = atoms().map(|atom| (hash(&atom[..name_length(atom)]), number));
                self.names.extend(names);
            }
            b'i' => {
                let names = atoms().map(|atom| (hash(&atom[..name_length(atom)]), number));
                self.conditions.extend(names);
            }
            _ => {}
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
    }

    fn end_package(&mut self) -> Option<()> {
        let identity = self.identity.take();
        let whole = self.has_name
            && self.has_version
            && std::str::from_utf8(&self.text[self.start..]).is_ok()
            && identity.is_none_or(|identity| self.identities.insert(identity));
        if whole {
            self.offsets.push(u32::try_from(self.start).ok()?);
            self.start = self.text.len();
            self.first_name = self.names.len();
            self.first_condition = self.conditions.len();
        } else {
            self.text.truncate(self.start);
            self.names.truncate(self.first_name);
            self.conditions.truncate(self.first_condition);
        }
        (self.has_name, self.has_version) = (false, false);
        Some(())
    }

    /// The catalog of what was read.
    pub(in crate::repo) fn finish(mut self) -> Option<Catalog> {
        let last = std::mem::take(&mut self.begun);
        self.line(&last)?;
        self.end_package()?;
        for table in [&mut self.names, &mut self.conditions] {
            // A package that provides a name twice is met once.
            table.sort_unstable();
            table.dedup();
        }
        let counts = [self.offsets.len(), self.names.len(), self.conditions.len(), self.text.len()];
        self.offsets.push(u32::try_from(self.text.len()).ok()?);
        let size = super::HEADER
            + self.offsets.len() * 4
            + (self.names.len() + self.conditions.len()) * super::SLOT;
        let mut head = Vec::with_capacity(size);
        head.extend_from_slice(&MAGIC);
        for count in counts {
            head.extend_from_slice(&u32::try_from(count).ok()?.to_le_bytes());
        }
        for offset in &self.offsets {
            head.extend_from_slice(&offset.to_le_bytes());
        }
        for (hash, number) in self.names.iter().chain(&self.conditions) {
            head.extend_from_slice(&hash.to_le_bytes());
            head.extend_from_slice(&number.to_le_bytes());
        }
        Catalog::in_memory(head, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "C:Q1aaa=\nP:foo\nV:1.2-r0\nA:x86_64\nS:10\nI:20\nT:a tool\nU:http://x\nL:MIT\n\
        o:origin\nk:7\nD:bar so:libc.so.6>=2\np:cmd:foo=1.2-r0 virtual\ni:base other=1\n\n\
        P:nameless\n\nC:Q1bbb=\nP:bar\nV:2\n\n";

    fn catalog() -> Catalog {
        build(TEXT.as_bytes()).unwrap()
    }

    fn names(catalog: &Catalog) -> Vec<String> {
        let mut names = Vec::new();
        catalog.each_name(|name| names.push(name.to_owned()));
        names
    }

    #[test]
    fn a_package_is_found_by_each_of_its_names() {
        let catalog = catalog();
        assert_eq!(catalog.len(), 2);
        for name in ["foo", "cmd:foo", "virtual"] {
            assert_eq!(catalog.providers(name).collect::<Vec<_>>(), [0], "{name}");
        }
        assert_eq!(catalog.providers("bar").collect::<Vec<_>>(), [1]);
        assert_eq!(catalog.providers("nameless").count(), 0);
        assert_eq!(catalog.waiting_for("other").collect::<Vec<_>>(), [0]);
        assert_eq!(catalog.waiting_for("foo").count(), 0);
    }

    #[test]
    fn a_package_is_decoded() {
        let package = catalog().package(0);
        assert_eq!((package.name.as_str(), package.version.as_str()), ("foo", "1.2-r0"));
        assert_eq!((package.checksum.as_str(), package.size), ("Q1aaa=", 10));
        assert_eq!((package.origin.as_str(), package.priority), ("origin", 7));
        assert_eq!(
            package.depends.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["bar", "so:libc.so.6>=2"]
        );
        assert_eq!(catalog().package(9).name, "");
    }

    #[test]
    fn pieces_of_any_size_make_the_same_catalog() {
        let text = format!("{TEXT}P:last\r\nV:1\r\n\r\nC:Q1c=\nP:unfinished\nV:3");
        let whole = build(text.as_bytes()).unwrap();
        assert_eq!(whole.len(), 4);
        for size in 1..text.len() {
            let mut builder = Builder::default();
            for piece in text.as_bytes().chunks(size) {
                builder.read(piece).unwrap();
            }
            let pieces = builder.finish().unwrap();
            assert_eq!(pieces.head(), whole.head(), "{size}");
            assert_eq!(pieces.text(), whole.text(), "{size}");
        }
    }

    #[test]
    fn all_names_are_listed() {
        assert_eq!(names(&catalog()), ["foo", "cmd:foo", "virtual", "bar"]);
    }

    #[test]
    fn of_one_identity_there_is_one_package() {
        let checksum = |last: char| format!("Q1{}{last}=", "b".repeat(26));
        let text = format!(
            "C:{}\nP:a\nV:1\n\nC:{}\nP:b\nV:1\n\nC:{}\nP:c\nV:1\n\nC:Q1no\nP:d\nV:1\n\nC:Q1no\nP:e\nV:1\n",
            checksum('E'),
            checksum('F'),
            checksum('I')
        );
        let catalog = build(text.as_bytes()).unwrap();
        assert_eq!(names(&catalog), ["a", "c", "d", "e"]);
    }

    #[test]
    fn bytes_are_taken_back_only_whole() {
        let catalog = catalog();
        let (head, text) = (catalog.head(), catalog.text().unwrap());
        let take =
            |head: &[u8], text: &[u8]| Catalog::in_memory(head.to_vec(), text.to_vec()).is_some();
        assert!(take(head, text));
        for size in 0..head.len() {
            assert!(!take(&head[..size], text), "{size}");
        }
        assert!(!take(head, &text[1..]));
    }

    #[test]
    fn a_package_is_found_in_its_group() {
        let many = u32::try_from(3 * crate::repo::catalog::GROUP + 5).unwrap();
        let text: String = (0..many).map(|number| format!("P:p{number}\nV:{number}\n\n")).collect();
        let catalog = build(text.as_bytes()).unwrap();
        for number in 0..many {
            assert_eq!(catalog.package(number).label(), format!("p{number}-{number}"));
        }
        assert_eq!(catalog.package(many).name, "");
        assert_eq!(names(&catalog).len(), many as usize);
        let groups: Vec<_> = catalog.groups().collect();
        assert_eq!(groups.len(), 4);
        assert_eq!(groups[3].end, catalog.text().unwrap().len());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(text: Vec<u8>, damage: Vec<(usize, u8)>) {
            let _ = build(&text);
            let mut head = catalog().head().to_vec();
            let mut text = catalog().text().unwrap().to_vec();
            for (at, byte) in damage {
                let at = at % (head.len() + text.len());
                match at.checked_sub(head.len()) {
                    Some(at) => text[at] = byte,
                    None => head[at] = byte,
                }
            }
            if let Some(catalog) = Catalog::in_memory(head, text) {
                let _ = catalog.package(0);
                let _ = catalog.package(1);
                let _ = catalog.providers("foo").count();
                catalog.each_name(|_| ());
            }
        }
    }
}
