//! Laws: what goes in comes out, changed by the rules alone.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Item {
    File(u32, Vec<u8>),
    Symlink(Vec<u8>),
    Directory(u32),
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        (0u32..0o10000, proptest::collection::vec(any::<u8>(), 0..1500))
            .prop_map(|(mode, content)| Item::File(mode, content)),
        proptest::collection::vec(1u8.., 1..200).prop_map(Item::Symlink),
        (0u32..0o10000).prop_map(Item::Directory),
    ]
}

/// One name: any bytes but a slash and NUL, and not `.` or `..`.
fn name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(1u8.., 1..120).prop_map(|mut name| {
        for byte in &mut name {
            if *byte == b'/' {
                *byte = b'-';
            }
        }
        if name.starts_with(b".") {
            name[0] = b'_';
        }
        name
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn content_comes_back(
        items in proptest::collection::btree_map(name(), item(), 0..12),
        epoch in 0i64..4_000_000_000,
    ) {
        let items: Vec<_> = items.into_iter().filter(|(name, _)| name != b"var").collect();
        let mut stream = Stream::of(&["foo"]);
        for (name, item) in &items {
            let path = [b"foo/", name.as_slice()].concat();
            stream = match item {
                Item::File(mode, content) => stream
                    .entry(Header { mode: *mode, ..Stream::owned(path, Kind::File) }, content),
                Item::Symlink(target) => stream.entry(
                    Header { link: target.clone(), ..Stream::owned(path, Kind::Symlink) },
                    b"",
                ),
                Item::Directory(mode) => stream
                    .entry(Header { mode: *mode, ..Stream::owned(path, Kind::Directory) }, b""),
            };
        }
        let out = Out::new();
        let options = Options { source_date_epoch: epoch, ..out.options() };
        let archive = stream.archive();
        let built =
            assemble_with_recipe(&plan(&["foo"]), &mut archive.as_slice(), &options, "").unwrap();
        let apk = Apk::open(&built[0].path).unwrap();
        let mut found = own_entries(&apk);
        for parent in [b"var".as_slice(), b"var/lib", b"var/lib/db"] {
            found.remove(parent);
        }
        prop_assert_eq!(found.len(), items.len());
        for (name, item) in &items {
            let (header, content) = &found[name];
            prop_assert_eq!((header.uid, header.gid, header.mtime), (0, 0, epoch));
            match item {
                Item::File(mode, expected) => {
                    prop_assert_eq!((header.kind, header.mode), (Kind::File, *mode));
                    prop_assert_eq!(content, expected);
                }
                Item::Symlink(target) => {
                    prop_assert_eq!(header.kind, Kind::Symlink);
                    prop_assert_eq!(&header.link, target);
                }
                Item::Directory(mode) => {
                    prop_assert_eq!((header.kind, header.mode), (Kind::Directory, *mode));
                }
            }
        }
        // Order is that of archives, the SBOM included.
        let order: Vec<Vec<u8>> =
            entries(&apk).into_iter().map(|(header, _)| header.path).collect();
        prop_assert!(order.is_sorted_by(|a, b| compare_paths(a, b).is_lt()));
    }
}
