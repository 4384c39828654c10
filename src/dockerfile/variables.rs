//! The environment variables of a build: those of all steps, and those of one.
//!
//! Part of stage 3. What an `ENV` line can say stands there once; the rest (values with newlines,
//! a step's own variables, which an `ENV` would hand on to the next steps) each step exports.

use indexmap::IndexMap;

use crate::plan::Plan;

use super::workspace_data::WORKSPACE;
use super::{Environment, Error, Options, cache_mounts, quote};

/// melange's search path, which a recipe's `environment` can't change (a step's can).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin";

/// Where steps find certificates: the environment's own, or those of `--ca-file` on top.
pub(super) const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What tools that come with certificates of their own read to use others.
const CA_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
];

/// What a tracing daemon puts into every step. `TRACEPARENT` differs from run to run, so nothing
/// that a step writes may depend on it.
const TRACING: [&str; 4] = [
    "TRACEPARENT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
];

/// The variables that all steps have.
#[derive(Debug)]
pub(super) struct Common {
    /// For `ENV`.
    pub(super) env: Vec<(String, String)>,
    /// For each step to export.
    exported: Vec<(String, String)>,
    /// Those that point at [`CA_BUNDLE`]: to be unset where it is missing.
    certificates: Vec<&'static str>,
    /// To be unset in every step.
    tracing: Vec<&'static str>,
}

/// The variables of all steps: the fixed ones, the certificates', the recipe's, the caches'.
pub(super) fn common(
    plan: &Plan,
    environment: &Environment,
    options: &Options,
) -> Result<Common, Error> {
    let own = &plan.environment.variables;
    let not_own = |name: &&str| !own.contains_key(*name);
    let certificates: Vec<&str> = CA_VARIABLES.into_iter().filter(not_own).collect();
    let mut all: IndexMap<String, String> = IndexMap::new();
    all.insert("PATH".to_owned(), PATH.to_owned());
    all.insert("HOME".to_owned(), WORKSPACE.to_owned());
    all.insert("SOURCE_DATE_EPOCH".to_owned(), options.source_date_epoch.to_string());
    all.extend(certificates.iter().map(|&name| (name.to_owned(), CA_BUNDLE.to_owned())));
    let chosen = own.iter().filter(|(name, _)| *name != "PATH");
    all.extend(chosen.map(|(name, value)| (name.clone(), value.clone())));
    all.extend(cache_mounts::build_variables(environment, options, own));
    for (name, value) in &all {
        check(name, value)?;
    }
    let (env, exported) = all.into_iter().partition(|(_, value)| quote::fits_env(value));
    let tracing = TRACING.into_iter().filter(not_own).collect();
    Ok(Common { env, exported, certificates, tracing })
}

/// The first lines of a step's script: its variables as they shall be.
///
/// They stand before `set -x`, so that a debugged build does not print values.
pub(super) fn header(
    common: &Common,
    of_mounts: &[(String, String)],
    step: &IndexMap<String, String>,
) -> Result<String, Error> {
    let mut text = String::new();
    if !common.tracing.is_empty() {
        text.push_str(&format!("unset {}\n", common.tracing.join(" ")));
    }
    if !common.certificates.is_empty() {
        // A tool that is pointed at a missing file trusts nobody.
        text.push_str(&format!("[ -s {CA_BUNDLE} ] || unset {}\n", common.certificates.join(" ")));
    }
    let mut exports: IndexMap<&str, &str> = IndexMap::new();
    let before = common.exported.iter().chain(of_mounts);
    exports.extend(before.map(|(name, value)| (name.as_str(), value.as_str())));
    exports.extend(step.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in exports {
        check(name, value)?;
        text.push_str(&format!("export {name}={}\n", quote::shell(value)));
    }
    Ok(text)
}

fn check(name: &str, value: &str) -> Result<(), Error> {
    if !quote::is_variable_name(name) {
        return Err(Error::Invalid(format!(
            "`{}` is not the name of an environment variable: write letters, digits and `_`",
            name.escape_debug()
        )));
    }
    if value.contains('\0') {
        return Err(Error::Invalid(format!(
            "the environment variable `{name}` contains a NUL character"
        )));
    }
    Ok(())
}
