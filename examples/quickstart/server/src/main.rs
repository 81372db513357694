//! A web server for the quickstart: the files below `/www`, and two answers
//! that prove to whoever knows the secrets that this container has them.
//!
//! It takes its listening socket as standard input, as under inetd. Every
//! answer names the container that gave it.
//!
//! | request | answer |
//! |---|---|
//! | `/proof/NONCE` | digest of NONCE with the variable `DATABASE_PASSWORD` as its key |
//! | `/file-proof/NONCE` | the same with the file `/secrets/licence` |
//! | anything else | a file below `/www` |

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use quickstart_server::proof;

/// The longest request that is read, in bytes.
const LONGEST_REQUEST: u64 = 8192;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    eprintln!("listening on {}", listener.local_addr()?);
    for client in listener.incoming() {
        // A client that goes away, or asks for nonsense, is its own problem.
        let _ = client.and_then(serve);
    }
    Ok(())
}

fn serve(mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let path = requested(&client)?;
    let (status, body) = match answer(&path) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", b"not found\n".to_vec()),
    };
    let container = std::env::var("LITHOS_NAME").unwrap_or_default();
    write!(
        client,
        "HTTP/1.1 {status}\r\nX-Container: {container}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    )?;
    client.write_all(&body)
}

/// The path of a GET request, once its headers have been read.
fn requested(client: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(client.take(LONGEST_REQUEST)).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first
        .strip_prefix("GET ")
        .and_then(|rest| rest.split(' ').next());
    path.map(str::to_owned)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn answer(path: &str) -> Option<Vec<u8>> {
    let proven = if let Some(nonce) = path.strip_prefix("/proof/") {
        proof(std::env::var("DATABASE_PASSWORD").ok()?.as_bytes(), nonce)?
    } else if let Some(nonce) = path.strip_prefix("/file-proof/") {
        proof(&std::fs::read("/secrets/licence").ok()?, nonce)?
    } else {
        return std::fs::read(file(path)?).ok();
    };
    Some(format!("{proven}\n").into_bytes())
}

/// The file that a path names; none if it would lead out of `/www`.
fn file(path: &str) -> Option<PathBuf> {
    let path = match path.strip_prefix('/')? {
        "" => Path::new("index.html"),
        path => Path::new(path),
    };
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| Path::new("/www").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_files_below_www() {
        assert_eq!(file("/"), Some("/www/index.html".into()));
        assert_eq!(file("/a/b.css"), Some("/www/a/b.css".into()));
    }

    #[test]
    fn refuses_a_path_that_leads_out() {
        for path in ["/../etc/passwd", "//etc/passwd", "/a/../../b", "", "x"] {
            assert_eq!(file(path), None, "{path}");
        }
    }
}
