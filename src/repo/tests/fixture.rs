//! A repository of real, signed packages, as files and as a server has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use fs_err as fs;

use super::server::{Request, Response, Server};
use crate::apk::dependency::Atom;
use crate::apk::index::{Entry, Index};
use crate::apk::key::Signer;
use crate::apk::pkginfo::PkgInfo;
use crate::apk::reader::Apk;
use crate::apk::tar::{Header, Kind};
use crate::apk::writer::{DataWriter, write_apk};
use crate::arch::Arch;
use crate::digest::Sha1;
use crate::repo::http::Client;
use crate::repo::{Choice, Error, Fetched, Options, Universe};

/// Making a key takes a while; all tests share two.
pub(super) static KEY: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(2048, "good.rsa.pub").unwrap());
pub(super) static OTHER_KEY: LazyLock<Signer> =
    LazyLock::new(|| Signer::generate(2048, "other.rsa.pub").unwrap());

/// A directory with a repository, the public key and room for caches.
pub(super) struct Fixture {
    root: tempfile::TempDir,
}

impl Fixture {
    /// `app` needs `lib`; both are signed, and so is the index.
    pub(super) fn new() -> Self {
        let fixture = Self { root: tempfile::tempdir().unwrap() };
        fs::write(fixture.key(), KEY.public_pem().unwrap()).unwrap();
        fixture.write_package("lib", "", Some(&KEY));
        fixture.write_package("app", "lib", Some(&KEY));
        fixture.write_index(Some(&KEY));
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn key(&self) -> PathBuf {
        self.path("good.rsa.pub")
    }

    /// The directory with the packages.
    pub(super) fn packages(&self) -> PathBuf {
        self.path("packages/x86_64")
    }

    pub(super) fn package(&self, name: &str) -> PathBuf {
        self.packages().join(format!("{name}-1-r0.apk"))
    }

    pub(super) fn index(&self) -> PathBuf {
        self.packages().join("APKINDEX.tar.gz")
    }

    /// Writes a package of some size, so that it can break off in the middle.
    pub(super) fn write_package(&self, name: &str, depends: &str, signer: Option<&Signer>) {
        // Does not compress, and is the same each time.
        let content: Vec<u8> =
            (0_u32..1_000).flat_map(|at| Sha1::of(&at.to_le_bytes()).0).collect();
        let mut header = Header::new(format!("usr/{name}"), Kind::File);
        header.size = content.len() as u64;
        let mut data = DataWriter::create(&self.packages(), 1).unwrap();
        data.append(header, Some(Sha1::of(&content)), &mut content.as_slice()).unwrap();
        let info = PkgInfo {
            name: name.to_owned(),
            version: "1-r0".to_owned(),
            arch: "x86_64".to_owned(),
            origin: name.to_owned(),
            depends: depends.split_whitespace().map(str::to_owned).collect(),
            ..PkgInfo::default()
        };
        write_apk(&self.package(name), data.finish().unwrap(), &info, &[], 0, signer).unwrap();
    }

    pub(super) fn write_index(&self, signer: Option<&Signer>) {
        let entries =
            ["app", "lib"].map(|name| Entry::of_apk(&Apk::open(&self.package(name)).unwrap()));
        let index = Index { description: "test".to_owned(), entries: entries.to_vec() };
        fs::write(self.index(), index.to_archive(signer).unwrap()).unwrap();
    }

    pub(super) fn options(&self) -> Options {
        Options {
            cache_dir: self.path("cache"),
            keys: vec![self.key().display().to_string()],
            ignore_signatures: false,
            ca_file: None,
        }
    }

    pub(super) fn open(&self, location: &str) -> Result<Universe, Error> {
        self.open_as(location, &self.options(), None)
    }

    pub(super) fn open_as(
        &self,
        location: &str,
        options: &Options,
        http_auth: Option<&str>,
    ) -> Result<Universe, Error> {
        let client = Client::new(None, http_auth)?.impatient();
        let specs = [location.parse()?];
        Universe::open_with(client, &specs, Arch::X86_64, options, &self.path("state"))
    }

    /// The repository as a directory.
    pub(super) fn open_local(&self) -> Result<Universe, Error> {
        self.open(&self.path("packages").display().to_string())
    }

    /// A server with the files as they are now, each with an entity tag; `change` may change an
    /// answer, and gets the number of the request.
    pub(super) fn serve(
        &self,
        change: impl Fn(&Request, usize, Response) -> Response + Send + Sync + 'static,
    ) -> Server {
        let files: Arc<BTreeMap<String, Vec<u8>>> = Arc::new(read_files(&self.packages()));
        Server::start(move |request, number| {
            let answer = answer(&files, request);
            change(request, number, answer)
        })
    }
}

fn read_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (format!("/x86_64/{name}"), fs::read(path).unwrap())
        })
        .collect()
}

/// What a good server answers.
fn answer(files: &BTreeMap<String, Vec<u8>>, request: &Request) -> Response {
    let Some(content) = files.get(&request.path) else {
        return Response::new("404 Not Found", "");
    };
    let etag = format!("\"{}\"", Sha1::of(content));
    if request.header("if-none-match") == Some(etag.as_str()) {
        return Response::new("304 Not Modified", "");
    }
    let response = match request.range_start() {
        Some(start) if start >= content.len() => Response::new("416 Range Not Satisfiable", ""),
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            Response::new("206 Partial Content", &content[start..]).header("content-range", range)
        }
        None => Response::new("200 OK", content.as_slice()),
    };
    response.header("etag", etag)
}

/// What `app` installs.
pub(super) fn choose(universe: &Universe) -> Vec<Choice> {
    universe.solve(&["app".parse::<Atom>().unwrap()]).unwrap()
}

/// Fetches what `app` installs.
pub(super) fn fetch(universe: &Universe) -> Result<Vec<Fetched>, Error> {
    universe.fetch(&choose(universe))
}

/// The message of a failure, with what changes from run to run replaced.
pub(super) fn failure<T>(
    fixture: &Fixture,
    server: Option<&Server>,
    result: Result<T, Error>,
) -> String {
    let Err(error) = result else { panic!("it went well") };
    let text = crate::error::chain(&error);
    let text = text.replace(&fixture.path("").display().to_string(), "$ROOT/");
    match server {
        Some(server) => text.replace(&server.url(""), "$SERVER"),
        None => text,
    }
}
