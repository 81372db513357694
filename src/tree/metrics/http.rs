//! As much of HTTP/1.1 (RFC 9112) as a scraper needs: one request for one thing,
//! and the connection ends with the answer. A body is not read.

/// The most bytes of a request's head.
pub const LONGEST_HEAD: usize = 8 * 1024;
/// So many header fields of it at most.
const MOST_FIELDS: usize = 64;

/// Of the metrics: OpenMetrics 1.0.0, "Overall Structure".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What a scraper wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The metrics.
    Metrics,
    /// Only what would be said before them.
    Head,
}

/// Why it does not get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Something else than a request.
    Malformed,
    /// Something else than the metrics.
    NotFound,
    /// Something else than to read.
    Method,
    /// It has not said all in time.
    TooSlow,
    /// It has said too much.
    TooLong,
}

/// The length of a request's head in what was received, once it is whole.
pub fn whole(received: &[u8]) -> Option<usize> {
    let at = |end: &[u8]| received.windows(end.len()).position(|found| found == end);
    Some(at(b"\r\n\r\n")? + 4)
}

/// Understands the head of a request.
pub fn read(head: &[u8]) -> Result<Wanted, Refused> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(status) if status.is_complete() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
        _ => return Err(Refused::Malformed),
    }
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match (request.method, path) {
        (_, path) if path != "/metrics" => Err(Refused::NotFound),
        (Some("GET"), _) => Ok(Wanted::Metrics),
        (Some("HEAD"), _) => Ok(Wanted::Head),
        _ => Err(Refused::Method),
    }
}

/// The answer with the metrics.
pub fn answer(wanted: Wanted, metrics: &str) -> Vec<u8> {
    let mut answer = head("200 OK", OPEN_METRICS, metrics.len(), "");
    if wanted == Wanted::Metrics {
        answer.extend_from_slice(metrics.as_bytes());
    }
    answer
}

/// The answer without.
pub fn refusal(refused: Refused) -> Vec<u8> {
    let (status, body, field) = match refused {
        Refused::Malformed => ("400 Bad Request", "this is no HTTP request\n", ""),
        Refused::NotFound => ("404 Not Found", "there is only /metrics\n", ""),
        Refused::Method => {
            let allow = "Allow: GET, HEAD\r\n";
            ("405 Method Not Allowed", "there is only GET\n", allow)
        }
        Refused::TooSlow => ("408 Request Timeout", "the request is not whole\n", ""),
        Refused::TooLong => {
            let status = "431 Request Header Fields Too Large";
            (status, "the request is too long\n", "")
        }
    };
    let mut answer = head(status, PLAIN, body.len(), field);
    answer.extend_from_slice(body.as_bytes());
    answer
}

fn head(status: &str, kind: &str, length: usize, field: &str) -> Vec<u8> {
    let fields = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n{field}");
    format!("HTTP/1.1 {status}\r\n{fields}Connection: close\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_an_empty_line() {
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nmore";
        assert_eq!(whole(request), Some(request.len() - 4));
        assert_eq!(whole(&request[..request.len() - 5]), None);
        assert_eq!(whole(b""), None);
    }

    #[test]
    fn only_the_metrics_can_be_had_and_only_read() {
        for (request, expected) in [
            ("GET /metrics HTTP/1.1\r\n\r\n", Ok(Wanted::Metrics)),
            (
                "GET /metrics?x=1 HTTP/1.0\r\nHost: x\r\n\r\n",
                Ok(Wanted::Metrics),
            ),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", Ok(Wanted::Head)),
            ("GET / HTTP/1.1\r\n\r\n", Err(Refused::NotFound)),
            ("GET /metrics/../x HTTP/1.1\r\n\r\n", Err(Refused::NotFound)),
            ("POST /metrics HTTP/1.1\r\n\r\n", Err(Refused::Method)),
            ("\0\r\n\r\n", Err(Refused::Malformed)),
            ("GET /metrics\r\n\r\n", Err(Refused::Malformed)),
        ] {
            assert_eq!(read(request.as_bytes()), expected, "{request:?}");
        }
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(99));
        assert_eq!(read(many.as_bytes()), Err(Refused::TooLong));
    }

    #[test]
    fn an_answer_says_its_type_and_length_and_ends_the_connection() {
        let text = String::from_utf8(answer(Wanted::Metrics, "# EOF\n")).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\n\
             Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
             Content-Length: 6\r\nConnection: close\r\n\r\n# EOF\n"
        );
        let head = String::from_utf8(answer(Wanted::Head, "# EOF\n")).unwrap();
        assert_eq!(head, text.strip_suffix("# EOF\n").unwrap());
        let refused = String::from_utf8(refusal(Refused::Method)).unwrap();
        assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
        assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    }
}
