//! `melange2 solve`: tells which packages a request installs.

use serde_json::json;

use crate::apk::dependency::Atom;
use crate::arch::Arch;
use crate::commands::options::RepositoryArgs;
use crate::error::{Error, Result};
use crate::repo::{Choice, Spec, Universe};
use crate::ui::{Format, Ui};

/// Tell which packages a request installs, in installation order.
///
/// Dependencies stand before what needs them, depth first in the order of the request. A line is
/// `name=version`; with `--format json`, packages are an array of objects with name, version,
/// checksum, size, tag, location and origin.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to install: `name`, `name=1.2-r0`, `name>=1`, `name~1.2`, `name@tag`, `!name`.
    #[arg(required = true, value_name = "ATOM")]
    atoms: Vec<Atom>,
    /// Architecture to install for [default: this machine's].
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    repositories: RepositoryArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let named = &args.repositories.repository_append;
    let specs = named.iter().map(|text| text.parse()).collect::<Result<Vec<Spec>, _>>()?;
    if specs.is_empty() {
        return Err(Error::config("there is no repository to take packages from")
            .hint("name one with `-r`, and its key with `-k`"));
    }
    let options = args.repositories.options()?;
    let universe = Universe::open(&specs, args.arch.unwrap_or_else(Arch::host), &options)?;
    for warning in universe.warnings() {
        ui.warning(warning);
    }
    let choices = universe.solve(&args.atoms)?;
    let text = match ui.format() {
        Format::Text => choices.iter().map(|it| format!("{}={}\n", it.name, it.version)).collect(),
        Format::Json => {
            let list: Vec<_> = choices.iter().map(object).collect();
            format!("{:#}\n", serde_json::Value::from(list))
        }
    };
    Ok(ui.data(&text)?)
}

fn object(choice: &Choice) -> serde_json::Value {
    json!({
        "name": choice.name,
        "version": choice.version,
        "checksum": choice.checksum,
        "size": choice.size,
        "tag": choice.tag,
        "location": choice.location,
        "origin": choice.origin,
    })
}
