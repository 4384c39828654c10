//! Variables that name variables, each resolved after those that it names, whatever their order.
//!
//! Part of stage 2. Without recursion: a chain may be as long as a recipe.

use std::collections::HashMap;

use super::reference::{MAX_TEXT, Piece, pieces};

/// How long all values may be together: one that is long may stand in many others.
const MAX_TOTAL: usize = 64 << 20;

/// What can't be resolved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// The circles, each as the names on the way from a name to itself.
    pub(super) circles: Vec<Vec<String>>,
    /// The first variable that grew too long. Nothing is resolved then.
    pub(super) too_long: Option<String>,
}

/// Resolves what values refer to. What nobody defines stays, and so does what closes a circle.
pub(super) fn settle(values: &mut HashMap<String, String>) -> Unsettled {
    let mut settling =
        Settling { raw: values, done: HashMap::new(), total: 0, circles: Vec::new() };
    let mut names: Vec<&str> = settling.open().collect();
    names.sort_unstable();
    let mut too_long = None;
    for name in names {
        if let Err(name) = settling.resolve(name) {
            too_long = Some(name.to_owned());
            settling.done.clear();
            break;
        }
    }
    let (done, circles) = (settling.done, settling.circles);
    let done: Vec<_> = done.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    values.extend(done);
    Unsettled { circles, too_long }
}

struct Settling<'a> {
    raw: &'a HashMap<String, String>,
    done: HashMap<&'a str, String>,
    total: usize,
    circles: Vec<Vec<String>>,
}

/// A variable that is being resolved.
struct Frame<'a> {
    name: &'a str,
    rest: std::iter::Peekable<std::vec::IntoIter<Piece<'a>>>,
    value: String,
}

impl<'a> Settling<'a> {
    /// The variables that refer to something.
    fn open(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let all = self.raw.iter().filter(|(_, value)| value.contains("${{"));
        all.map(|(name, _)| name.as_str())
    }

    fn frame(&self, name: &'a str) -> Frame<'a> {
        let raw = self.raw.get(name).map(String::as_str).unwrap_or_default();
        Frame { name, rest: pieces(raw).into_iter().peekable(), value: String::new() }
    }

    /// Resolves a variable and all that it names; the error is the one that grows too long.
    fn resolve(&mut self, name: &'a str) -> Result<(), &'a str> {
        if self.done.contains_key(name) {
            return Ok(());
        }
        let mut stack = vec![self.frame(name)];
        // Where on the stack a name stands.
        let mut places = HashMap::from([(name, 0)]);
        while let Some(frame) = stack.last_mut() {
            let Some(piece) = frame.rest.peek() else {
                self.total += frame.value.len();
                if self.total > MAX_TOTAL {
                    return Err(frame.name);
                }
                places.remove(frame.name);
                self.done.insert(frame.name, std::mem::take(&mut frame.value));
                stack.pop();
                continue;
            };
            let text = match *piece {
                Piece::Text(text) | Piece::Malformed { raw: text, .. } => text,
                Piece::Reference { name, raw } => match self.raw.get_key_value(name) {
                    Some((_, value)) if !value.contains("${{") => value,
                    Some((name, _)) if !self.done.contains_key(name.as_str()) => {
                        if let Some(&first) = places.get(name.as_str()) {
                            let circle = stack[first..].iter().map(|frame| frame.name.to_owned());
                            self.circles.push(circle.collect());
                            raw
                        } else {
                            places.insert(name, stack.len());
                            stack.push(self.frame(name));
                            continue;
                        }
                    }
                    Some((name, _)) => {
                        self.done.get(name.as_str()).map(String::as_str).unwrap_or_default()
                    }
                    None => raw,
                },
            };
            if let Some(frame) = stack.last_mut() {
                frame.value.push_str(text);
                if frame.value.len() > MAX_TEXT {
                    return Err(frame.name);
                }
                frame.rest.next();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(pairs: &[(&str, &str)]) -> (HashMap<String, String>, Unsettled) {
        let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut values = pairs.collect();
        let unsettled = settle(&mut values);
        (values, unsettled)
    }

    #[test]
    fn values_are_resolved_in_any_order_and_circles_found() {
        let (values, unsettled) = settled(&[
            ("a", "${{b}}-${{ c }}"),
            ("b", "<${{c}}>"),
            ("c", "1"),
            ("x", "${{y}}"),
            ("y", "${{x}}"),
            ("late", "${{host.triplet.gnu}}"),
        ]);
        assert_eq!(unsettled.circles, [["x", "y"]]);
        assert_eq!(unsettled.too_long, None);
        assert_eq!(values["a"], "<1>-1");
        assert_eq!(values["late"], "${{host.triplet.gnu}}");
    }

    #[test]
    fn a_chain_may_be_long() {
        let link = |number: usize| (format!("v{number}"), format!("${{{{v{}}}}}", number + 1));
        let mut values: HashMap<_, _> = (0..50_000).map(link).collect();
        values.insert("v50000".to_owned(), "text".to_owned());
        assert_eq!(settle(&mut values), Unsettled::default());
        assert_eq!(values["v0"], "text");
    }

    #[test]
    fn growth_without_bound_ends() {
        let link = |number: usize| {
            (format!("v{number}"), format!("${{{{v{0}}}}}${{{{v{0}}}}}", number + 1))
        };
        let mut values: HashMap<_, _> = (0..60).map(link).collect();
        values.insert("v60".to_owned(), "text".to_owned());
        // 4 bytes, doubled 22 times.
        assert_eq!(settle(&mut values).too_long.as_deref(), Some("v38"));
        // Each is short enough by itself.
        let mut values: HashMap<_, _> =
            (0..20).map(|number| (format!("w{number}"), "${{long}}".to_owned())).collect();
        values.insert("long".to_owned(), "x".repeat(MAX_TEXT));
        assert!(settle(&mut values).too_long.is_some());
    }
}
