//! How fast recipes are compiled, and in how much memory.
//!
//! A development program: compiles every recipe of a folder in one process, on as many threads as
//! there are processors, to the text that `melange2 compile` prints; the pipelines of the folder
//! beside it are used. Prints the time and the largest resident memory.
//!
//! ```text
//! cargo bench --bench compile -- FOLDER [--runs 3]
//! ```

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use melange2::arch::Arch;
use melange2::config;
use melange2::plan::{Context, resolve};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (folder, runs) = arguments()?;
    let mut recipes: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder.join("recipes"))? {
        recipes.push(entry?.path());
    }
    recipes.sort();
    let context =
        Context { pipeline_dirs: vec![folder.join("pipelines")], ..Context::new(Arch::X86_64) };
    let mut out = io::stdout().lock();
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        let bytes = compile_all(&recipes, &context)?;
        times.push(start.elapsed());
        writeln!(out, "{} recipes, {:.1} MB of JSON", recipes.len(), bytes as f64 / 1e6)?;
    }
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or(Duration::ZERO);
    writeln!(out, "recipes: {}", recipes.len())?;
    writeln!(out, "median: {:.3} s", median.as_secs_f64())?;
    writeln!(out, "peak memory: {:.0} MiB", peak_memory()? as f64 / 1024.0)?;
    Ok(())
}

/// Compiles all; how many bytes of JSON that makes.
fn compile_all(recipes: &[PathBuf], context: &Context) -> Result<usize, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let next = AtomicUsize::new(0);
    let work = || -> Result<usize, Failure> {
        let mut bytes = 0;
        while let Some(recipe) = recipes.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes += compile(recipe, context)?;
        }
        Ok(bytes)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut bytes = 0;
        for worker in workers {
            bytes += worker.join().map_err(|_| "a thread broke")??;
        }
        Ok(bytes)
    })
}

fn compile(recipe: &Path, context: &Context) -> Result<usize, Failure> {
    let tell = |problems: melange2::diagnostic::Diagnostics| problems.render(false);
    let config = config::load(recipe).map_err(tell)?;
    let plan = resolve(&config, context).map_err(tell)?;
    Ok(plan.map_or(0, |plan| plan.compiled.to_json().len()))
}

fn arguments() -> Result<(PathBuf, usize), Failure> {
    let (mut folder, mut runs) = (None, 3);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => {
                let value = arguments.next().ok_or("`--runs` needs a value")?;
                runs = value.parse::<usize>()?.max(1);
            }
            // Cargo's own.
            "--bench" => {}
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    Ok((folder.ok_or("name a folder that has `recipes` and `pipelines`")?, runs))
}

/// KiB, as the kernel counts.
fn peak_memory() -> Result<u64, Failure> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no `VmHWM`")?;
    Ok(number.parse()?)
}
