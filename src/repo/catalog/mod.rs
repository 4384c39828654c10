//! An index in a form that can be asked without parsing it: what the solver looks at.
//!
//! Beneath the stages; stands on nothing but the text of `APKINDEX`. There are two runs of bytes,
//! which serve in memory and on disk (`snapshot.rs`). The head is small and always at hand: where
//! the packages are, and two tables of hashed names. The text has the lines of each package that
//! solving needs; a package is decoded, and its lines are read, only when it is met. Trusting the
//! index is `universe.rs`'s matter, reading all of its fields `apk::index`'s.
//!
//! ```text
//! magic (8) · packages, names, conditions, bytes of text (4 × u32)
//! packages + 1 × u32                where each package's lines begin in the text
//! names      × (u64 hash, u32 package)  sorted: the package's name and what it provides
//! conditions × (u64 hash, u32 package)  sorted: names in `install_if`
//! ```
//!
//! All numbers are little-endian. Two names of one hash are harmless: whoever looks a name up
//! compares the names of the decoded package.

use std::borrow::Cow;
use std::ops::Range;

mod build;
mod package;

pub(super) use build::{Builder, build};
pub(super) use package::Package;

/// Changes whenever the layout or the choice of lines does.
const MAGIC: [u8; 8] = *b"m2index2";
/// How much of a head tells how long it is.
pub(super) const HEADER: usize = 24;
const SLOT: usize = 12;
/// Lines are read for so many packages at once: some 4 KiB.
const GROUP: usize = 16;

/// An index, ready to be asked.
pub(super) struct Catalog {
    head: Vec<u8>,
    text: Text,
    layout: Layout,
}

/// Where the lines of the packages are.
enum Text {
    Memory(Vec<u8>),
    Kept(Box<dyn Kept>),
}

/// A text that lies elsewhere.
pub(super) trait Kept: Send + Sync {
    /// The lines of the packages of a group, which are in `range` of the text.
    fn lines(&self, group: usize, range: Range<usize>) -> Cow<'_, [u8]>;
}

/// Where everything lies, as the beginning of a head tells.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    packages: usize,
    names: Table,
    conditions: Table,
    /// Bytes of the head.
    pub(super) head: usize,
    /// Bytes of the text.
    pub(super) text: usize,
}

/// Where a table of hashed names lies.
#[derive(Clone, Copy)]
struct Table {
    start: usize,
    slots: usize,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog({} packages)", self.layout.packages)
    }
}

impl Layout {
    /// What the first [`HEADER`] bytes of a head say; `None` if they can't be that.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.get(..8)? != MAGIC {
            return None;
        }
        let counts: Vec<usize> = head
            .get(8..HEADER)?
            .chunks_exact(4)
            .map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]) as usize)
            .collect();
        let &[packages, names, conditions, text] = counts.as_slice() else { return None };
        let names = Table { start: HEADER + (packages + 1) * 4, slots: names };
        let conditions = Table { start: names.start + names.slots * SLOT, slots: conditions };
        let head = conditions.start + conditions.slots * SLOT;
        Some(Self { packages, names, conditions, head, text })
    }

    /// How many groups of packages there are.
    pub(super) fn groups(&self) -> usize {
        self.packages.div_ceil(GROUP)
    }
}

impl Catalog {
    /// A catalog whose text is at hand; `None` if the head can't be one.
    fn in_memory(head: Vec<u8>, text: Vec<u8>) -> Option<Self> {
        let layout = Layout::of(&head)?;
        (layout.head == head.len() && layout.text == text.len()).then_some(())?;
        Some(Self { head, text: Text::Memory(text), layout })
    }

    /// A catalog whose text is elsewhere; `None` if the head can't be one.
    pub(super) fn kept(head: Vec<u8>, text: impl Kept + 'static) -> Option<Self> {
        let layout = Layout::of(&head)?;
        (layout.head == head.len()).then_some(())?;
        Some(Self { head, text: Text::Kept(Box::new(text)), layout })
    }

    /// What [`Catalog::kept`] takes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text, unless it is elsewhere.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match &self.text {
            Text::Memory(text) => Some(text),
            Text::Kept(_) => None,
        }
    }

    /// Where in the text each group of packages is.
    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        (0..self.layout.groups()).map(|group| self.group(group).unwrap_or_default())
    }

    /// How many packages there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.layout.packages
    }

    /// Decodes a package; a number out of range gives an empty one.
    pub(super) fn package(&self, number: u32) -> Package {
        let lines = self.lines(number as usize).unwrap_or_default();
        Package::parse(&String::from_utf8_lossy(&lines))
    }

    /// The packages that have a name or provide it (and, rarely, others whose hash is the same), in
    /// the order of the index.
    pub(super) fn providers(&self, name: &str) -> impl Iterator<Item = u32> + use<'_> {
        self.find(self.layout.names, hash(name.as_bytes()))
    }

    /// The packages that wait for a name to be installed (and, rarely, others).
    pub(super) fn waiting_for(&self, name: &str) -> impl Iterator<Item = u32> + use<'_> {
        self.find(self.layout.conditions, hash(name.as_bytes()))
    }

    /// Tells every name: of packages and of what they provide, in no useful order, with
    /// repetitions.
    pub(super) fn each_name(&self, mut take: impl FnMut(&str)) {
        for (group, range) in self.groups().enumerate() {
            let lines = self.group_lines(group, range).unwrap_or_default();
            for line in String::from_utf8_lossy(&lines).split('\n') {
                match line.split_once(':') {
                    Some(("P", name)) => take(name),
                    Some(("p", list)) => list.split(' ').map(build::name_of).for_each(&mut take),
                    _ => {}
                }
            }
        }
    }

    fn lines(&self, number: usize) -> Option<Cow<'_, [u8]>> {
        let range = self.range(number, number + 1)?;
        let group = self.group(number / GROUP)?;
        let within = range.start.checked_sub(group.start)?..range.end.checked_sub(group.start)?;
        match self.group_lines(number / GROUP, group)? {
            Cow::Borrowed(lines) => Some(Cow::Borrowed(lines.get(within)?)),
            Cow::Owned(lines) => Some(Cow::Owned(lines.get(within)?.to_vec())),
        }
    }

    fn group_lines(&self, group: usize, range: Range<usize>) -> Option<Cow<'_, [u8]>> {
        match &self.text {
            Text::Memory(text) => Some(Cow::Borrowed(text.get(range)?)),
            Text::Kept(kept) => Some(kept.lines(group, range)),
        }
    }

    /// Where in the text the packages of a group are.
    fn group(&self, group: usize) -> Option<Range<usize>> {
        let first = group * GROUP;
        self.range(first, (first + GROUP).min(self.layout.packages))
    }

    /// Where in the text the packages from `first` to before `end` are.
    fn range(&self, first: usize, end: usize) -> Option<Range<usize>> {
        if end > self.layout.packages {
            return None;
        }
        let place = |number| Some(self.u32_at(HEADER + number * 4)? as usize);
        Some(place(first)?..place(end)?)
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
        let hash = u64::from_le_bytes(self.head.get(at..at + 8)?.try_into().ok()?);
        Some((hash, self.u32_at(at + 8)?))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.head.get(at..at + 4)?.try_into().ok()?))
    }
}

/// FNV-1a: short names, no adversary (a collision only costs a comparison).
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
