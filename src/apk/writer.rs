//! Writing apks: a data segment as a stream, then control segment, signature and the whole file.
//!
//! Beneath the stages. The data segment goes to an unnamed temporary file first, because the
//! control segment before it holds its digest. Memory does not grow with the package: a few
//! blocks per compression thread. What the caller gives decides every byte: no clock, no owner of
//! this process, no order of a directory comes in.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::key::Signer;
use super::pkginfo::PkgInfo;
use super::reader::Apk;
use super::tar::{Header, Kind, Writer};
use super::{Error, gzip};
use crate::digest::{Sha1, Sha256, Sha256Writer};
use crate::fsutil::AtomicFile;

/// The PAX record in which apk looks for a file's SHA-1.
pub const CHECKSUM: &str = "APK-TOOLS.checksum.SHA1";

type Segment = Writer<gzip::Encoder<Sha256Writer<BufWriter<File>>>>;

/// A data segment that is being written to a temporary file in the directory of the package.
pub struct DataWriter {
    tar: Segment,
    installed: u64,
    entries: u64,
}

/// A finished data segment. Dropped, its file is gone.
#[derive(Debug)]
pub struct Data {
    /// SHA-256 of the compressed segment: `datahash`.
    pub hash: Sha256,
    /// Bytes, compressed.
    pub compressed: u64,
    /// Bytes when installed: contents of regular files (hard links once) and targets of symlinks.
    /// At least 1 if there is any entry: apk-tools does not unpack a package of size 0.
    pub installed: u64,
    file: File,
}

/// A package that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-1 of the compressed control segment: what the index calls `C:Q1…`.
    pub identity: Sha1,
}

impl DataWriter {
    /// Starts a segment; its temporary file lies in `directory`. `threads` 0 means one per core.
    pub fn create(directory: &Path, threads: usize) -> Result<Self, Error> {
        fs_err::create_dir_all(directory)?;
        let file = tempfile::tempfile_in(directory).map_err(|error| {
            let problem = format!("can't make a file in `{}`: {error}", directory.display());
            io::Error::new(error.kind(), problem)
        })?;
        let hashed = Sha256Writer::new(BufWriter::new(file));
        let tar = Writer::new(gzip::Encoder::new(hashed, threads));
        Ok(Self { tar, installed: 0, entries: 0 })
    }

    /// Adds an entry. The caller gives entries in archive order, the header's `mtime`, owner and
    /// xattr records as they shall be written; the checksum record is added here. `sha1` is the
    /// digest of the content of a regular file or hard link (`Sha1::of` the target for a symlink is
    /// computed here).
    ///
    /// # Errors
    /// `Invalid` if the digest of a regular file or hard link is missing, or as
    /// [`Writer::append`].
    pub fn append(
        &mut self,
        mut header: Header,
        sha1: Option<Sha1>,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let checksum = match header.kind {
            Kind::Symlink => Some(Sha1::of(&header.link)),
            Kind::File | Kind::HardLink if sha1.is_none() => {
                return Err(Error::Invalid(format!(
                    "no checksum is known of `{}`",
                    header.display_path()
                )));
            }
            Kind::File | Kind::HardLink => sha1,
            _ => None,
        };
        if let Some(checksum) = checksum {
            header.pax.insert(CHECKSUM.to_owned(), checksum.to_string().into_bytes());
        }
        self.tar.append(&header, content)?;
        self.entries += 1;
        self.installed += match header.kind {
            Kind::Symlink => header.link.len() as u64,
            _ => header.size,
        };
        Ok(())
    }

    /// Ends the segment.
    pub fn finish(self) -> Result<Data, Error> {
        let (buffered, hash, compressed) = self.tar.finish()?.finish()?.finish();
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        let installed = self.installed.max(self.entries.min(1));
        Ok(Data { hash, compressed, installed, file })
    }
}

