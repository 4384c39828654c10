//! HTTP as repositories need it: authentication, the system's certificates, retries.
//!
//! Does not cache (`cache.rs`) and does not resume (`download.rs`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::Error;
use super::address::{Credentials, RemoteAddress};

/// How often something is tried that fails for a reason that may pass.
const ATTEMPTS: u32 = 4;
/// How often in all, when each time gets a little further.
const MOST_ATTEMPTS: u32 = 1_000;
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a server may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A client. Its connections are shared by all who use it.
pub(super) struct Client {
    ca_file: Option<PathBuf>,
    realm: Option<Realm>,
    /// The wait before the second attempt; it doubles with each.
    backoff: Duration,
    /// Made when first needed: reading the system's certificates takes a while.
    agent: OnceLock<ureq::Agent>,
}

/// Credentials for one server, from `HTTP_AUTH`.
struct Realm {
    server: String,
    credentials: Credentials,
}

/// Why an attempt failed.
pub(super) struct Failure {
    /// A clause without the address.
    pub(super) problem: String,
    /// Whether it may go better next time, and when.
    pub(super) retry: Retry,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It would fail again.
    No,
    /// After the usual wait.
    Later,
    /// After the wait that the server asked for.
    After(Duration),
    /// It got further than ever before: this failure does not count, but waits as the first does.
    Progress,
}

impl Failure {
    pub(super) fn final_(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), retry: Retry::No }
    }

    pub(super) fn passing(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), retry: Retry::Later }
    }
}

impl From<std::io::Error> for Failure {
    /// A failure of the local file system; those of the network are made by hand.
    fn from(error: std::io::Error) -> Self {
        Self::final_(error.to_string())
    }
}

impl Client {
    /// A client that trusts the certificates of `ca_file`, or else the system's (`SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` are honoured). `HTTP_AUTH` is `basic:REALM:USER:PASSWORD`, where the
    /// realm is a host, with its port if that is not the usual one.
    pub(super) fn new(ca_file: Option<&Path>, http_auth: Option<&str>) -> Result<Self, Error> {
        Ok(Self {
            ca_file: ca_file.map(Path::to_owned),
            realm: http_auth.filter(|text| !text.is_empty()).map(Realm::parse).transpose()?,
            backoff: Duration::from_millis(500),
            agent: OnceLock::new(),
        })
    }

    /// For tests: does not wait between attempts.
    #[cfg(test)]
    pub(super) fn impatient(mut self) -> Self {
        self.backoff = Duration::ZERO;
        self
    }

    /// Asks once. Only answers below 400 are returned.
    pub(super) fn get(
        &self,
        address: &RemoteAddress,
        headers: &[(&str, String)],
    ) -> Result<Response<ureq::Body>, Failure> {
        let mut request = self.agent()?.get(address.url());
        if let Some(credentials) = self.credentials(address) {
            let pair = BASE64.encode(format!("{}:{}", credentials.user, credentials.password));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.call().map_err(|error| describe(&error))?;
        let status = response.status();
        // A range that is not there is for `download.rs` to judge.
        if status.as_u16() < 400 || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        let retry = match status.as_u16() {
            408 | 429 | 500.. => retry_after(&response).map_or(Retry::Later, Retry::After),
            _ => Retry::No,
        };
        Err(Failure { problem: format!("the server answered `{status}`"), retry })
    }

    /// Repeats what fails for a reason that may pass, with growing waits.
    pub(super) fn with_retries<T>(
        &self,
        address: &RemoteAddress,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let (mut attempts, mut failures) = (0, 0);
        loop {
            attempts += 1;
            let failure = match attempt() {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let wait = match failure.retry {
                Retry::No => return Err(fetch_error(address, attempts, failure)),
                Retry::Progress => {
                    failures = 0;
                    self.backoff
                }
                Retry::Later => self.backoff * 2_u32.saturating_pow(failures),
                Retry::After(wait) => wait.min(LONGEST_WAIT),
            };
            failures += u32::from(failure.retry != Retry::Progress);
            if failures >= ATTEMPTS || attempts >= MOST_ATTEMPTS {
                return Err(fetch_error(address, attempts, failure));
            }
            tracing::debug!("{address}: {}; trying again in {wait:?}", failure.problem);
            std::thread::sleep(wait);
        }
    }

    fn credentials<'a>(&'a self, address: &'a RemoteAddress) -> Option<&'a Credentials> {
        let realm = self.realm.as_ref().filter(|realm| address.is_at(&realm.server));
        address.credentials().or(realm.map(|realm| &realm.credentials))
    }

    fn agent(&self) -> Result<&ureq::Agent, Failure> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let roots = roots(self.ca_file.as_deref())?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .root_certs(RootCerts::from(roots))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("melange2/", env!("CARGO_PKG_VERSION")))
            // Archives come as they are: an encoding on top would shift the ranges.
            .accept_encoding("identity")
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build()
            .new_agent();
        Ok(self.agent.get_or_init(|| agent))
    }
}

