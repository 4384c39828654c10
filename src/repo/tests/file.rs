//! Single files from a server that is not at its best.

use crate::repo::http::Client;
use crate::repo::{Error, Files};

use super::server::{Response, Server};

fn read(files: &Files, url: &str) -> Result<Vec<u8>, Error> {
    files.read(url, Vec::new, Vec::extend_from_slice)
}

#[test]
fn a_file_that_breaks_off_is_read_from_its_beginning() {
    let server = Server::start(|_, number| match number {
        0 => Response::new("200 OK", "all of it").cut_at(3),
        1 => Response::new("503 Service Unavailable", "wait"),
        _ => Response::new("200 OK", "all of it"),
    });
    let files = Files::with(Client::new(None, None).unwrap().impatient());
    assert_eq!(read(&files, &server.url("/file")).unwrap(), b"all of it");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_is_no_file_is_told() {
    let server = Server::start(|_, _| Response::new("404 Not Found", "no such file"));
    let files = Files::with(Client::new(None, None).unwrap());
    let problem = read(&files, &server.url("/file")).unwrap_err().to_string();
    assert!(problem.ends_with("/file`: the server answered `404 Not Found`"), "{problem}");
    for url in ["ftp://host/file", "./file", "file:///etc/passwd"] {
        assert!(matches!(read(&files, url), Err(Error::Invalid(_))), "{url}");
    }
}
