//! Several ranges of one file, as those ask for them who have other parts of it already.

use actix_web::HttpRequest;
use actix_web::http::header::RANGE;

use crate::results::download::{Part, header, in_range, parse_range};

/// The first byte, and the one after the last.
pub(super) type Range = (u64, u64);

/// The most that `zchunk` asks for; whoever asks for more gets the whole.
const MOST: usize = 256;

/// The ranges that a request asks for, if there are at least two; otherwise it is answered like any other.
pub(super) fn several(request: &HttpRequest, etag: &str, size: u64) -> Option<Vec<Range>> {
    let ranges = header(request, &RANGE).filter(|_| in_range(request, etag))?;
    parse(ranges, size)
}

/// Those that lie outside are left out. Nobody gets more than the whole file by asking for parts of it again and again
/// (RFC 9110, 14.2).
fn parse(ranges: &str, size: u64) -> Option<Vec<Range>> {
    let list = ranges.strip_prefix("bytes=")?;
    let mut found = Vec::new();
    for range in list.split(',') {
        match parse_range(&format!("bytes={}", range.trim()), size) {
            Part::Whole => return None,
            Part::Range(first, last) => found.push((first, last)),
            Part::Unsatisfiable => {}
        }
        if found.len() > MOST {
            return None;
        }
    }
    let bytes: u64 = found.iter().map(|(first, last)| last - first).sum();
    (found.len() > 1 && bytes <= size).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ranges_are_bounded() {
        let many = |count: usize| format!("bytes={}", vec!["1-1"; count].join(","));
        for (ranges, expected) in [
            ("bytes=0-1,3-4".to_owned(), Some(vec![(0, 2), (3, 5)])),
            ("bytes=5-6 , -1".to_owned(), Some(vec![(5, 7), (999, 1000)])),
            ("bytes=7-8,0-1,1-2".to_owned(), Some(vec![(7, 9), (0, 2), (1, 3)])),
            ("bytes=0-1,5000-,3-4".to_owned(), Some(vec![(0, 2), (3, 5)])),
            ("bytes=0-1,5000-".to_owned(), None),
            ("bytes=0-1".to_owned(), None),
            ("bytes=0-,0-1".to_owned(), None),
            ("bytes=0-1,x".to_owned(), None),
            ("bytes=0-1,".to_owned(), None),
            ("lines=0-1,3-4".to_owned(), None),
            (many(256), Some(vec![(1, 2); 256])),
            (many(257), None),
        ] {
            assert_eq!(parse(&ranges, 1000), expected, "{ranges}");
        }
    }
}
