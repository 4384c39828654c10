//! Daemon trouble is passing: what was tried is tried again, some times.
//!
//! Part of stage 4. A daemon that is restarted, a connection that is reset: a moment later all is
//! well, and what the daemon had finished is still cached. A failed step is never tried again.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::error::Error;
use super::signal;
use crate::ui::Reporter;

/// How long to wait before each further attempt.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How often it is looked whether a signal came meanwhile.
const GLANCE: Duration = Duration::from_millis(50);

/// Makes an attempt, and after daemon trouble up to three more; each is told. A private daemon that
/// is gone is started again.
pub(super) fn run<T>(
    connection: &Connection,
    reporter: &mut dyn Reporter,
    mut attempt: impl FnMut(&Connection, &mut dyn Reporter) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut again = false;
    persist(reporter, |reporter| {
        if std::mem::replace(&mut again, true) {
            connection.renew()?;
        }
        attempt(connection, reporter)
    })
}

/// The same for whatever has no connection yet.
pub fn persist<T>(
    reporter: &mut dyn Reporter,
    mut attempt: impl FnMut(&mut dyn Reporter) -> Result<T, Error>,
) -> Result<T, Error> {
    for (number, pause) in PAUSES.iter().enumerate() {
        match attempt(reporter) {
            Err(error) if is_passing(&error) && !signal::cancelled() => {
                reporter.warning(&format!(
                    "{error}: trying again in {} s (attempt {} of {})",
                    pause.as_secs(),
                    number + 2,
                    PAUSES.len() + 1
                ));
                let begin = Instant::now();
                while begin.elapsed() < *pause && !signal::cancelled() {
                    std::thread::sleep(GLANCE);
                }
            }
            outcome => return outcome,
        }
        if signal::cancelled() {
            return Err(Error::Cancelled);
        }
    }
    attempt(reporter)
}

/// Whether trying again may help: not where nothing is there to answer.
fn is_passing(error: &Error) -> bool {
    const SIGNS: [&str; 5] =
        ["connection refused", "connection reset", "Unavailable", "broken pipe", "EOF"];
    match error {
        Error::Lost(_) => true,
        Error::Unreachable { message, .. } => {
            SIGNS.iter().any(|sign| message.contains(sign))
                && !message.contains("no such file")
                && !message.contains("no such host")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Silent;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let unreachable = |message: &str| Error::Unreachable {
            message: message.to_owned(),
            tried: Vec::new(),
            log: Vec::new(),
        };
        assert!(is_passing(&Error::Lost("gone".into())));
        assert!(is_passing(&unreachable("dial tcp 10.0.0.1:1234: connect: connection refused")));
        assert!(!is_passing(&unreachable("Unavailable: dial unix /s: no such file or directory")));
        assert!(!is_passing(&Error::Broken("dockerfile parse error".into())));
        let mut count = 0;
        let outcome: Result<(), Error> = persist(&mut Silent, |_| {
            count += 1;
            Err(Error::Broken("no".into()))
        });
        assert!(outcome.is_err());
        assert_eq!(count, 1);
    }
}
