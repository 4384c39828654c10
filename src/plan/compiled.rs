//! The compiled recipe: upstream's JSON, and `.melange.yaml`, which is the same in YAML. Stage 2.

use serde_json::Value as Json;

use super::Compiled;

impl Compiled {
    /// JSON in one line, as Go writes it: `<`, `>` and `&` are escaped, for pages of HTML.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        for letter in self.0.to_string().chars() {
            // None of these stands outside of a string.
            match letter {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    json.push_str(&format!("\\u{:04x}", u32::from(letter)));
                }
                _ => json.push(letter),
            }
        }
        json.push('\n');
        json
    }

    /// YAML, with the environment's packages replaced by the locked `name=version` list.
    ///
    /// Strings that YAML would take for something else are quoted, so that any reader gets the
    /// text back.
    pub fn to_yaml(&self, locked: &[String]) -> String {
        let mut value = self.0.clone();
        if let Some(environment) = value.get_mut("environment").and_then(Json::as_object_mut) {
            let contents =
                environment.entry("contents").or_insert_with(|| Json::Object(Default::default()));
            if let Some(contents) = contents.as_object_mut() {
                contents.insert("packages".to_owned(), locked.into());
            }
        }
        name_keys(&mut value);
        // A tree of strings, numbers and booleans with string keys can always be written.
        serde_yaml::to_string(&value).unwrap_or_default()
    }
}

/// Upstream's JSON and its YAML differ in the keys of types that name none: `needs` and `options`.
fn name_keys(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(name_keys),
        Json::Object(map) => {
            let old = std::mem::take(map);
            for (key, mut value) in old {
                let key = match key.as_str() {
                    "Packages" | "Vars" | "Environment" | "Contents" | "Add" | "Remove" => {
                        key.to_ascii_lowercase()
                    }
                    _ => key,
                };
                // Names and texts of the recipe are not keys of types.
                if !matches!(key.as_str(), "vars" | "with" | "environment" if is_texts(&value)) {
                    name_keys(&mut value);
                }
                map.insert(key, value);
            }
        }
        _ => {}
    }
}

/// Whether a value is a mapping of names to texts.
fn is_texts(value: &Json) -> bool {
    value.as_object().is_some_and(|map| map.values().all(Json::is_string))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config;
    use crate::diagnostic::Source;

    /// What our own reader, which keeps source text as upstream's does, makes of a script.
    fn back(script: &str) -> String {
        let yaml = Compiled(serde_json::json!({ "runs": script })).to_yaml(&[]);
        let source = Arc::new(Source { path: "x".into(), text: yaml.clone() });
        let step = config::parse_pipeline(&source);
        step.unwrap_or_else(|problems| panic!("{problems}\n{yaml}")).runs.value
    }

    #[test]
    fn json_is_gos() {
        let compiled = Compiled(serde_json::json!({ "b<": "a && b > \u{2028}c", "a": ["é\n"] }));
        assert_eq!(
            compiled.to_json(),
            "{\"b\\u003c\":\"a \\u0026\\u0026 b \\u003e \\u2028c\",\"a\":[\"é\\n\"]}\n"
        );
    }

    #[test]
    fn strings_come_back_as_they_were() {
        for text in [
            "1.10",
            "true",
            "null",
            "~",
            "",
            " x",
            "x ",
            "a: b",
            "# c",
            "\ttab\n",
            "a\n\n",
            "\n a\n",
            "- x",
            "&a",
            "yes",
            "0x10",
            "é\u{1}",
            "a\r\nb",
            "line\n  more\n",
            "'",
            "\"",
            "|",
            "\u{feff}x",
        ] {
            assert_eq!(back(text), text);
        }
    }

    #[test]
    fn keys_are_those_of_upstreams_yaml() {
        let compiled = Compiled(serde_json::json!({
            "pipeline": [{ "needs": { "Packages": ["x"] }, "with": { "Add": "y" } }],
            "options": { "o": { "Vars": { "Vars": "z" }, "Environment": { "Contents": null } } },
        }));
        insta::assert_snapshot!(compiled.to_yaml(&[]), @r"
        pipeline:
        - needs:
            packages:
            - x
          with:
            Add: y
        options:
          o:
            vars:
              Vars: z
            environment:
              contents: null
        ");
    }

    #[test]
    fn locked_packages_take_the_place_of_the_declared() {
        let compiled = Compiled(serde_json::json!({
            "environment": { "contents": { "packages": ["a", "b"] }, "cmd": "1.10" }
        }));
        insta::assert_snapshot!(compiled.to_yaml(&["a=1.0-r0".to_owned()]), @r"
        environment:
          contents:
            packages:
            - a=1.0-r0
          cmd: '1.10'
        ");
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(text in "[a-c:#'\"\\-|> \n\t\\\\{}\\[\\]!&*%@`~0-9é]{0,30}") {
            proptest::prop_assert_eq!(back(&text), text);
        }
    }
}
