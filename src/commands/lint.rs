//! `melange2 lint`: looks for mistakes in recipes that can be built all the same.
//!
//! Around the stages. The rules are in `lint`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::commands::options::LibraryArgs;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::error::{Error, Result};
use crate::lint::{self, Levels, Options};
use crate::plan::Context;
use crate::ui::{Format, Ui, Verbosity};

/// Look for mistakes in recipes.
///
/// Findings go to stdout, with the place, the lines around it, and what to do; with `--format json`
/// as one JSON object on each line. A recipe that can't be built gives its errors.
///
/// A rule allows, warns or denies. `--list` shows all rules, `--explain RULE` says why one is there.
/// In a recipe, the comment `# nolint:RULE` switches a rule off for its line, or for the line after
/// it where it stands alone; before the first key it does so for the whole file.
///
/// Exit code: 0 if nothing was found, or warnings only; 2 if there was an error: a rule that denies,
/// a recipe that can't be built, or a wrong command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipes.
    #[arg(value_name = "RECIPE", required_unless_present_any = ["list", "explain"])]
    recipes: Vec<PathBuf>,
    /// Switch a rule off; `all` stands for every rule.
    #[arg(short = 'A', long, value_name = "RULE", value_delimiter = ',')]
    allow: Vec<String>,
    /// Let a rule warn.
    #[arg(short = 'W', long, value_name = "RULE", value_delimiter = ',')]
    warn: Vec<String>,
    /// Make a rule's findings errors; `warnings` stands for every rule that warns.
    #[arg(short = 'D', long, value_name = "RULE", value_delimiter = ',')]
    deny: Vec<String>,
    /// Compare with the recipes of this git revision (such as `origin/main`): whether versions and
    /// epochs were raised as they should be.
    #[arg(long, value_name = "REVISION")]
    since: Option<String>,
    /// Show the rules, and what each does with these switches.
    #[arg(long)]
    list: bool,
    /// Say what a rule finds, and why that is worth a change.
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// Architecture that the recipes are for; several, `host`, or `all`.
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_value = "all")]
    arch: Vec<String>,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let levels = Levels::new(&args.allow, &args.warn, &args.deny).map_err(Error::config)?;
    if let Some(name) = &args.explain {
        return Ok(ui.data(&explanation(lint::rule(name).map_err(Error::config)?))?);
    }
    if args.list {
        return Ok(ui.data(&list(&levels))?);
    }
    args.recipes.iter().try_for_each(|path| refuse_package(path))?;
    let options = Options {
        context: Context {
            pipeline_dirs: args.library.directories()?,
            ..Context::new(Arch::X86_64)
        },
        archs: crate::commands::options::parse_archs(&args.arch)?,
        since: args.since.clone(),
        levels,
    };
    let (mut errors, mut warnings) = (0, 0);
    for path in &args.recipes {
        let mut of_recipe = options.clone();
        of_recipe.context.pipeline_dirs.extend(args.library.beside(path));
        let mut found = lint::lint(path, &of_recipe);
        if ui.verbosity() == Verbosity::Quiet {
            found.items.retain(|item| item.severity == Severity::Error);
        }
        show(&found, ui)?;
        errors += count(&found, Severity::Error);
        warnings += count(&found, Severity::Warning);
    }
    match (errors, warnings) {
        (0, 0) => Ok(()),
        (0, _) => {
            ui.status(&format!("{} in {}", number(warnings, "warning"), recipes(args)));
            Ok(())
        }
        _ => Err(Error::config(format!(
            "{} and {} in {}",
            number(errors, "error"),
            number(warnings, "warning"),
            recipes(args)
        ))),
    }
}

fn show(found: &Diagnostics, ui: &Ui) -> Result<()> {
    let text = match ui.format() {
        Format::Json => found.items.iter().map(|item| format!("{}\n", item.json())).collect(),
        Format::Text if found.items.is_empty() => String::new(),
        Format::Text => format!("{}\n", found.render(ui.data_color())),
    };
    Ok(ui.data(&text)?)
}

fn count(found: &Diagnostics, severity: Severity) -> usize {
    found.items.iter().filter(|item: &&Diagnostic| item.severity == severity).count()
}

fn number(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn recipes(args: &Args) -> String {
    number(args.recipes.len(), "recipe")
}

fn list(levels: &Levels) -> String {
    let rules = lint::rules();
    let width = rules.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    rules.iter().fold(String::new(), |mut text, rule| {
        let level = levels.of(rule).name();
        let _ = writeln!(text, "{:width$}  {level:5}  {}", rule.name, rule.summary);
        text
    })
}

fn explanation(rule: &lint::Rule) -> String {
    let (name, level) = (rule.name, rule.level.name());
    format!("{name} ({level} by default): {}\n\n{}\n", rule.summary, rule.details)
}

/// Packages are told by their first bytes: gzip, or apk's newer format. (Their names say nothing:
/// melange's `lint` takes those of URLs too.)
fn refuse_package(path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    let url = text.starts_with("http://") || text.starts_with("https://");
    let mut begin = [0; 3];
    let read =
        fs_err::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut begin));
    let package = matches!(read, Ok(3) if begin.starts_with(&[0x1f, 0x8b]) || &begin == b"ADB");
    if !url && !package {
        return Ok(());
    }
    Err(Error::config(format!("`{text}` is a package: packages are not linted yet, only recipes"))
        .hint("name recipes (YAML files)"))
}
