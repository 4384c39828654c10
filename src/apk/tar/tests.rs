//! The writer and the reader against each other, against limits and against rubbish.

use std::collections::BTreeMap;
use std::io::Read as _;

use proptest::prelude::*;

use super::*;

type Entries = Vec<(Header, Vec<u8>)>;

fn write(entries: &Entries) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (header, content) in entries {
        writer.append(header, &mut content.as_slice()).unwrap();
    }
    writer.finish().unwrap()
}

fn read(archive: &[u8]) -> Result<Entries, crate::apk::Error> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(header) = reader.next_entry()? {
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content)?;
        entries.push((header, content));
    }
    Ok(entries)
}

fn file(path: &[u8], content: &[u8]) -> (Header, Vec<u8>) {
    let mut header = Header::new(path, Kind::File);
    header.size = content.len() as u64;
    (header, content.to_vec())
}

/// A header block of another program's making.
fn block(path: &str, kind: u8, size: u64) -> block::Block {
    let mut block = [0; BLOCK];
    block::put_text(&mut block, block::NAME, path.as_bytes());
    block::put_number(&mut block, block::SIZE, size);
    block[block::TYPE] = kind;
    block[block::MAGIC].copy_from_slice(b"ustar  \0");
    block::seal(&mut block);
    block
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(BLOCK), 0);
    content
}

