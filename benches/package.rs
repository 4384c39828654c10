//! How fast packages are made, and in how much memory.
//!
//! A development program: makes an output stream of files of this machine (programs, libraries,
//! data), cut or repeated to the size that is asked for, and assembles it into a package of which
//! nothing is kept. Prints MB/s of the stream and the largest resident memory.
//!
//! ```text
//! cargo bench --bench package -- [--size 500M] [--files 11000] [--runs 3]
//! ```

use fs_err::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use melange2::apk::tar::{Header, Kind, Writer};
use melange2::arch::Arch;
use melange2::diagnostic::Diagnostics;
use melange2::package::{Options, assemble_with_recipe};
use melange2::plan::{Capabilities, Compiled, Environment, Package, Plan};

type Failure = Box<dyn std::error::Error>;

/// Where the content is taken from.
const SOURCES: &[&str] = &["/usr/bin", "/usr/lib", "/usr/share"];

/// How many different files are taken at most.
const MAX_SOURCES: usize = 20_000;

struct Arguments {
    size: u64,
    files: u64,
    runs: usize,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let directory = tempfile::tempdir()?;
    let stream = directory.path().join("stream.tar");
    write_stream(&stream, &arguments)?;
    let bytes = fs_err::metadata(&stream)?.len();
    let mut out = io::stdout().lock();
    writeln!(out, "stream: {:.1} MB in {} files", megabytes(bytes), arguments.files)?;
    let mut times = Vec::new();
    for _ in 0..arguments.runs {
        let target = directory.path().join("out");
        let (time, packed) = assemble(&stream, &target)?;
        fs_err::remove_dir_all(&target)?;
        writeln!(
            out,
            "packaged in {:.2} s: {:.0} MB/s, apk {:.1} MB",
            time.as_secs_f64(),
            megabytes(bytes) / time.as_secs_f64(),
            megabytes(packed)
        )?;
        times.push(time);
    }
    times.sort();
    if let Some(median) = times.get(times.len() / 2) {
        writeln!(out, "median: {:.0} MB/s", megabytes(bytes) / median.as_secs_f64())?;
    }
    writeln!(out, "peak memory: {:.0} MiB", peak_memory()? as f64 / 1024.0)?;
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn arguments() -> Result<Arguments, Failure> {
    let mut found = Arguments { size: 500_000_000, files: 11_000, runs: 3 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{name}` needs a value"));
        match name.as_str() {
            "--size" => found.size = size(&value()?)?,
            "--files" => found.files = value()?.parse::<u64>()?.max(1),
            "--runs" => found.runs = value()?.parse::<usize>()?.max(1),
            // Cargo's own.
            "--bench" => {}
            _ => return Err(format!("unknown argument `{name}`").into()),
        }
    }
    Ok(found)
}

/// `500M`, `2G`: powers of 1024.
fn size(text: &str) -> Result<u64, Failure> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    Ok(digits.parse::<u64>()? * unit)
}

fn write_stream(path: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let sources = sources();
    let total: u64 = sources.iter().map(|(_, size)| size).sum();
    if sources.is_empty() || total == 0 {
        return Err("no files to take content from".into());
    }
    // Whole steps through the list, so that any number of files has the same mix.
    let step = (sources.len() as u64 / arguments.files).max(1);
    let taken: Vec<&(PathBuf, u64)> = (0..arguments.files)
        .filter_map(|n| sources.get((n * step) as usize % sources.len()))
        .collect();
    let natural: u64 = taken.iter().map(|(_, size)| size).sum();
    let mut writer = Writer::new(BufWriter::new(File::create(path)?));
    for directory in ["bench", "bench/usr", "bench/usr/lib"] {
        writer.append(&Header::new(directory, Kind::Directory), &mut io::empty())?;
    }
    for (n, (source, size)) in taken.iter().enumerate() {
        if n % 100 == 0 {
            let directory = format!("bench/usr/lib/{:04}", n / 100);
            writer.append(&Header::new(directory, Kind::Directory), &mut io::empty())?;
        }
        let size = (*size as f64 * arguments.size as f64 / natural as f64) as u64;
        let name = format!("bench/usr/lib/{:04}/{:02}", n / 100, n % 100);
        let header = Header { size, uid: 1000, gid: 1000, ..Header::new(name, Kind::File) };
        writer.append(&header, &mut Repeated::open(source)?.take(size))?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// Regular, non-empty files with their sizes, in a fixed order.
fn sources() -> Vec<(PathBuf, u64)> {
    let mut found: Vec<(PathBuf, u64)> = SOURCES
        .iter()
        .flat_map(|directory| walkdir::WalkDir::new(directory).sort_by_file_name())
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| Some((entry.path().to_owned(), entry.metadata().ok()?.len())))
        .filter(|(path, size)| *size > 0 && File::open(path).is_ok())
        .collect();
    // A mix: neighbours by name are alike.
    let thin = found.len() / MAX_SOURCES + 1;
    let mut n = 0;
    found.retain(|_| {
        n += 1;
        n % thin == 0
    });
    found
}

/// A file that begins again when it ends.
struct Repeated(BufReader<File>);

impl Repeated {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(path)?)))
    }
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => {
                self.0.rewind()?;
                self.0.read(buffer)
            }
            count => Ok(count),
        }
    }
}

fn assemble(stream: &Path, out_dir: &Path) -> Result<(Duration, u64), Failure> {
    let package =
        Package { name: "bench".to_owned(), version: "1".to_owned(), ..Package::default() };
    let plan = Plan {
        arch: Arch::host(),
        recipe: "bench.yaml".into(),
        environment: Environment::default(),
        capabilities: Capabilities::default(),
        steps: Vec::new(),
        packages: vec![package],
        timeout: None,
        compiled: Compiled(serde_json::Value::Null),
        warnings: Diagnostics::default(),
    };
    let options = Options {
        out_dir: out_dir.to_owned(),
        signer: None,
        generate_index: true,
        namespace: "bench".to_owned(),
        source_date_epoch: 0,
        strip_origin_name: false,
        locked: &[],
        recipe_license: String::new(),
        repo_url: String::new(),
        cancelled: || false,
    };
    let mut stream = File::open(stream)?;
    let start = Instant::now();
    let built = assemble_with_recipe(&plan, &mut stream, &options, "package: {}\n")?;
    let time = start.elapsed();
    Ok((time, built.iter().map(|built| built.size).sum()))
}

/// KiB, as the kernel counts.
fn peak_memory() -> Result<u64, Failure> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no `VmHWM`")?;
    Ok(number.parse()?)
}
