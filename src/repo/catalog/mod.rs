//! An index in a form that can be asked without parsing it: what the solver looks at.
//!
//! Beneath the stages; stands on nothing but the text of `APKINDEX`. One run of bytes holds the
//! lines of each package that solving needs and two tables of hashed names, so that the same bytes
//! serve in memory and on disk (`snapshot.rs`) and a package is decoded only when it is met.
//! Trusting the index is `open.rs`'s matter, reading all of its fields `apk::index`'s.
//!
//! ```text
//! magic (8) · packages, names, conditions, bytes of text (4 × u32)
//! packages + 1 × u32                where each package's lines begin in the text
//! names      × (u64 hash, u32 package)  sorted: the package's name and what it provides
//! conditions × (u64 hash, u32 package)  sorted: names in `install_if`
//! text
//! ```
//!
//! All numbers are little-endian. Two names of one hash are harmless: whoever looks a name up
//! compares the names of the decoded package.

mod build;
mod package;

pub(super) use build::{Builder, build};
pub(super) use package::Package;

/// Changes whenever the layout or the choice of lines does.
const MAGIC: [u8; 8] = *b"m2index1";
const HEADER: usize = 24;
const SLOT: usize = 12;

/// An index, ready to be asked.
pub(super) struct Catalog {
    bytes: Vec<u8>,
    packages: usize,
    names: Table,
    conditions: Table,
    text: usize,
}

/// Where a table of hashed names lies.
#[derive(Clone, Copy)]
struct Table {
    start: usize,
    slots: usize,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog({} packages)", self.packages)
    }
}

impl Catalog {
    /// Takes bytes that [`build()`] made; `None` if they can't be that.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        if bytes.get(..8)? != MAGIC {
            return None;
        }
        let counts: Vec<usize> = bytes
            .get(8..HEADER)?
            .chunks_exact(4)
            .map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]) as usize)
            .collect();
        let &[packages, names, conditions, text_size] = counts.as_slice() else { return None };
        let names = Table { start: HEADER + (packages + 1) * 4, slots: names };
        let conditions = Table { start: names.start + names.slots * SLOT, slots: conditions };
        let text = conditions.start + conditions.slots * SLOT;
        if text.checked_add(text_size)? != bytes.len() {
            return None;
        }
        Some(Self { bytes, packages, names, conditions, text })
    }

    /// What [`Catalog::from_bytes`] takes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many packages there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.packages
    }

    /// Decodes a package; a number out of range gives an empty one.
    pub(super) fn package(&self, number: u32) -> Package {
        Package::parse(self.lines(number))
    }

    /// The packages that have a name or provide it (and, rarely, others whose hash is the same), in
    /// the order of the index.
    pub(super) fn providers(&self, name: &str) -> impl Iterator<Item = u32> + use<'_> {
        self.find(self.names, hash(name.as_bytes()))
    }

    /// The packages that wait for a name to be installed (and, rarely, others).
    pub(super) fn waiting_for(&self, name: &str) -> impl Iterator<Item = u32> + use<'_> {
        self.find(self.conditions, hash(name.as_bytes()))
    }

    /// Every name: of packages and of what they provide, in no useful order, with repetitions.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        (0..self.packages).flat_map(|number| {
            let lines = self.lines(u32::try_from(number).unwrap_or(u32::MAX));
            lines.split('\n').flat_map(|line| match line.split_once(':') {
                Some(("P", name)) => vec![name],
                Some(("p", list)) => list.split(' ').map(build::name_of).collect(),
                _ => Vec::new(),
            })
        })
    }

    fn lines(&self, number: u32) -> &str {
        let bounds = || {
            let at = HEADER + number as usize * 4;
            let start = self.u32_at(at)? as usize;
            let end = self.u32_at(at + 4)? as usize;
            self.bytes.get(self.text + start..self.text + end)
        };
        if (number as usize) < self.packages {
            bounds().and_then(|lines| std::str::from_utf8(lines).ok()).unwrap_or_default()
        } else {
            ""
        }
    }

    fn find(&self, table: Table, hash: u64) -> impl Iterator<Item = u32> + use<'_> {
        let (mut low, mut high) = (0, table.slots);
        while low < high {
            let middle = low.midpoint(high);
            if self.slot(table, middle).is_some_and(|(found, _)| found < hash) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..table.slots)
            .map_while(move |index| self.slot(table, index))
            .take_while(move |(found, _)| *found == hash)
            .map(|(_, package)| package)
    }

    fn slot(&self, table: Table, index: usize) -> Option<(u64, u32)> {
        let at = table.start + index * SLOT;
        let hash = u64::from_le_bytes(self.bytes.get(at..at + 8)?.try_into().ok()?);
        Some((hash, self.u32_at(at + 8)?))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }
}

/// FNV-1a: short names, no adversary (a collision only costs a comparison).
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
