//! `record!`: a mapping of the schema, declared once.
//!
//! Stage 1. One declaration gives the type, its reader (keys, unknown keys with suggestions), its
//! part in substitution, its JSON and its JSON schema, so that these can't disagree.

/// Declares a struct of the recipe's schema.
///
/// Each field is `name: Type = "key" [flags]`. Flags: `early` — early substitution reaches it;
/// `always` — `compile` prints it even when empty; `silent` — `compile` never prints it;
/// `capital` — `compile` prints its key with a capital, where upstream forgot to name it; `required` —
/// editors miss it.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident: $type:ty = $key:literal [$($flag:ident)*], )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where it stands.
            pub span: $crate::diagnostic::Span,
        }

        impl $name {
            /// The keys that it has.
            pub(crate) const KEYS: &[&str] = &[$($key),*];
        }

        impl $crate::config::field::Field for $name {
            fn read(
                node: &$crate::config::yaml::Node,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Self {
                let mut record = Self { span: reader.span(&node.bytes), ..Self::default() };
                for (key, node) in reader.entries(node) {
                    match key.text.as_str() {
                        $( $key => {
                            record.$field = $crate::config::field::Field::read(node, reader);
                        } )*
                        _ => reader.unknown_key(key, Self::KEYS),
                    }
                }
                record
            }

            fn json(&self) -> serde_json::Value {
                use $crate::config::record::capitalised;
                let mut json = serde_json::Map::new();
                $(
                    let silent = record!(@has silent [$($flag)*]);
                    let always = record!(@has always [$($flag)*]);
                    if !silent && (always || !$crate::config::field::Field::is_unset(&self.$field)) {
                        let capital = record!(@has capital [$($flag)*]);
                        json.insert(
                            if capital { capitalised($key) } else { $key.to_owned() },
                            $crate::config::field::Field::json(&self.$field),
                        );
                    }
                )*
                serde_json::Value::Object(json)
            }

            fn data(&self) -> $crate::go_template::Data {
                let mut fields = indexmap::IndexMap::new();
                $(
                    fields.insert(
                        $crate::config::record::go_name($key),
                        $crate::config::field::Field::data(&self.$field),
                    );
                )*
                $crate::go_template::Data::Struct(fields)
            }

            fn schema(definitions: &mut $crate::config::json_schema::Definitions) -> serde_json::Value {
                use $crate::config::json_schema::{reference, record, Key};
                let name = stringify!($name);
                // A step may have steps: what is being defined is known by its name already.
                if !definitions.contains_key(name) {
                    definitions.insert(name.to_owned(), serde_json::Value::Null);
                    let keys = vec![$( Key {
                        name: $key,
                        about: concat!($($doc, " "),*),
                        schema: <$type as $crate::config::field::Field>::schema(definitions),
                        required: record!(@has required [$($flag)*]),
                    } ),*];
                    definitions.insert(name.to_owned(), record(keys));
                }
                reference(name)
            }

            /// Upstream's structs have no empty value: Go writes them always.
            fn is_unset(&self) -> bool {
                false
            }

            fn visit(&mut self, visitor: &mut dyn $crate::config::field::Visit) {
                $(
                    if record!(@has early [$($flag)*]) {
                        $crate::config::field::Field::visit(&mut self.$field, visitor);
                    }
                )*
                let _ = visitor;
            }
        }
    };
    (@has early []) => { false };
    (@has early [early $($rest:ident)*]) => { true };
    (@has early [$other:ident $($rest:ident)*]) => { record!(@has early [$($rest)*]) };
    (@has capital []) => { false };
    (@has capital [capital $($rest:ident)*]) => { true };
    (@has capital [$other:ident $($rest:ident)*]) => { record!(@has capital [$($rest)*]) };
    (@has always []) => { false };
    (@has always [always $($rest:ident)*]) => { true };
    (@has always [$other:ident $($rest:ident)*]) => { record!(@has always [$($rest)*]) };
    (@has required []) => { false };
    (@has required [required $($rest:ident)*]) => { true };
    (@has required [$other:ident $($rest:ident)*]) => { record!(@has required [$($rest)*]) };
    (@has silent []) => { false };
    (@has silent [silent $($rest:ident)*]) => { true };
    (@has silent [$other:ident $($rest:ident)*]) => { record!(@has silent [$($rest)*]) };
}

pub(crate) use record;

/// A key with its first letter a capital.
pub(crate) fn capitalised(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// What upstream's Go code calls a key: its words with capitals, but for abbreviations and some
/// names of its own.
pub(crate) fn go_name(key: &str) -> String {
    let own = match key {
        "apkindex" => "APKIndex",
        "baseimage" => "BaseImage",
        "cpe" => "CPE",
        "cpu" => "CPU",
        "cpumodel" => "CPUModel",
        "enable-prerelease-tags" => "EnablePreReleaseTags",
        "gid" => "GID",
        "git" => "GitMonitor",
        "github" => "GitHubMonitor",
        "groupname" => "GroupName",
        "homedir" => "HomeDir",
        "oci" => "OCIMonitor",
        "runtime_repositories" => "RuntimeOnlyRepositories",
        "setcap" => "SetCap",
        "sw_edition" => "SWEdition",
        "target_hw" => "TargetHW",
        "target_sw" => "TargetSW",
        "uid" => "UID",
        "url" => "URL",
        "use-tag" => "UseTags",
        "username" => "UserName",
        "vcs-url" => "VCSUrl",
        "version_data" => "VersionDataMonitor",
        "version_format" => "Format",
        "working-directory" => "WorkDir",
        _ => return key.split(['-', '_']).map(capitalised).collect(),
    };
    own.to_owned()
}
