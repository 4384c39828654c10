//! Sources on loopback: files over HTTP, git repositories by `git daemon`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::TestEnv;

/// Serves the files of a directory over HTTP for as long as the test process lives; returns the
/// address, `http://127.0.0.1:PORT`.
pub fn files(directory: &Path) -> String {
    files_seen_by(directory, |_| {})
}

/// The same, and tells the path of each request.
pub fn files_seen_by(directory: &Path, seen: impl Fn(&str) + Send + Sync + 'static) -> String {
    let seen = std::sync::Arc::new(seen);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let directory = directory.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (directory, seen) = (directory.clone(), seen.clone());
            // A client that goes away is its own business.
            std::thread::spawn(move || respond(stream, &directory, &*seen));
        }
    });
    address
}

fn respond(mut stream: TcpStream, directory: &Path, seen: &dyn Fn(&str)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    seen(path);
    let found = (!path.contains("..")).then(|| fs_err::read(directory.join(path)).ok()).flatten();
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// A `git daemon` that ends with the value.
pub struct GitDaemon {
    child: Child,
    /// `git://127.0.0.1:PORT`
    pub address: String,
}

impl GitDaemon {
    /// Serves all repositories below a directory.
    pub fn start(base: &Path) -> Self {
        // The port is free now and, since the kernel hands out ports in turn, a moment later.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("git")
            .args(["daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            .arg(base)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { child, address: format!("git://127.0.0.1:{port}") }
    }
}

impl Drop for GitDaemon {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-P", &self.child.id().to_string()]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a git repository of some files, one commit, tagged; returns its path and the commit.
pub fn repository(
    env: &TestEnv,
    name: &str,
    files: &[(&str, &str)],
    tag: &str,
) -> (PathBuf, String) {
    for (path, content) in files {
        env.write(format!("git/{name}/{path}"), content);
    }
    let directory = env.work().join("git").join(name);
    let git = |args: &[&str]| {
        let mut command = env.command("git");
        command
            .current_dir(&directory)
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid"])
            .args(args)
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", env.text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "release"]);
    git(&["tag", "-a", "-m", tag, tag]);
    let commit = git(&["rev-parse", "HEAD"]);
    (directory, commit)
}

/// Name and password, as a login has them.
pub const CREDENTIALS: &str = "tester:not-for-logs";
/// The same as a line of `htpasswd`: bcrypt.
const CREDENTIALS_HASHED: &str =
    "tester:$2b$04$YrNNavUkLlccubT6rETco.xYQ0weNNnT.p6K2nrCnmyMu.H1nYS8q";

/// A container registry that ends with the value: Debian's `docker-registry`, over plain HTTP.
pub struct Registry {
    child: Child,
    /// `HOST:PORT`
    pub address: String,
}

impl Registry {
    /// Starts one whose storage is below the work directory.
    pub fn start(env: &TestEnv) -> Self {
        Self::start_in(env, &env.work().join("registry"))
    }

    /// Starts one whose storage is this directory.
    pub fn start_in(env: &TestEnv, storage: &Path) -> Self {
        Self::start_with(env, storage, "127.0.0.1", "")
    }

    /// Starts one at another address of this machine.
    pub fn start_at(env: &TestEnv, host: &str) -> Self {
        Self::start_with(env, &env.work().join("registry"), host, "")
    }

    /// Starts one that wants [`CREDENTIALS`].
    pub fn start_closed(env: &TestEnv) -> Self {
        let file = env.write("htpasswd", format!("{CREDENTIALS_HASHED}\n"));
        let settings =
            format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", file.display());
        Self::start_with(env, &env.work().join("registry"), "127.0.0.1", &settings)
    }

    fn start_with(env: &TestEnv, storage: &Path, host: &str, settings: &str) -> Self {
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: {host}:{port}\n{settings}",
            storage.display()
        );
        let path = env.write("registry.yml", config);
        let child = env
            .command("docker-registry")
            .arg("serve")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect((host, port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { child, address: format!("{host}:{port}") }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
