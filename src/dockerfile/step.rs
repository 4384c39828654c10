//! One step as a stage: its mounts, and its script with what must run before and after.
//!
//! Part of stage 3.

use crate::cache::Sharing;
use crate::plan::Step;

use super::around_mounts;
use super::cache_mounts::{self, Decision};
use super::host_cache;
use super::quote::{self, Mount};
use super::user::Owner;
use super::variables::{self, CA_BUNDLE, Common};
use super::workspace_data::WORKSPACE;
use super::{Error, Options};

/// A script becomes one argument of `/bin/sh -c`, and Linux takes 128 KiB at most. From here on
/// it is given as a file.
pub(super) const MAX_INLINE: usize = 100 * 1024;

/// Where such a file is mounted.
const SCRIPT_DIR: &str = "/run/melange2";

/// What is the same for all steps of a build.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) options: &'a Options,
    pub(super) common: &'a Common,
    pub(super) own: &'a indexmap::IndexMap<String, String>,
    pub(super) owner: Owner,
}

/// A script as it stands in the Dockerfile, and the file that it needs, if it is large.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: String,
    pub(super) file: Option<(String, Vec<u8>)>,
}

/// How a step is named in messages: its label and its place.
pub(super) fn describe(step: &Step) -> String {
    match step.places.first() {
        Some(place) => format!("step `{}` ({place})", step.label),
        None => format!("step `{}`", step.label),
    }
}

/// The script of a step: variables, `set -eo pipefail`, the working directory, the recipe's text
/// byte for byte, `exit 0`. `leftovers` are directories that were made for earlier steps' mounts,
/// innermost first.
pub(super) fn script(
    shared: &Shared<'_>,
    step: &Step,
    decision: &Decision<'_>,
    leftovers: &[String],
    stage: &str,
) -> Result<Script, Error> {
    if step.script.contains('\0') {
        return Err(Error::Invalid(format!("{} contains a NUL character", describe(step))));
    }
    let of_mounts = cache_mounts::step_variables(&decision.mounts, shared.own);
    let mut text = variables::header(shared.common, &of_mounts, &step.variables)?;
    text.push_str(&around_mounts::prepare(decision, leftovers));
    let trace = if shared.options.debug { "x" } else { "" };
    let directory = quote::shell(working_directory(step)?);
    text.push_str(&format!(
        "set -e{trace}o pipefail\n[ -d {directory} ] || mkdir -p {directory}\ncd {directory}\n"
    ));
    // A newline of ours even after one of the text's: it may end in a backslash.
    text.push_str(&step.script);
    text.push_str("\nexit 0\n");
    if text.len() < MAX_INLINE && quote::fits_heredoc(&text) {
        return Ok(Script { text, file: None });
    }
    let name = format!("{stage}.sh");
    let call = format!(". {SCRIPT_DIR}/{name}\n");
    Ok(Script { text: call, file: Some((name, text.into_bytes())) })
}

fn working_directory(step: &Step) -> Result<&str, Error> {
    let directory = step.working_directory.as_str();
    if directory.starts_with('/') && !directory.contains('\0') {
        return Ok(directory);
    }
    Err(Error::Invalid(format!(
        "{} has the working directory `{}`, which is not an absolute path",
        describe(step),
        directory.escape_debug()
    )))
}

/// The mounts of a step. The first two stand in every step of every spec: a mount that comes and
/// goes with a flag or a directory would run every step again.
pub(super) fn mounts(
    shared: &Shared<'_>,
    decision: &Decision<'_>,
    script: &Script,
) -> Result<Vec<Mount>, Error> {
    let Owner { uid, gid } = shared.owner;
    let owner = |mode: &str| {
        [("mode", mode.to_owned()), ("uid", uid.to_string()), ("gid", gid.to_string())]
    };
    let suffix = shared.owner.id_suffix();
    let cache = |id: &str, target: &str, sharing: Sharing| {
        let mut fields = vec![
            ("type", "cache".to_owned()),
            ("id", format!("{id}{suffix}")),
            ("target", target.to_owned()),
            ("sharing", sharing.name().to_owned()),
        ];
        fields.extend(owner("0755"));
        Mount(fields)
    };
    let secret = |id: &str, target: String, required: bool, mode: &str| {
        let mut fields = vec![
            ("type", "secret".to_owned()),
            ("id", id.to_owned()),
            ("target", target),
            ("required", required.to_string()),
        ];
        fields.extend(owner(mode));
        Mount(fields)
    };

    let mut mounts = vec![
        secret("ca", CA_BUNDLE.to_owned(), false, "0444"),
        cache(&host_cache::id(&shared.options.host_cache), "/var/cache/melange", Sharing::Shared),
    ];
    for mount in &decision.mounts {
        mounts.push(cache(&mount.id, checked_target(&mount.target)?, mount.sharing));
    }
    for given in &shared.options.secrets {
        let target = format!("/run/secrets/{}", checked_id(&given.id)?);
        mounts.push(secret(&given.id, target, true, "0400"));
    }
    for given in &shared.options.ssh {
        let id = given.split('=').next().unwrap_or_default().to_owned();
        let mut fields =
            vec![("type", "ssh".to_owned()), ("id", id), ("required", "true".to_owned())];
        fields.extend(owner("0600"));
        mounts.push(Mount(fields));
    }
    if let Some((name, _)) = &script.file {
        mounts.push(Mount(vec![
            ("type", "bind".to_owned()),
            ("from", "scripts".to_owned()),
            ("source", name.clone()),
            ("target", format!("{SCRIPT_DIR}/{name}")),
        ]));
    }
    Ok(mounts)
}

/// A cache over the workspace itself, or over everything, would hide what the steps work on.
fn checked_target(target: &str) -> Result<&str, Error> {
    let trimmed = target.trim_end_matches('/');
    let holds = WORKSPACE == trimmed || WORKSPACE.starts_with(&format!("{trimmed}/"));
    if target.starts_with('/') && !holds {
        return Ok(target);
    }
    Err(Error::Invalid(format!(
        "a cache mount can't have the target `{target}`: write an absolute path that does not \
         hold `{WORKSPACE}`"
    )))
}

fn checked_id(id: &str) -> Result<&str, Error> {
    if id == "ca" {
        return Err(Error::Invalid(
            "the secret id `ca` is the certificates': give them with `--ca-file`".to_owned(),
        ));
    }
    if quote::is_plain_word(id) && !id.contains('/') && !matches!(id, "." | "..") {
        return Ok(id);
    }
    Err(Error::Invalid(format!(
        "`{id}` can't be a secret's id: write letters, digits, `-` and `_`"
    )))
}
