//! Repositories over the network as whole processes use them: one cache for all, and the
//! certificates that are trusted.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use melange2::arch::Arch;

use crate::commands::Small;
use crate::support::namespace::Namespace;
use crate::support::{TestEnv, certificates, parts, serve};

#[test]
fn concurrent_processes_share_one_cache_and_one_download() {
    const PROCESSES: usize = 6;
    let small = Small::new(Arch::host());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let address = serve::files_seen_by(&small.repository.dir, move |path| {
        log.lock().unwrap().push(path.to_owned());
    });
    let render = |number: usize| {
        let mut command = small.env.command(env!("CARGO_BIN_EXE_melange2"));
        command
            .args(["render", "small.yaml", "-k", "fixture.rsa.pub", "--apk-cache-dir", "cache"])
            .args(["-r", &address, "-o", &format!("spec-{number}")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (0..PROCESSES).map(render).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", small.env.text(&output));
    }
    let mut packages: Vec<String> =
        seen.lock().unwrap().iter().filter(|path| path.ends_with(".apk")).cloned().collect();
    packages.sort();
    let fetched = packages.len();
    packages.dedup();
    assert_eq!((fetched, packages.len()), (6, 6), "each package is fetched once: {packages:?}");
    // All came to the same spec.
    let read = |number: usize| {
        fs_err::read_to_string(small.env.work().join(format!("spec-{number}/Dockerfile"))).unwrap()
    };
    assert!((1..PROCESSES).all(|number| read(number) == read(0)));
}

/// A server over TLS, with a certificate that only `ca.pem` vouches for; ends with the value.
pub struct Tls {
    child: Child,
    /// `https://localhost:PORT`
    pub address: String,
}

impl Tls {
    /// Serves `repo` below the work directory.
    pub fn start(env: &TestEnv) -> Self {
        certificates::make(env, &["server"]);
        let program = "\
import functools, http.server, ssl
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(
    ('127.0.0.1', 0), functools.partial(Handler, directory='repo'))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";
        let mut child = env
            .command("python3")
            .args(["-c", program])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, address: format!("https://localhost:{}", port.trim()) }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn downloads_trust_the_bundle_that_is_named_and_no_other() {
    let small = Small::new(Arch::host());
    let server = Tls::start(&small.env);
    let solve = |flags: &[&str], bundle: Option<&str>| {
        let mut command = small.env.command(env!("CARGO_BIN_EXE_melange2"));
        command.args(["solve", "one", "-r", &server.address, "-k", "fixture.rsa.pub"]).args(flags);
        command.envs(bundle.map(|bundle| ("SSL_CERT_FILE", bundle)));
        small.env.text(&command.output().unwrap())
    };
    let good = "exit: 0\n--- stdout\none=1.0-r0\n--- stderr\n";
    assert_eq!(solve(&["--ca-file", "ca.pem"], None), good);
    assert_eq!(solve(&[], Some("ca.pem")), good);
    let refused = solve(&[], None);
    assert!(refused.starts_with("exit: 4\n") && refused.contains("certificate"), "{refused}");
}

#[test]
fn the_systems_certificates_are_trusted() {
    // Where most distributions have theirs, Debian among them.
    let bundle = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt");
    if !rustix::process::geteuid().is_root() || !bundle.exists() {
        parts::without("this is not root, or there is no bundle to stand in for");
        return;
    }
    let small = Small::new(Arch::host());
    let server = Tls::start(&small.env);
    let mut solve = small.env.command(env!("CARGO_BIN_EXE_melange2"));
    solve.args(["solve", "one", "-r", &server.address, "-k", "fixture.rsa.pub"]);
    let own = Namespace::default().bind(small.env.work().join("ca.pem"), bundle);
    assert_eq!(
        small.env.text(&own.enter(&solve).output().unwrap()),
        "exit: 0\n--- stdout\none=1.0-r0\n--- stderr\n"
    );
    // The same with the machine's own bundle: nothing else made the server trusted.
    let refused = small.env.text(&Namespace::default().enter(&solve).output().unwrap());
    assert!(refused.starts_with("exit: 4\n") && refused.contains("certificate"), "{refused}");
}
