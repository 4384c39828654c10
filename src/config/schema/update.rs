//! `update:`: read, checked for unknown keys, printed again; builds do not use it.

use crate::config::field::Text;
use crate::config::given::Given;
use crate::config::record::record;

record! {
    /// How robots find new versions.
    pub struct Update {
        /// Whether they look.
        enabled: bool = "enabled" [always],
        /// Whether people do it.
        manual: bool = "manual" [],
        /// No version may be skipped.
        require_sequential: bool = "require-sequential" [],
        /// Several recipes share the source.
        shared: bool = "shared" [],
        /// What stands between a version's parts.
        version_separator: Text = "version-separator" [],
        /// Versions to skip.
        ignore_regex_patterns: Vec<Text> = "ignore-regex-patterns" [],
        /// release-monitoring.org
        release_monitor: Option<ReleaseMonitor> = "release-monitor" [early],
        /// GitHub
        github: Option<GitHubMonitor> = "github" [early],
        /// git
        git: Option<GitMonitor> = "git" [early],
        /// A registry.
        oci: Option<OciMonitor> = "oci" [],
        /// Vendors' version tables.
        version_data: Option<VersionData> = "version_data" [],
        /// Changes of the found version.
        version_transform: Vec<VersionTransform> = "version-transform" [],
        /// Why nobody looks.
        exclude_reason: Text = "exclude-reason" [],
        /// How often.
        schedule: Option<Schedule> = "schedule" [],
        /// Whether pre-releases count.
        enable_prerelease_tags: bool = "enable-prerelease-tags" [],
    }
}

record! {
    /// release-monitoring.org
    pub struct ReleaseMonitor {
        /// Number of the project.
        identifier: i64 = "identifier" [always],
        /// Prefix to cut.
        strip_prefix: Text = "strip-prefix" [],
        /// Suffix to cut.
        strip_suffix: Text = "strip-suffix" [],
        /// What versions contain.
        version_filter_contains: Text = "version-filter-contains" [early],
        /// How versions start.
        version_filter_prefix: Text = "version-filter-prefix" [early],
    }
}

record! {
    /// GitHub
    pub struct GitHubMonitor {
        /// `owner/name`
        identifier: Text = "identifier" [early always],
        /// Prefix to cut.
        strip_prefix: Text = "strip-prefix" [],
        /// Suffix to cut.
        strip_suffix: Text = "strip-suffix" [],
        /// Deprecated.
        tag_filter: Text = "tag-filter" [early],
        /// How tags start.
        tag_filter_prefix: Text = "tag-filter-prefix" [early],
        /// What tags contain.
        tag_filter_contains: Text = "tag-filter-contains" [early],
        /// Tags rather than releases.
        use_tag: bool = "use-tag" [],
    }
}

record! {
    /// git
    pub struct GitMonitor {
        /// Prefix to cut.
        strip_prefix: Text = "strip-prefix" [],
        /// Suffix to cut.
        strip_suffix: Text = "strip-suffix" [],
        /// How tags start.
        tag_filter_prefix: Text = "tag-filter-prefix" [early],
        /// What tags contain.
        tag_filter_contains: Text = "tag-filter-contains" [early],
    }
}

record! {
    /// A registry.
    pub struct OciMonitor {
        /// Repository.
        identifier: Text = "identifier" [always],
        /// Prefix to cut.
        strip_prefix: Text = "strip-prefix" [],
        /// Suffix to cut.
        strip_suffix: Text = "strip-suffix" [],
        /// How tags start.
        tag_filter_prefix: Text = "tag-filter-prefix" [],
        /// What tags contain.
        tag_filter_contains: Text = "tag-filter-contains" [],
    }
}

record! {
    /// Vendors' version tables.
    pub struct VersionData {
        /// How the version is put together; its `${{source.…}}` stay as they are.
        version_format: Text = "version_format" [always],
        /// The tables.
        sources: Given<Vec<VersionSource>> = "sources" [always],
    }
}

record! {
    /// A table.
    pub struct VersionSource {
        /// Name.
        name: Text = "name" [always],
        /// Column.
        stream: Text = "stream" [always],
        /// Versions to skip.
        ignore: Vec<Text> = "ignore" [],
        /// Where the commit stands.
        commit_source: Text = "commit_source" [],
        /// Releases rather than tags.
        use_release: bool = "use_release" [],
    }
}

record! {
    /// A change of a found version.
    pub struct VersionTransform {
        /// Regular expression.
        r#match: Text = "match" [always],
        /// What it becomes.
        replace: Text = "replace" [always],
    }
}

record! {
    /// How often.
    pub struct Schedule {
        /// Why.
        reason: Text = "reason" [],
        /// `daily`, `weekly` or `monthly`.
        period: Text = "period" [],
    }
}
