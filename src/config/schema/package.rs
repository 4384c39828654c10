//! `package:` and `subpackages:`.

use serde_json::Value as Json;

use super::{Step, Test};
use crate::config::field::{Condition, Dict, Field, Text};
use crate::config::reader::Reader;
use crate::config::record::record;
use crate::config::yaml::Node;
use crate::diagnostic::{Diagnostic, Span, Spanned};

record! {
    /// The main package.
    pub struct Package {
        /// Name.
        name: Text = "name" [early always required],
        /// Version without epoch.
        version: Text = "version" [early always required],
        /// Epoch.
        epoch: Spanned<u64> = "epoch" [always],
        /// One line.
        description: Text = "description" [early],
        /// Kept in `.melange.yaml` only.
        annotations: Dict = "annotations" [early],
        /// Home page.
        url: Text = "url" [early],
        /// Commit of the recipe.
        commit: Text = "commit" [],
        /// The only architectures that it is for.
        target_architecture: Vec<Text> = "target-architecture" [early],
        /// Licences.
        copyright: Vec<Copyright> = "copyright" [early],
        /// Dependencies.
        dependencies: Dependencies = "dependencies" [early always],
        /// Which dependencies are generated.
        options: Option<PackageOptions> = "options" [],
        /// Scripts that apk runs.
        scriptlets: Option<Scriptlets> = "scriptlets" [early],
        /// Linters.
        checks: Checks = "checks" [always],
        /// Its name in vulnerability databases.
        cpe: Cpe = "cpe" [always],
        /// File capabilities.
        setcap: Vec<Capability> = "setcap" [],
        /// How long the build may take.
        timeout: GoDuration = "timeout" [],
        /// What the build should get.
        resources: Option<Resources> = "resources" [],
        /// What the test should get.
        test_resources: Option<Resources> = "test-resources" [],
    }
}

record! {
    /// A further package.
    pub struct Subpackage {
        /// Whether it is built.
        condition: Condition = "if" [early],
        /// The table of which each item gives one package.
        range: Text = "range" [silent],
        /// Name.
        name: Text = "name" [early always required],
        /// Steps.
        pipeline: Vec<Step> = "pipeline" [early],
        /// Dependencies.
        dependencies: Dependencies = "dependencies" [early always],
        /// Which dependencies are generated.
        options: Option<PackageOptions> = "options" [],
        /// Scripts that apk runs.
        scriptlets: Option<Scriptlets> = "scriptlets" [early],
        /// One line.
        description: Text = "description" [early],
        /// Kept in `.melange.yaml` only.
        annotations: Dict = "annotations" [early],
        /// Home page.
        url: Text = "url" [early],
        /// Commit of the recipe.
        commit: Text = "commit" [],
        /// Linters.
        checks: Checks = "checks" [always],
        /// Test.
        test: Option<Test> = "test" [early],
        /// File capabilities.
        setcap: Vec<Capability> = "setcap" [],
    }
}

record! {
    /// A licence and what it covers.
    pub struct Copyright {
        /// Files.
        paths: Vec<Text> = "paths" [early],
        /// Who holds it.
        attestation: Text = "attestation" [],
        /// SPDX expression, or a name.
        license: Text = "license" [early always],
        /// File with the text.
        license_path: Text = "license-path" [early],
        /// For licence checkers.
        detection_override: Text = "detection-override" [],
    }
}

record! {
    /// Dependencies.
    pub struct Dependencies {
        /// `depend =`
        runtime: Vec<Text> = "runtime" [early],
        /// `provides =`
        provides: Vec<Text> = "provides" [early],
        /// `replaces =`
        replaces: Vec<Text> = "replaces" [early],
        /// `provider_priority =`
        provider_priority: Text = "provider-priority" [early],
        /// `replaces_priority =`
        replaces_priority: Text = "replaces-priority" [early],
    }
}

record! {
    /// Which dependencies are generated.
    pub struct PackageOptions {
        /// No provides.
        no_provides: bool = "no-provides" [],
        /// No dependencies.
        no_depends: bool = "no-depends" [],
        /// No `cmd:` provides.
        no_commands: bool = "no-commands" [],
        /// No versions on library dependencies.
        no_versioned_shlib_deps: bool = "no-versioned-shlib-deps" [],
    }
}

