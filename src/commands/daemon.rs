//! `melange2 daemon`: looks after the private BuildKit daemon.

use std::fmt::Write as _;

use crate::buildkit::{self, Connection, PRIVATE, PrivateDaemon, Prune, Stop};
use crate::commands::options::DaemonArgs;
use crate::error::{Error, Kind, Result};
use crate::ui::Ui;

/// Look after the private BuildKit daemon.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say whether it runs, who uses it, and what its cache takes on disk.
    ///
    /// With `--addr`, asks that daemon instead.
    Status(DaemonArgs),
    /// Start it. Builds do that by themselves; it stops when unused for `--daemon-linger`.
    Start(DaemonArgs),
    /// Stop it. Its cache stays on disk.
    Stop(StopArgs),
    /// Delete the results of steps from its cache. Cache mounts (compiler and module caches) stay.
    ///
    /// With `--addr`, prunes that daemon instead.
    Prune(PruneArgs),
    #[command(hide = true)]
    Supervise(DaemonArgs),
}

#[derive(Debug, clap::Args)]
struct StopArgs {
    /// Stop it even while builds use it: they fail.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
struct PruneArgs {
    /// Delete cache mounts as well: the next builds compile and download everything again.
    #[arg(long)]
    all: bool,
    /// Keep what was used within this time, such as `48h`.
    #[arg(long, value_name = "DURATION")]
    keep_duration: Option<String>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    match &args.action {
        Action::Status(daemon) => status(daemon, ui),
        Action::Start(daemon) => start(daemon, ui),
        Action::Stop(args) => stop(args, ui),
        Action::Prune(args) => prune(args, ui),
        Action::Supervise(daemon) => {
            // Its stderr is the daemon's log.
            let _ = tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .with_max_level(tracing::Level::INFO)
                .try_init();
            Ok(buildkit::supervise(&daemon.resolve()?)?)
        }
    }
}

fn status(args: &DaemonArgs, ui: &Ui) -> Result<()> {
    let mut options = args.resolve()?;
    let mut text = String::new();
    let mut usage = None;
    if options.addr.as_deref().unwrap_or(PRIVATE) == PRIVATE {
        let daemon = PrivateDaemon::new(&options)?;
        let Some(report) = daemon.report() else {
            let text = format!("state:      not running\ndirectory:  {}\n", daemon.dir().display());
            return Ok(ui.data(&text)?);
        };
        let _ = writeln!(text, "state:      running");
        let _ = writeln!(text, "directory:  {}", daemon.dir().display());
        let _ = writeln!(text, "log:        {}", daemon.log().display());
        let _ = writeln!(text, "buildkitd:  process {}", report.buildkitd);
        let _ = writeln!(text, "supervisor: process {}", report.supervisor);
        let _ = writeln!(text, "users:      {}", daemon.users());
        let linger = std::time::Duration::from_millis(report.linger_ms);
        let _ = writeln!(text, "linger:     {linger:?}");
        usage = Some(indicatif::BinaryBytes(daemon.disk_usage()).to_string());
        // Asked as any daemon: to ask is not to use it.
        options.addr = Some(daemon.addr());
    }
    let connection = Connection::open(&options)?;
    let _ = writeln!(text, "address:    {}", connection.addr());
    let _ = writeln!(text, "version:    {}", connection.version()?);
    let collects = match connection.counts_cache_mounts()? {
        true => "by size, which loses cache mounts now and then (see docs/caching.md)",
        false => "by age",
    };
    let _ = writeln!(text, "garbage:    {collects}");
    let usage = match usage {
        Some(usage) => Some(usage),
        None => connection.disk_usage()?,
    };
    let _ = writeln!(
        text,
        "disk usage: {}",
        usage.as_deref().unwrap_or("not counted while builds run")
    );
    Ok(ui.data(&text)?)
}

fn start(args: &DaemonArgs, ui: &Ui) -> Result<()> {
    let mut options = args.resolve()?;
    private_only(options.addr.as_deref(), "start")?;
    options.addr = Some(PRIVATE.to_owned());
    let connection = Connection::open(&options)?;
    Ok(ui.data(&format!("{}\n", connection.addr()))?)
}

fn stop(args: &StopArgs, ui: &Ui) -> Result<()> {
    let options = args.daemon.resolve()?;
    private_only(options.addr.as_deref(), "stop")?;
    let daemon = PrivateDaemon::new(&options)?;
    match daemon.stop(args.force)? {
        Stop::Stopped => ui.status("the private daemon was stopped"),
        Stop::NotRunning => ui.status("the private daemon does not run"),
        Stop::Busy => {
            let text = format!("the private daemon is used by {} processes", daemon.users());
            return Err(Error::new(Kind::Buildkit, text)
                .hint("wait for them, or stop it under them with `--force`"));
        }
    }
    Ok(())
}

fn prune(args: &PruneArgs, ui: &Ui) -> Result<()> {
    let mut options = args.daemon.resolve()?;
    options.addr.get_or_insert_with(|| PRIVATE.to_owned());
    let keep = match &args.keep_duration {
        Some(text) => Some(DaemonArgs::duration("--keep-duration", text)?),
        None => None,
    };
    let what = if args.all { Prune::Everything } else { Prune::Results };
    if args.all {
        ui.warning("`--all` also deletes cache mounts: the next builds start cold");
    }
    let connection = Connection::open(&options)?;
    let deleted = connection.prune(what, keep)?;
    let total = deleted.lines().rev().find(|line| line.starts_with("Total:"));
    let total = total.and_then(|line| line.strip_prefix("Total:")).unwrap_or("nothing");
    ui.status(&format!("deleted: {}", total.trim()));
    Ok(())
}

/// Only a daemon that melange2 started is its to start and stop.
fn private_only(addr: Option<&str>, action: &str) -> Result<()> {
    match addr {
        Some(addr) if addr != PRIVATE => {
            Err(Error::config(format!("`daemon {action}` is for the private daemon, not `{addr}`"))
                .hint("leave out `--addr`"))
        }
        _ => Ok(()),
    }
}
