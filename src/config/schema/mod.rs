//! The recipe's mappings as types, one per mapping of upstream's schema.
//!
//! Stage 1: declarations only. Order of fields is the order in which `compile` prints them.

mod environment;
mod options;
mod package;
mod step;
mod update;

use super::field::{Dict, Text};
use super::given::Given;
use super::record::record;

pub use environment::{
    Accounts, AdditionalCertificate, ArchName, BaseImage, Certificates, Contents, Entrypoint,
    Environment, Group, Layering, PathMutation, RuntimeKey, User,
};
pub use options::{BuildOption, ContentsOption, EnvironmentOption, ListOption};
pub use package::{
    Capability, Checks, Copyright, Cpe, Dependencies, GoDuration, Package, PackageOptions,
    Resources, Scriptlets, Subpackage, Trigger,
};
pub use step::{About, Assertions, Input, Needs, Step};
pub use update::{
    GitHubMonitor, GitMonitor, OciMonitor, ReleaseMonitor, Schedule, Update, VersionData,
    VersionSource, VersionTransform,
};

record! {
    /// A recipe as written.
    pub struct Config {
        /// The main package.
        package: Package = "package" [early always required],
        /// What the steps run in.
        environment: Environment = "environment" [early always],
        /// Linux capabilities of the steps.
        capabilities: Capabilities = "capabilities" [always],
        /// Steps of the main package.
        pipeline: Vec<Step> = "pipeline" [early],
        /// Further packages.
        subpackages: Vec<Subpackage> = "subpackages" [],
        /// Tables that `range` walks over.
        data: Vec<Data> = "data" [silent],
        /// How robots find new versions.
        update: Update = "update" [early always],
        /// Variables.
        vars: Dict = "vars" [],
        /// Variables made from others.
        var_transforms: Vec<VarTransform> = "var-transforms" [],
        /// Variants that the command line turns on.
        options: indexmap::IndexMap<String, BuildOption> = "options" [],
        /// Test of the main package.
        test: Option<Test> = "test" [early],
    }
}

record! {
    /// Linux capabilities.
    pub struct Capabilities {
        /// To add.
        add: Vec<Text> = "add" [],
        /// To drop.
        drop: Vec<Text> = "drop" [],
    }
}

record! {
    /// A table.
    pub struct Data {
        /// What `range` calls it.
        name: Text = "name" [],
        /// `range.key` and `range.value`.
        items: Dict = "items" [],
    }
}

record! {
    /// A variable made from another by a regular expression.
    pub struct VarTransform {
        /// The text, in which variables are substituted.
        from: Text = "from" [always],
        /// Go's regular expression.
        r#match: Text = "match" [always],
        /// What every match becomes, with `$1` and `${name}`.
        replace: Text = "replace" [always],
        /// The variable's name.
        to: Text = "to" [always],
    }
}

record! {
    /// A test of a package.
    pub struct Test {
        /// What it runs in.
        environment: Environment = "environment" [early always],
        /// Its steps.
        pipeline: Given<Vec<Step>> = "pipeline" [early always],
    }
}