#[test]
fn plain_entries_need_no_pax_header() {
    let archive = write(&vec![file(b"usr/bin/tool", b"hello")]);
    assert_eq!(archive.len(), 4 * BLOCK);
    assert_eq!(&archive[..12], b"usr/bin/tool");
    assert_eq!(&archive[257..265], b"ustar\x0000");
    assert!(archive[2 * BLOCK..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_pax_header_is_named_as_go_does() {
    let (mut header, content) = file(b"usr/bin/tool", b"");
    header.pax.insert("APK-TOOLS.checksum.SHA1".to_owned(), b"da39".to_vec());
    let archive = write(&vec![(header, content)]);
    assert_eq!(block::text(&archive[..100]), b"usr/bin/PaxHeaders.0/tool");
    assert_eq!(&archive[BLOCK..BLOCK + 33], b"32 APK-TOOLS.checksum.SHA1=da39\n\0");
}

#[test]
fn names_that_are_not_ascii_stand_in_records_as_in_go() {
    for path in ["usr/grüße".as_bytes(), b"usr/latin-\xe9"] {
        let archive = write(&vec![file(path, b"")]);
        assert!(archive[..BLOCK].is_ascii() && archive[2 * BLOCK..].is_ascii());
        assert_eq!(read(&archive).unwrap()[0].0.path, path);
    }
}

#[test]
fn segments_of_apks_have_no_trailer() {
    let mut writer = Writer::new(Vec::new());
    writer.append(&Header::new("d", Kind::Directory), &mut std::io::empty()).unwrap();
    let archive = writer.into_inner();
    assert_eq!(archive.len(), BLOCK);
    assert_eq!(read(&archive).unwrap().len(), 1);
}

#[test]
fn long_names_and_big_numbers_survive() {
    let name = |length| [b"d/".as_slice(), &vec![b'x'; length]].concat();
    for length in [97, 98, 99, 100, 101, 253, 254, 255, 256, 5000] {
        let entry = file(&name(length), b"x");
        assert_eq!(read(&write(&vec![entry.clone()])).unwrap(), [entry], "{length}");
    }
    let deep = file(&b"dir/".repeat(60)[..239], b"");
    assert_eq!(write(&vec![deep.clone()]).len(), 3 * BLOCK, "prefix and name are enough");
    let mut link = Header::new("link", Kind::Symlink);
    link.link = vec![b'y'; 300];
    let mut owner = Header::new("owner", Kind::Directory);
    (owner.uid, owner.gid, owner.mtime) = (u64::MAX, 1 << 21, -1);
    (owner.uname, owner.gname, owner.mode) = (vec![b'u'; 32], vec![b'g'; 31], 0o7777);
    let device = Header::new("device", Kind::CharDevice(u32::MAX, 3));
    let entries: Entries =
        [link, owner, device].into_iter().map(|header| (header, Vec::new())).collect();
    assert_eq!(read(&write(&entries)).unwrap(), entries);
}

#[test]
fn a_size_of_eight_gibibytes_is_written_and_read() {
    let mut header = Header::new("big", Kind::File);
    header.size = 9 << 30;
    let mut writer = Writer::new(Vec::new());
    // The content is missing, which is an error only after the header has been written.
    assert!(writer.append(&header, &mut std::io::empty()).is_err());
    let archive = writer.into_inner();
    assert_eq!(Reader::new(archive.as_slice()).next_entry().unwrap().unwrap().size, 9 << 30);
}

#[test]
fn gnu_long_names_are_read() {
    let (path, link) = ("p".repeat(300), "l".repeat(300));
    let archive = [
        block("././@LongLink", b'K', 301).as_slice(),
        &padded(format!("{link}\0").as_bytes()),
        &block("././@LongLink", b'L', 301),
        &padded(format!("{path}\0").as_bytes()),
        &block("ppp", b'2', 0),
    ]
    .concat();
    let (header, _) = read(&archive).unwrap().remove(0);
    assert_eq!((header.path, header.link), (path.into_bytes(), link.into_bytes()));
}

#[test]
fn paths_are_cleaned_and_never_climb() {
    let path = |path: &str| read(&block(path, b'5', 0)).map(|mut entries| entries.remove(0).0.path);
    assert_eq!(path("./usr//./bin/").unwrap(), b"usr/bin");
    assert_eq!(path("/abs").unwrap(), b"abs");
    assert_eq!(path("./").unwrap(), b"");
    assert_eq!(path("..a/b..").unwrap(), b"..a/b..");
    let error = path("usr/../../etc").unwrap_err().to_string();
    assert_eq!(error, "malformed tar archive: the path `usr/../../etc` holds `..`");
    let mut link = block("a", b'1', 0);
    block::put_text(&mut link, block::LINK, b"../b");
    block::seal(&mut link);
    assert!(read(&link).is_err());
}

#[test]
fn binary_numbers_of_gnu_tar_are_read() {
    let mut header = block("old", b'5', 0);
    header[block::UID].copy_from_slice(&[0x80, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
    header[block::MTIME].copy_from_slice(&[0xff; 12]);
    block::seal(&mut header);
    let (header, _) = read(&header).unwrap().remove(0);
    assert_eq!((header.uid, header.mtime), (0x1234_5678, -1));
}

#[test]
fn fractions_of_seconds_are_rounded_down() {
    for (record, mtime) in [("19 mtime=1700.9999\n", 1700), ("17 mtime=-1.5000\n", -2)] {
        let archive = [
            block("x", b'x', record.len() as u64).to_vec(),
            padded(record.as_bytes()),
            block("f", b'0', 0).to_vec(),
        ]
        .concat();
        assert_eq!(read(&archive).unwrap()[0].0.mtime, mtime);
    }
}

#[test]
fn damaged_archives_are_refused() {
    let archive = write(&vec![file(b"f", &[b'x'; 600])]);
    for (cut, problem) in [(100, "within a header"), (700, "within an entry"), (1200, "within an")]
    {
        let error = read(&archive[..cut]).unwrap_err().to_string();
        assert!(error.contains(problem), "{cut}: {error}");
    }
    let mut damaged = archive.clone();
    damaged[0] ^= 1;
    assert!(read(&damaged).unwrap_err().to_string().contains("wrong checksum"));
    for kind in [b'S', b'V', b'\xff'] {
        assert!(read(&block("f", kind, 0)).is_err());
    }
    for kind in [b'x', b'g', b'L'] {
        assert!(read(&block("f", kind, 2 << 20)).is_err(), "limited");
    }
    assert!(read(&[block("f", b'L', 2).to_vec(), padded(b"n\0")].concat()).is_err(), "dangling");
}

#[test]
fn headers_that_can_not_be_written_are_refused() {
    let mut directory = Header::new("d", Kind::Directory);
    directory.size = 1;
    for header in [directory, Header::new("a\0b", Kind::File), Header::new("", Kind::File)] {
        assert!(Writer::new(Vec::new()).append(&header, &mut std::io::empty()).is_err());
    }
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..150).prop_filter("a file name", |name| {
        !name.iter().any(|byte| matches!(byte, 0 | b'/')) && name != b"." && name != b".."
    })
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(component(), 1..6).prop_map(|parts| parts.join(&b'/'))
}

fn entry() -> impl Strategy<Value = (Header, Vec<u8>)> {
    let kind = prop_oneof![
        4 => Just(Kind::File),
        1 => Just(Kind::HardLink),
        1 => Just(Kind::Symlink),
        1 => Just(Kind::Directory),
        1 => any::<(u32, u32)>().prop_map(|(major, minor)| Kind::CharDevice(major, minor)),
        1 => any::<(u32, u32)>().prop_map(|(major, minor)| Kind::BlockDevice(major, minor)),
        1 => Just(Kind::Fifo),
    ];
    let xattrs = proptest::collection::btree_map(
        "SCHILY\\.xattr\\.user\\.[a-z]{1,3}",
        proptest::collection::vec(any::<u8>(), 0..40),
        0..3,
    );
    let owner = (any::<u64>(), 0..0o7777777_u64, 0..=0o7777_u32, any::<i64>());
    let content = proptest::collection::vec(any::<u8>(), 0..1500);
    (path(), path(), kind, owner, xattrs, content).prop_map(
        |(path, target, kind, (uid, gid, mode, mtime), pax, content)| {
            let content = if kind == Kind::File { content } else { Vec::new() };
            let is_link = matches!(kind, Kind::HardLink | Kind::Symlink);
            let header = Header {
                path,
                kind,
                mode,
                uid,
                gid,
                uname: b"root".to_vec(),
                gname: Vec::new(),
                size: content.len() as u64,
                mtime,
                link: if is_link { target } else { Vec::new() },
                pax: pax.into_iter().collect::<BTreeMap<_, _>>(),
            };
            (header, content)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in proptest::collection::vec(entry(), 0..5)) {
        prop_assert_eq!(read(&write(&entries)).unwrap(), entries);
    }

    #[test]
    fn mutations_never_panic(
        entries in proptest::collection::vec(entry(), 1..3),
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        resealed in any::<bool>(),
    ) {
        let mut archive = write(&entries);
        for (place, byte) in places {
            let at = place.index(archive.len());
            archive[at] = byte;
        }
        if resealed && let Some(header) = archive.first_chunk_mut::<BLOCK>() {
            block::seal(header);
        }
        let _ = read(&archive);
    }

    #[test]
    fn rubbish_never_panics(archive in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read(&archive);
    }
}
