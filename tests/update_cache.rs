//! `melange2 update-cache`: what a recipe's `fetch` steps name, in a directory beforehand.

use std::sync::{Arc, Mutex};

use melange2::digest::Sha256;

use crate::support::{TestEnv, serve};

struct Sources {
    env: TestEnv,
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Sources {
    /// Serves files whose content is their name.
    fn new(names: &[&str]) -> Self {
        let env = TestEnv::new();
        for name in names {
            env.write(format!("www/{name}"), name);
        }
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let address = serve::files_seen_by(&env.work().join("www"), move |path| {
            log.lock().unwrap().push(path.to_owned());
        });
        Self { env, address, asked }
    }

    /// A recipe whose steps fetch at all the places where a step can stand.
    fn recipe(&self) {
        let address = &self.address;
        let [main, nested, own, arm, doc, both] =
            ["main", "nested", "own", "arm", "doc", "both"].map(|name| Sha256::of(name.as_bytes()));
        let sha512 = sha512("both");
        self.env.write(
            "pipelines/mine.yaml",
            format!(
                "name: mine\ninputs:\n  what:\n    required: true\npipeline:\n  - uses: fetch\n    \
                 with:\n      uri: {address}/${{{{inputs.what}}}}\n      expected-sha256: {own}\n"
            ),
        );
        self.env.write(
            "recipe.yaml",
            format!(
                "package:\n  name: demo\n  version: 1.0\n  epoch: 0\npipeline:\n\
                 - uses: fetch\n  with: {{uri: '{address}/main', expected-sha256: {main}}}\n\
                 - pipeline:\n  - uses: fetch\n    with: {{uri: '{address}/nested', \
                   expected-sha256: {nested}}}\n\
                 - uses: mine\n  with: {{what: own}}\n\
                 - if: ${{{{build.arch}}}} == 'aarch64'\n  uses: fetch\n  \
                   with: {{uri: '{address}/arm', expected-sha256: {arm}}}\n\
                 - uses: fetch\n  with: {{uri: '{address}/none', expected-none: 'yes'}}\n\
                 - uses: fetch\n  with: {{uri: '{address}/both', expected-sha256: {both}, \
                   expected-sha512: {sha512}}}\n\
                 subpackages:\n- name: demo-doc\n  pipeline:\n  - uses: fetch\n    \
                   with: {{uri: '{address}/doc', expected-sha256: {doc}}}\n"
            ),
        );
    }

    fn run(&self, args: &[&str]) -> String {
        self.env.run(&[&["update-cache", "recipe.yaml"], args].concat())
    }

    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> = self.asked.lock().unwrap().drain(..).collect();
        asked.sort();
        asked
    }

    /// The content of a file of the cache.
    fn cached(&self, name: &str) -> Option<String> {
        fs_err::read_to_string(self.env.work().join("melange-cache").join(name)).ok()
    }
}

fn sha512(text: &str) -> String {
    use sha2::Digest as _;
    melange2::digest::hex(&sha2::Sha512::digest(text.as_bytes()))
}

#[test]
fn everything_that_fetch_would_download_is_stored_under_its_checksums() {
    let sources = Sources::new(&["main", "nested", "own", "arm", "doc", "both", "none"]);
    sources.recipe();
    let text = sources.run(&["--arch", "x86_64"]);
    assert!(text.starts_with("exit: 0\n"), "{text}");
    assert!(text.contains("none` is not stored"), "{text}");
    assert_eq!(sources.asked(), ["both", "doc", "main", "nested", "own"]);
    for name in ["main", "nested", "own", "doc", "both"] {
        let file = format!("sha256:{}", Sha256::of(name.as_bytes()));
        assert_eq!(sources.cached(&file).as_deref(), Some(name));
    }
    let both = format!("sha512:{}", sha512("both"));
    assert_eq!(sources.cached(&both).as_deref(), Some("both"));
    // Again, for another architecture too: only what is missing, and what is damaged.
    let main = format!("melange-cache/sha256:{}", Sha256::of(b"main"));
    sources.env.write(main, "damaged");
    fs_err::remove_file(sources.env.work().join("melange-cache").join(both)).unwrap();
    let text = sources.run(&["--arch", "x86_64,aarch64"]);
    assert!(text.starts_with("exit: 0\n"), "{text}");
    assert_eq!(sources.asked(), ["arm", "main"]);
    assert_eq!(sources.cached(&format!("sha512:{}", sha512("both"))).as_deref(), Some("both"));
    assert_eq!(sources.cached(&format!("sha256:{}", Sha256::of(b"main"))).as_deref(), Some("main"));
}

#[test]
fn a_wrong_or_missing_file_is_not_stored_and_the_others_are() {
    let sources = Sources::new(&["main", "own", "arm", "doc", "both"]);
    sources.env.write("www/main", "something else");
    sources.recipe();
    let text = sources.run(&["--arch", "x86_64", "--cache-dir", "elsewhere"]);
    assert!(text.starts_with("exit: 4\n"), "{text}");
    let expected = Sha256::of(b"main").to_string();
    assert!(text.contains(&format!("not {expected}")), "{text}");
    assert!(text.contains("/nested`: the server answered `404"), "{text}");
    let stored = |name: &str| {
        let name = format!("sha256:{}", Sha256::of(name.as_bytes()));
        sources.env.work().join("elsewhere").join(name).exists()
    };
    assert!(!stored("main") && !stored("nested"));
    assert!(stored("own") && stored("doc") && stored("both"));
}

#[test]
fn a_download_that_broke_off_is_continued() {
    let sources = Sources::new(&["main", "nested", "own", "doc", "both"]);
    sources.recipe();
    // What a killed process leaves. This server knows no ranges: it all comes again, once.
    let part = format!("melange-cache/.melange2/downloads/sha256:{}", Sha256::of(b"main"));
    sources.env.write(&part, "ma");
    let text = sources.run(&["--arch", "x86_64"]);
    assert!(text.starts_with("exit: 0\n"), "{text}");
    let main = format!("sha256:{}", Sha256::of(b"main"));
    assert_eq!(sources.cached(&main).as_deref(), Some("main"));
    assert!(!sources.env.work().join(part).exists());
}
