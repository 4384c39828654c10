//! One mistake put into a text of YAML, chosen by a number.
//!
//! The text is changed as text, by its lines: what comes out shall be as wrong as what people
//! write, and need not be YAML any more.

/// The kinds of mistakes.
pub const KINDS: [&str; 5] =
    ["a key dropped", "a key renamed", "a key doubled", "a type changed", "a byte flipped"];

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Numbers for one case of a run.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut random = Self(seed ^ case.wrapping_mul(0xA24B_AED4_963E_E407));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or_default()
    }

    fn one_of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// Values of another type than whatever stands there, and what YAML does not take at all.
const VALUES: [&str; 30] = [
    "text",
    "'text'",
    "\"\"",
    "12",
    "-1",
    "1.5",
    "99999999999999999999",
    "0x1F",
    "true",
    "'true'",
    "no",
    "~",
    "",
    "[]",
    "[a, b]",
    "[[a]]",
    "{}",
    "{a: b}",
    "{a: {b: c}}",
    "- a",
    "*alias",
    "&anchor x",
    "!!int x",
    "!!binary x",
    "|",
    ">-",
    "\"open",
    "@x",
    "%x",
    "${{vars.none}}",
];

/// Keys that stand somewhere in the schema, mostly elsewhere.
const KEYS: [&str; 20] = [
    "name",
    "version",
    "package",
    "pipeline",
    "uses",
    "with",
    "runs",
    "if",
    "range",
    "data",
    "items",
    "environment",
    "contents",
    "packages",
    "subpackages",
    "test",
    "vars",
    "needs",
    "inputs",
    "<<",
];

/// The text with a mistake of a kind (an index of [`KINDS`]).
pub fn mutate(text: &str, kind: usize, random: &mut Random) -> Vec<u8> {
    let keys = keys(text);
    if keys.is_empty() || kind == 4 {
        return flipped(text, random);
    }
    let at = keys[random.below(keys.len())];
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = block_end(&lines, at);
    let Some((before, name, after)) = key(&lines[at]) else { return flipped(text, random) };
    let (before, name, after) = (before.to_owned(), name.to_owned(), after.to_owned());
    match kind {
        0 => {
            lines.drain(at..end);
        }
        1 => lines[at] = format!("{before}{}:{after}", renamed(&name, random)),
        2 => {
            let indent = " ".repeat(before.len());
            let mut again: Vec<String> = lines[at..end].to_vec();
            again[0] = format!("{indent}{name}:{after}");
            lines.splice(end..end, again);
        }
        _ => {
            // The old value stays below in half of the cases, as if forgotten.
            let kept = random.below(2) == 0;
            lines[at] = format!("{before}{name}: {}", random.one_of(&VALUES));
            if !kept {
                lines.drain(at + 1..end);
            }
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text.into_bytes()
}

/// The lines that have keys: those of block texts, such as scripts, look like some but have none.
fn keys(text: &str) -> Vec<usize> {
    let mut keys = Vec::new();
    // How deep the key, or the dash, of the text is.
    let mut block: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let dashes = line.trim_start_matches([' ', '-']);
        let depth = line.len() - line.trim_start().len();
        if line.trim().is_empty() || block.is_some_and(|block| depth > block) {
            continue;
        }
        block = None;
        let value = match key(line) {
            Some((_, _, after)) => {
                keys.push(at);
                after.trim_start()
            }
            None => dashes,
        };
        if value.starts_with(['|', '>']) {
            let before = key(line).map_or(depth, |(before, ..)| before.len());
            block = Some(before);
        }
    }
    keys
}

/// What stands before a line's key (spaces and dashes), the key, and what follows its colon.
fn key(line: &str) -> Option<(&str, &str, &str)> {
    let start = line.find(|c| c != ' ' && c != '-')?;
    let rest = &line[start..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))?;
    let after = rest[end..].strip_prefix(':')?;
    let is_key = end > 0 && (after.is_empty() || after.starts_with(' '));
    is_key.then_some((&line[..start], &rest[..end], after))
}

/// Where the value of the key on a line ends: at the next line that is not deeper.
fn block_end(lines: &[String], at: usize) -> usize {
    let depth = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let own = depth(&lines[at]);
    let deeper = |line: &&String| line.trim().is_empty() || depth(line) > own;
    at + 1 + lines[at + 1..].iter().take_while(deeper).count()
}

/// Another key, or the key with a slip of the keyboard.
fn renamed(name: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = random.below(letters.len());
    match random.below(5) {
        0 => return random.one_of(&KEYS).to_owned(),
        1 => {
            letters.remove(at);
        }
        2 => letters.insert(at, 'x'),
        3 => letters.swap(at, 0),
        _ => letters[at] = ['_', 'E', '.', '?', '\''][random.below(5)],
    }
    letters.into_iter().collect()
}

fn flipped(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = random.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
    bytes
}
