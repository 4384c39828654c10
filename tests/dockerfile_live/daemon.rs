//! A daemon shared by the tests that run at the same time, and a small image for their steps.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak, mpsc};

use melange2::digest::Sha256;
use melange2::dockerfile::{Context, Environment, Options, Spec, render};
use melange2::plan::Plan;

use crate::dockerfile_plan;

/// A running `buildkitd`; stopped when the last test that uses it is done.
pub struct Daemon {
    process: Child,
    buildctl: PathBuf,
    directory: tempfile::TempDir,
    environment: Environment,
}

/// A build that succeeded.
pub struct Built {
    /// What buildctl said.
    pub log: String,
    /// The output, unpacked.
    pub out: tempfile::TempDir,
    /// The output's entries, as `tar -tv` lists them.
    pub listing: String,
}

static SHARED: Mutex<Weak<Daemon>> = Mutex::new(Weak::new());

/// The daemon, or `None` with a note where it can't be had.
pub fn daemon() -> Option<Arc<Daemon>> {
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(daemon) = shared.upgrade() {
        return Some(daemon);
    }
    match Daemon::start() {
        Ok(daemon) => {
            let daemon = Arc::new(daemon);
            *shared = Arc::downgrade(&daemon);
            Some(daemon)
        }
        Err(missing) => {
            crate::support::parts::without(&missing);
            None
        }
    }
}

fn program(name: &str) -> Result<PathBuf, String> {
    crate::support::parts::program(name).ok_or_else(|| format!("there is no `{name}`"))
}

impl Daemon {
    fn start() -> Result<Self, String> {
        let (buildkitd, buildctl) = (program("buildkitd")?, program("buildctl")?);
        let busybox = static_busybox()?;
        let directory = tempfile::Builder::new().prefix("melange2-spec-").tempdir().unwrap();
        let id = Command::new("id").arg("-u").output().unwrap().stdout;
        if id != b"0\n" {
            return Err("the daemon of these tests runs as root".to_owned());
        }
        let environment = image(directory.path(), &busybox);
        let mut process = Command::new(buildkitd)
            .arg("--root")
            .arg(directory.path().join("state"))
            .arg("--addr")
            .arg(address(directory.path()))
            .args(["--oci-worker-net", "host", "--containerd-worker=false"])
            .args(["--allow-insecure-entitlement", "security.insecure"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let (sender, running) = mpsc::channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            for line in log.lines().map_while(Result::ok) {
                said.push_str(&line);
                said.push('\n');
                if line.contains("running server on") {
                    let _ = sender.send(());
                }
            }
            said
        });
        running.recv().expect("buildkitd ended before it served");
        Ok(Self { process, buildctl, directory, environment })
    }

    /// An environment with these programs beside those that are really there.
    pub fn environment(&self, programs: &[&str]) -> Environment {
        let named = dockerfile_plan::environment(programs).programs;
        Environment { programs: named, ..self.environment.clone() }
    }

    /// Renders and builds.
    pub fn build(&self, plan: &Plan, programs: &[&str], options: &Options) -> Built {
        let spec = render(plan, &self.environment(programs), options).unwrap();
        self.run(&spec)
    }

    /// Builds what has to succeed.
    pub fn run(&self, spec: &Spec) -> Built {
        let out = tempfile::tempdir().unwrap();
        let archive = out.path().with_extension("tar");
        let output = self
            .buildctl(spec)
            .arg("--output")
            .arg(format!("type=tar,dest={}", archive.display()))
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}\n{}", spec.text);
        let listing = tool("tar", ["-tvf".as_ref(), archive.as_os_str()]);
        tool("tar", ["-xpf".as_ref(), archive.as_os_str(), "-C".as_ref(), out.path().as_os_str()]);
        fs_err::remove_file(archive).unwrap();
        Built { log, out, listing }
    }

    /// Whether BuildKit takes the text, without building anything.
    pub fn outline(&self, spec: &Spec) -> std::process::Output {
        self.buildctl(spec).args(["--opt", "requestid=frontend.outline"]).output().unwrap()
    }

    /// The command line of a spec, its text and files on disk.
    fn buildctl(&self, spec: &Spec) -> Command {
        let work = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        fs_err::write(work.join("Dockerfile"), &spec.text).unwrap();
        let mut command = Command::new(&self.buildctl);
        command
            .arg("--addr")
            .arg(address(self.directory.path()))
            .args(["build", "--frontend", "dockerfile.v0", "--progress", "plain"])
            .args(["--opt", &format!("target={}", spec.target)])
            .arg(format!("--local=dockerfile={}", work.display()));
        for context in &spec.contexts {
            match context {
                Context::OciLayout { name, dir, digest } => {
                    command.arg(format!("--oci-layout={name}={}", dir.display()));
                    let reference = format!("oci-layout://{name}@{}", digest.oci());
                    command.arg(format!("--opt=context:{name}={reference}"));
                }
                Context::Local { name, dir } => {
                    command.arg(format!("--local={name}={}", dir.display()));
                    command.arg(format!("--opt=context:{name}=local:{name}"));
                }
            }
        }
        if !spec.files.is_empty() {
            let scripts = work.join("scripts");
            fs_err::create_dir(&scripts).unwrap();
            for (name, content) in &spec.files {
                fs_err::write(scripts.join(name), content).unwrap();
            }
            command.arg(format!("--local=scripts={}", scripts.display()));
            command.arg("--opt=context:scripts=local:scripts");
        }
        for secret in &spec.secrets {
            command.arg(format!("--secret=id={},{}", secret.id, secret.source));
        }
        for entitlement in &spec.entitlements {
            command.arg(format!("--allow={entitlement}"));
        }
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Built {
    /// A file of the output, as text.
    pub fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.out.path().join(path)).unwrap()
    }
}