record! {
    /// Scripts that apk runs.
    pub struct Scriptlets {
        /// When a directory changes.
        trigger: Trigger = "trigger" [early always],
        /// Before installing.
        pre_install: Text = "pre-install" [early],
        /// After installing.
        post_install: Text = "post-install" [early],
        /// Before removing.
        pre_deinstall: Text = "pre-deinstall" [early],
        /// After removing.
        post_deinstall: Text = "post-deinstall" [early],
        /// Before upgrading.
        pre_upgrade: Text = "pre-upgrade" [early],
        /// After upgrading.
        post_upgrade: Text = "post-upgrade" [early],
    }
}

record! {
    /// A script that runs when a directory changes.
    pub struct Trigger {
        /// The script.
        script: Text = "script" [early],
        /// The directories.
        paths: Vec<Text> = "paths" [early],
    }
}

record! {
    /// Linters.
    pub struct Checks {
        /// Those that only warn.
        disabled: Vec<Text> = "disabled" [],
    }
}

record! {
    /// The parts of a CPE 2.3 name.
    pub struct Cpe {
        /// `a` or `o`.
        part: Text = "part" [],
        /// Vendor.
        vendor: Text = "vendor" [],
        /// Product.
        product: Text = "product" [],
        /// Edition.
        edition: Text = "edition" [],
        /// Language.
        language: Text = "language" [],
        /// Software edition.
        sw_edition: Text = "sw_edition" [],
        /// Target software.
        target_sw: Text = "target_sw" [],
        /// Target hardware.
        target_hw: Text = "target_hw" [],
        /// Other.
        other: Text = "other" [],
    }
}

record! {
    /// File capabilities of one file.
    pub struct Capability {
        /// The file.
        path: Text = "path" [],
        /// Names (comma-separated) to flags (`+eip`).
        add: Dict = "add" [],
        /// Why.
        reason: Text = "reason" [],
    }
}

record! {
    /// What a machine should have.
    pub struct Resources {
        /// CPUs.
        cpu: Text = "cpu" [],
        /// CPU model.
        cpumodel: Text = "cpumodel" [],
        /// Memory.
        memory: Text = "memory" [],
        /// Disk.
        disk: Text = "disk" [],
    }
}

/// A duration as Go writes them (`1h30m`).
#[derive(Clone, Debug, Default)]
pub struct GoDuration {
    /// As written.
    pub text: Text,
    /// Nanoseconds.
    pub nanoseconds: i64,
}

impl GoDuration {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let nanoseconds = nanoseconds(text)?;
        Some(Self { text: Text::new(text.to_owned(), Span::default()), nanoseconds })
    }
}

impl Field for GoDuration {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        let text = Text::read(node, reader);
        if text.is_empty() {
            return Self::default();
        }
        let Some(nanoseconds) = nanoseconds(text.as_str()) else {
            let found = format!("`{}` is not a duration", text.as_str());
            let diagnostic = Diagnostic::error("duration", found, text.span, "")
                .help("write it with units, such as `30m` or `1h30m`");
            reader.problems.push(diagnostic);
            return Self::default();
        };
        Self { text, nanoseconds }
    }

    fn json(&self) -> Json {
        self.nanoseconds.into()
    }

    fn data(&self) -> crate::go_template::Data {
        crate::go_template::Data::Duration(self.nanoseconds)
    }

    fn schema(definitions: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
        Text::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        self.nanoseconds == 0
    }
}

/// Go's duration syntax: signed decimal numbers, each with a unit; `0` needs none.
fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Go's durations end where 64 bits of nanoseconds do, after 292 years.
    (!text.is_empty() && total < 9.2e18).then_some((sign * total) as i64)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations_are_gos() {
        assert_eq!(nanoseconds("1h30m"), Some(5_400_000_000_000));
        assert_eq!(nanoseconds("1.5s"), Some(1_500_000_000));
        assert_eq!(nanoseconds("0"), Some(0));
        for wrong in ["", "5", "h", "1x", "1h30", "-"] {
            assert_eq!(nanoseconds(wrong).filter(|_| wrong != "-"), None, "{wrong}");
        }
    }
}