impl Realm {
    fn parse(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split(':').collect();
        // The value itself is not repeated: it holds a password.
        let (server, user, password) = match parts.as_slice() {
            ["basic", realm, user, password] => ((*realm).to_owned(), user, password),
            ["basic", host, port, user, password] if port.parse::<u16>().is_ok() => {
                (format!("{host}:{port}"), user, password)
            }
            [scheme, _, _, _] => {
                return Err(Error::Invalid(format!(
                    "`HTTP_AUTH` must be `basic:REALM:USER:PASSWORD`: it begins with `{scheme}`"
                )));
            }
            _ => {
                return Err(Error::Invalid(format!(
                    "`HTTP_AUTH` must be `basic:REALM:USER:PASSWORD`: it has {} parts, not 4",
                    parts.len()
                )));
            }
        };
        let credentials =
            Credentials { user: (*user).to_owned(), password: (*password).to_owned() };
        Ok(Self { server, credentials })
    }
}

fn fetch_error(address: &RemoteAddress, attempts: u32, failure: Failure) -> Error {
    let problem = match attempts {
        0 | 1 => failure.problem,
        _ => format!("{} (tried {attempts} times)", failure.problem),
    };
    Error::Fetch { url: address.to_string(), problem }
}

fn roots(ca_file: Option<&Path>) -> Result<Vec<Certificate<'static>>, Failure> {
    let certificates: Vec<CertificateDer<'static>> = match ca_file {
        Some(path) => {
            let pem = fs_err::read(path)?;
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let certificates = read.map_err(|problem| {
                Failure::final_(format!(
                    "malformed certificates in `{}`: {problem}",
                    path.display()
                ))
            })?;
            if certificates.is_empty() {
                let problem = format!("no certificate in `{}`", path.display());
                return Err(Failure::final_(problem));
            }
            certificates
        }
        // Single files that can't be read are no reason to fail: the connection will tell.
        None => rustls_native_certs::load_native_certs().certs,
    };
    Ok(certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}

fn describe(error: &ureq::Error) -> Failure {
    let problem = match error {
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::Timeout(_) => "the server does not answer".to_owned(),
        ureq::Error::Io(problem) => problem.to_string(),
        ureq::Error::Rustls(problem) => format!("no trust in the connection: {problem}"),
        _ => error.to_string(),
    };
    let passing = matches!(
        error,
        ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Protocol(_)
            | ureq::Error::BodyStalled
    );
    if passing && !is_distrust(error) {
        Failure::passing(problem)
    } else {
        Failure::final_(problem)
    }
}

/// TLS failures come as I/O errors too; a certificate does not get better by waiting.
fn is_distrust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(io) => {
            io.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some())
        }
        _ => false,
    }
}

fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Client::new(None, Some(text)).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_malformed_http_auth_is_refused_without_being_repeated() {
        assert!(Client::new(None, Some("")).is_ok());
        assert!(Client::new(None, Some("basic:host:me:secret")).is_ok());
        assert!(Client::new(None, Some("basic:host:8080:me:secret")).is_ok());
        assert_eq!(
            refused("basic:host:secret"),
            "`HTTP_AUTH` must be `basic:REALM:USER:PASSWORD`: it has 3 parts, not 4"
        );
        assert_eq!(
            refused("bearer:host:me:secret"),
            "`HTTP_AUTH` must be `basic:REALM:USER:PASSWORD`: it begins with `bearer`"
        );
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs_err::write(&path, "nothing").unwrap();
        let failure = roots(Some(&path)).unwrap_err();
        assert_eq!(failure.problem, format!("no certificate in `{}`", path.display()));
    }
}