/// Writes `[signature] control data` to `target` (temporary file, fsync, rename).
///
/// `info.size` and `info.datahash` are filled in from the data segment; `control` are further files
/// of the control segment (name, mode, content), such as `.melange.yaml` (0644) and `.post-install`
/// (0755); they are sorted here. `mtime` is that of control files and signature.
pub fn write_apk(
    target: &Path,
    mut data: Data,
    info: &PkgInfo,
    control: &[(String, u32, Vec<u8>)],
    mtime: i64,
    signer: Option<&Signer>,
) -> Result<Written, Error> {
    let info = PkgInfo { size: data.installed, datahash: Some(data.hash), ..info.clone() };
    let control = control_segment(&info, control, mtime)?;
    data.file.rewind()?;
    let mut out = AtomicFile::create(target)?;
    let size = write_segments(&mut out, &control, &mut data.file, mtime, signer)?;
    out.commit()?;
    Ok(Written { path: target.to_owned(), size, identity: Sha1::of(&control) })
}

/// Replaces the signature of a package on disk (or adds one), in place by rename. A package whose
/// data are damaged is refused: a signature would vouch for it.
pub fn sign_apk(path: &Path, signer: &Signer) -> Result<(), Error> {
    let apk = Apk::open(path)?;
    apk.verify_data()?;
    let mode = fs_err::metadata(path)?.permissions().mode() & 0o7777;
    let mut data = apk.data_file()?;
    let mut out = AtomicFile::create_with_mode(path, mode)?;
    write_segments(&mut out, &apk.control, &mut data, apk.mtime, Some(signer))?;
    out.commit()?;
    Ok(())
}

/// Writes the whole file and returns its size.
fn write_segments(
    out: &mut AtomicFile,
    control: &[u8],
    data: &mut File,
    mtime: i64,
    signer: Option<&Signer>,
) -> Result<u64, Error> {
    let signature = match signer {
        Some(signer) => signature_member(signer, control, mtime)?,
        None => Vec::new(),
    };
    out.write_all(&signature)?;
    out.write_all(control)?;
    // From file to file the kernel copies (or the file system shares) the blocks.
    let copied = io::copy(data, out.file())?;
    Ok((signature.len() + control.len()) as u64 + copied)
}

/// The compressed control segment: `.PKGINFO` first, then the other files by name.
fn control_segment(
    info: &PkgInfo,
    files: &[(String, u32, Vec<u8>)],
    mtime: i64,
) -> Result<Vec<u8>, Error> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let unusable = |name: &str| name == ".PKGINFO" || name.contains('/') || !name.starts_with('.');
    if let Some((name, ..)) = files.iter().find(|(name, ..)| unusable(name)) {
        return Err(Error::Invalid(format!("`{name}` can't stand in a control segment")));
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Invalid(format!("`{}` is twice in a control segment", pair[0].0)));
    }
    let mut tar = Writer::new(Vec::new());
    append_root(&mut tar, ".PKGINFO", 0o644, info.to_text()?.as_bytes(), mtime)?;
    for (name, mode, content) in files {
        append_root(&mut tar, name, *mode, content, mtime)?;
    }
    // No trailer: apk reads the data segment as the continuation of this archive.
    Ok(gzip::compress(&tar.into_inner()))
}

/// A gzip member with a signature of `message`, to be put before it.
pub(super) fn signature_member(
    signer: &Signer,
    message: &[u8],
    mtime: i64,
) -> Result<Vec<u8>, Error> {
    let mut tar = Writer::new(Vec::new());
    let name = format!(".SIGN.RSA256.{}", signer.name());
    append_root(&mut tar, &name, 0o644, &signer.sign(message)?, mtime)?;
    Ok(gzip::compress(&tar.into_inner()))
}

/// Adds a file of root's.
pub(super) fn append_root<W: Write>(
    tar: &mut Writer<W>,
    name: &str,
    mode: u32,
    content: &[u8],
    mtime: i64,
) -> Result<(), Error> {
    let header = Header {
        mode,
        size: content.len() as u64,
        mtime,
        uname: b"root".to_vec(),
        gname: b"root".to_vec(),
        ..Header::new(name, Kind::File)
    };
    tar.append(&header, &mut { content })
}