fn address(directory: &Path) -> String {
    format!("unix://{}", directory.join("sock").display())
}

fn tool<'a>(name: &str, args: impl IntoIterator<Item = &'a std::ffi::OsStr>) -> String {
    let output = Command::new(name).args(args).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn static_busybox() -> Result<PathBuf, String> {
    let path = which::which("busybox").map_err(|_| "no `busybox` on PATH".to_owned())?;
    let bytes = fs_err::read(&path).unwrap();
    match goblin::elf::Elf::parse(&bytes) {
        Ok(elf) if elf.interpreter.is_none() => Ok(path),
        _ => Err(format!("{} is not a static program", path.display())),
    }
}

/// A one-layer image with busybox, and `setpriv` with its libraries, as an OCI layout.
fn image(directory: &Path, busybox: &Path) -> Environment {
    let root = directory.join("root");
    for name in ["bin", "etc/ssl/certs", "home", "usr/bin", "var/cache"] {
        fs_err::create_dir_all(root.join(name)).unwrap();
    }
    fs_err::copy(busybox, root.join("bin/busybox")).unwrap();
    for applet in tool("busybox", ["--list".as_ref()]).lines() {
        if !matches!(applet, "busybox" | "setpriv") {
            fs_err::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
    }
    if let Ok(setpriv) = which::which("setpriv") {
        let libraries = tool("ldd", [setpriv.as_os_str()]);
        let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for path in paths.chain(setpriv.to_str()) {
            let to = root.join(&path[1..]);
            fs_err::create_dir_all(to.parent().unwrap()).unwrap();
            fs_err::copy(path, to).unwrap();
        }
    }
    let layer = directory.join("layer.tar");
    tool(
        "tar",
        [
            "--owner=0:0".as_ref(),
            "--group=0:0".as_ref(),
            "-cf".as_ref(),
            layer.as_os_str(),
            "-C".as_ref(),
            root.as_os_str(),
            ".".as_ref(),
        ],
    );
    let layout = directory.join("layout");
    let blobs = layout.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| {
        let digest = Sha256::of(bytes);
        fs_err::write(blobs.join(digest.to_string()), bytes).unwrap();
        (digest, bytes.len())
    };
    let (layer, layer_size) = blob(&fs_err::read(layer).unwrap());
    let (os, architecture) = ("linux", melange2::arch::Arch::host().oci().0);
    let config = serde_json::json!({
        "os": os, "architecture": architecture, "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.oci()] },
    });
    let (config, config_size) = blob(config.to_string().as_bytes());
    let media = |kind: &str| format!("application/vnd.oci.image.{kind}");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media("manifest.v1+json"),
        "config": {
            "mediaType": media("config.v1+json"), "digest": config.oci(), "size": config_size,
        },
        "layers": [{
            "mediaType": media("layer.v1.tar"), "digest": layer.oci(), "size": layer_size,
        }],
    });
    let (manifest, size) = blob(manifest.to_string().as_bytes());
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": media("manifest.v1+json"), "digest": manifest.oci(), "size": size,
        }],
    });
    fs_err::write(layout.join("index.json"), index.to_string()).unwrap();
    fs_err::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Environment { dir: layout, digest: manifest, programs: Vec::new() }
}
