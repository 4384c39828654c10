//! Servers, good and bad.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use fs_err as fs;
use insta::assert_snapshot;

use super::fixture::{Fixture, choose, failure, fetch};
use super::server::{Request, Response, Server};

fn paths(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

fn of_package(request: &Request) -> bool {
    request.path.ends_with(".apk")
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    for _ in 0..2 {
        fetch(&fixture.open(&server.url("")).unwrap()).unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 4, "{:?}", paths(&server));
    let etags: Vec<_> = requests.iter().map(|it| it.header("if-none-match").is_some()).collect();
    assert_eq!(etags, [false, false, false, true]);
    assert_eq!(requests[0].path, "/x86_64/APKINDEX.tar.gz");
    assert_eq!(
        requests[0].header("user-agent"),
        Some(concat!("melange2/", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_damaged_copy_is_fetched_again() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    let fetched = fetch(&fixture.open(&server.url("")).unwrap()).unwrap();
    fs::write(&fetched[0].path, "damaged").unwrap();
    for entry in fs::read_dir(fixture.path("cache/http")).unwrap() {
        fs::write(entry.unwrap().path().join("body"), "damaged").unwrap();
    }
    for entry in fs::read_dir(fixture.path("cache/snapshots")).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let again = fetch(&fixture.open(&server.url("")).unwrap()).unwrap();
    assert_eq!(fs::read(&again[0].path).unwrap(), fs::read(fixture.package("lib")).unwrap());
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, number, answer| match number {
        0 => Response::new("503 Service Unavailable", "").header("retry-after", "0"),
        1 => Response::new("429 Too Many Requests", ""),
        _ => answer,
    });
    fixture.open(&server.url("")).unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    let fixture = Fixture::new();
    let server = Server::start(|_, _| Response::new("503 Service Unavailable", ""));
    let result = fixture.open(&server.url(""));
    assert_snapshot!(failure(&fixture, Some(&server), result), @"failed to fetch `$SERVER/x86_64/APKINDEX.tar.gz`: the server answered `503 Service Unavailable` (tried 4 times)");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_file_that_is_not_there_is_not_asked_for_again() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    let result = fixture.open(&server.url("/nowhere"));
    assert_snapshot!(failure(&fixture, Some(&server), result), @"failed to fetch `$SERVER/nowhere/x86_64/APKINDEX.tar.gz`: the server answered `404 Not Found`");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_index_that_breaks_off_is_asked_for_again() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, number, answer| match number {
        0 => answer.cut_at(20),
        _ => answer,
    });
    assert_eq!(choose(&fixture.open(&server.url("")).unwrap()).len(), 2);
}

#[test]
fn a_package_that_breaks_off_is_continued() {
    let fixture = Fixture::new();
    // Each answer brings 5,000 bytes more.
    let server = fixture.serve(|request, _, answer| match of_package(request) {
        true if answer.body.len() > 5_000 => answer.cut_at(5_000),
        _ => answer,
    });
    fetch(&fixture.open(&server.url("")).unwrap()).unwrap();
    let mut starts: Vec<_> = server
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("lib-1-r0.apk"))
        .map(Request::range_start)
        .collect();
    starts.truncate(3);
    assert_eq!(starts, [None, Some(5_000), Some(10_000)]);
}

#[test]
fn a_server_that_breaks_off_for_ever_is_given_up() {
    let fixture = Fixture::new();
    // It knows no ranges, and so never gets further.
    let whole = fs::read(fixture.package("lib")).unwrap();
    let server = fixture.serve(move |request, _, answer| match of_package(request) {
        true => Response::new("200 OK", whole.clone()).cut_at(5_000),
        false => answer,
    });
    let result = fetch(&fixture.open(&server.url("")).unwrap());
    let text = failure(&fixture, Some(&server), result);
    assert!(text.contains("the answer broke off") && text.ends_with("(tried 5 times)"), "{text}");
    let asked = server.requests().iter().filter(|it| it.path.ends_with("lib-1-r0.apk")).count();
    assert_eq!(asked, 5, "once with progress, and four times without");

    // A byte more each time is progress, but would take years.
    let server = fixture.serve(|request, number, answer| match of_package(request) {
        true if number > 2 => answer.cut_at(1),
        true => answer.cut_at(0),
        false => answer,
    });
    let result = fetch(&fixture.open(&server.url("")).unwrap());
    let text = failure(&fixture, Some(&server), result);
    assert!(text.ends_with("(tried 1000 times)"), "{text}");
}

#[test]
fn what_a_killed_process_left_is_continued_or_thrown_away() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    let universe = fixture.open(&server.url("")).unwrap();
    let fetched = fetch(&universe).unwrap();
    let whole = fs::read(&fetched[0].path).unwrap();
    for left in [&whole[..1_000], &[0; 1_000], &whole, &[0; 1_000_000]] {
        fs::remove_file(&fetched[0].path).unwrap();
        fs::write(format!("{}.part", fetched[0].path.display()), left).unwrap();
        fetch(&universe).unwrap();
        assert_eq!(fs::read(&fetched[0].path).unwrap(), whole);
    }
    let names = fs::read_dir(fixture.path("cache/packages")).unwrap();
    assert_eq!(names.count(), 2, "only the two packages are left");
}

#[test]
fn a_wrong_package_is_not_kept() {
    let fixture = Fixture::new();
    let server = fixture.serve(|request, _, mut answer| {
        if of_package(request) {
            let last = answer.body.len() - 1;
            answer.body[last] ^= 1;
        }
        answer
    });
    let universe = fixture.open(&server.url("")).unwrap();
    let text = failure(&fixture, Some(&server), fetch(&universe));
    assert!(text.starts_with("$SERVER/x86_64/"), "{text}");
    assert!(text.contains("is damaged"), "{text}");
    assert_eq!(fs::read_dir(fixture.path("cache/packages")).unwrap().count(), 0);
}

#[test]
fn an_endless_package_is_refused() {
    let fixture = Fixture::new();
    let server = fixture.serve(|request, _, mut answer| {
        if of_package(request) {
            answer.body.resize(3 << 20, 0);
        }
        answer
    });
    let universe = fixture.open(&server.url("")).unwrap();
    let text = failure(&fixture, Some(&server), fetch(&universe));
    assert!(text.ends_with("the package is larger than its index says"), "{text}");
}

#[test]
fn credentials_reach_their_server_and_no_message() {
    let fixture = Fixture::new();
    let server = fixture.serve(|request, _, answer| match request.header("authorization") {
        // me:secret
        Some("Basic bWU6c2VjcmV0") => answer,
        _ => Response::new("401 Unauthorized", ""),
    });
    let refused = fixture.open(&server.url(""));
    assert_snapshot!(failure(&fixture, Some(&server), refused), @"failed to fetch `$SERVER/x86_64/APKINDEX.tar.gz`: the server answered `401 Unauthorized`");

    let with_credentials = server.url("").replace("http://", "http://me:secret@");
    let universe = fixture.open(&with_credentials).unwrap();
    let fetched = fetch(&universe).unwrap();
    assert!(!fetched[0].choice.location.contains("secret"), "{:?}", fetched[0].choice);
    let wrong = fixture.open(&with_credentials.replace("secret", "geheim"));
    let text = failure(&fixture, Some(&server), wrong);
    assert!(!text.contains("geheim"), "{text}");

    let realm = server.url("").replace("http://", "basic:") + ":me:secret";
    fixture.open_as(&server.url(""), &fixture.options(), Some(&realm)).unwrap();
    let other = Some("basic:elsewhere:me:secret");
    assert!(fixture.open_as(&server.url(""), &fixture.options(), other).is_err());
}

#[test]
fn a_key_may_be_a_url() {
    let fixture = Fixture::new();
    let pem = fs::read(fixture.key()).unwrap();
    let keys = Server::start(move |_, _| Response::new("200 OK", pem.clone()));
    let mut options = fixture.options();
    options.keys = vec![keys.url("/keys/good.rsa.pub")];
    let location = fixture.path("packages").display().to_string();
    fixture.open_as(&location, &options, None).unwrap();
    assert_eq!(keys.requests().len(), 1);
}

#[test]
fn packages_are_fetched_at_the_same_time() {
    let fixture = Fixture::new();
    // Each package waits for the other to be asked for; one after the other, that never happens.
    let asked = Arc::new((Mutex::new(0), Condvar::new()));
    let server = fixture.serve(move |request, _, answer| {
        if !of_package(request) {
            return answer;
        }
        let (count, changed) = &*asked;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let limit = Duration::from_secs(60);
        let (_count, waited) =
            changed.wait_timeout_while(count, limit, |count| *count < 2).unwrap();
        if waited.timed_out() { Response::new("404 Not Found", "") } else { answer }
    });
    assert_eq!(fetch(&fixture.open(&server.url("")).unwrap()).unwrap().len(), 2);
}

#[test]
fn many_at_once_share_one_download() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    let universe = fixture.open(&server.url("")).unwrap();
    let whole = fs::read(fixture.package("lib")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let fetched = fetch(&universe).unwrap();
                assert_eq!(fs::read(&fetched[0].path).unwrap(), whole);
            });
        }
    });
    let packages = server.requests().iter().filter(|request| of_package(request)).count();
    assert_eq!(packages, 2);
    assert_eq!(fs::read_dir(fixture.path("cache/packages")).unwrap().count(), 2);
}
