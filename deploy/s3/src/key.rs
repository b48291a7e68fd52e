//! Names from outside, and where their files lie.
//!
//! A key is cut at every `/`. Each segment becomes one directory entry, percent-escaped so that no byte of a key ever
//! reaches the file system unescaped (no `..`, no empty name, no NUL). The entry's suffix says what it is: `=o` an
//! object, `=d` a directory for "this segment and then a slash", `=c` a directory for "64 bytes of a longer segment".
//! Every segment of 64 bytes or more goes through a `=c` directory, so no two entries of one directory can hold
//! interleaving ranges of keys: visiting the entries in the order of `raw bytes (+ "/" for =d)` visits keys in order.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use s3s::{S3Result, s3_error};

/// Raw bytes of a segment per directory level: 64 escaped bytes are 192 characters, and the suffix stays below the
/// 255 bytes that file systems allow a name.
const PIECE: usize = 64;

/// Longest key in bytes (Amazon S3 user guide, "Naming Amazon S3 objects").
pub(crate) const MAX_KEY: usize = 1024;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'+')
    .remove(b'~');

/// The name of a bucket, by Amazon's rules: 3 to 63 of `a-z0-9.-`. Safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketName(String);

impl BucketName {
    pub(crate) fn parse(name: &str) -> S3Result<Self> {
        if s3s::path::check_bucket_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(s3_error!(InvalidBucketName))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of an object: 1 to 1024 bytes of UTF-8, otherwise arbitrary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn parse(key: &str) -> S3Result<Self> {
        match key.len() {
            0 => Err(s3_error!(InvalidRequest, "the object key is empty")),
            1..=MAX_KEY => Ok(Self(key.to_owned())),
            _ => Err(s3_error!(KeyTooLongError)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The object's file below `root`.
    pub(crate) fn path(&self, root: &Path) -> PathBuf {
        let (mut path, consumed) = descend(root, self.0.as_bytes());
        path.push(entry_name(&self.0.as_bytes()[consumed..], Kind::Object));
        path
    }
}

/// What a directory entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An object whose key ends here.
    Object,
    /// The keys that go on with a slash.
    Directory,
    /// The keys whose segment goes on after 64 bytes.
    Continued,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Object => "=o",
            Self::Directory => "=d",
            Self::Continued => "=c",
        }
    }
}

fn entry_name(raw: &[u8], kind: Kind) -> String {
    format!("{}{}", percent_encode(raw, ESCAPED), kind.suffix())
}

/// Reads an entry's name back: the key bytes it adds (with the slash of a directory) and its kind. `None` for files
/// that are not ours.
pub(crate) fn parse_entry(name: &OsStr) -> Option<(Vec<u8>, Kind)> {
    let (escaped, suffix) = name.to_str()?.split_once('=')?;
    let mut raw: Vec<u8> = percent_decode_str(escaped).collect();
    let kind = match suffix {
        "o" => Kind::Object,
        "d" => Kind::Directory,
        "c" => Kind::Continued,
        _ => return None,
    };
    if kind == Kind::Directory {
        raw.push(b'/');
    }
    Some((raw, kind))
}

/// The deepest directory that holds every key with this prefix, and how many bytes of the prefix it stands for.
pub(crate) fn descend(root: &Path, prefix: &[u8]) -> (PathBuf, usize) {
    let mut path = root.to_path_buf();
    let mut consumed = 0;
    loop {
        let rest = &prefix[consumed..];
        let slash = rest.iter().position(|byte| *byte == b'/');
        if slash.unwrap_or(rest.len()) >= PIECE {
            path.push(entry_name(&rest[..PIECE], Kind::Continued));
            consumed += PIECE;
        } else if let Some(end) = slash {
            path.push(entry_name(&rest[..end], Kind::Directory));
            consumed += end + 1;
        } else {
            return (path, consumed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(key: &str) -> String {
        Key::parse(key)
            .unwrap()
            .path(Path::new(""))
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn keys_become_escaped_paths() {
        assert_eq!(path_of("a/b c.rpm"), "a=d/b%20c.rpm=o");
        assert_eq!(path_of("../../etc"), "..=d/..=d/etc=o");
        assert_eq!(path_of("/"), "=d/=o");
        assert_eq!(path_of("=o"), "%3Do=o");
        let x = "x".repeat(64);
        assert_eq!(path_of(&x), format!("{x}=c/=o"));
        assert_eq!(path_of(&format!("{x}/y")), format!("{x}=c/=d/y=o"));
    }

    #[test]
    fn the_worst_key_fits_a_path() {
        for key in [
            "/".repeat(1024),
            "é".repeat(512),
            "%/".repeat(512),
            "%".repeat(1024),
        ] {
            let path = path_of(&key);
            assert!(path.len() < 3200, "{}", path.len());
            assert!(path.split('/').all(|name| (2..=200).contains(&name.len())));
        }
        assert!(Key::parse(&"k".repeat(1025)).is_err());
        assert!(Key::parse("").is_err());
    }

    #[test]
    fn entries_read_back() {
        for (raw, kind) in [
            (&b"a%b\xff"[..], Kind::Object),
            (b"", Kind::Object),
            (b"x", Kind::Continued),
        ] {
            assert_eq!(
                parse_entry(OsStr::new(&entry_name(raw, kind))),
                Some((raw.to_vec(), kind))
            );
        }
        assert_eq!(
            parse_entry(OsStr::new("=d")),
            Some((b"/".to_vec(), Kind::Directory))
        );
        assert_eq!(parse_entry(OsStr::new("lost+found")), None);
    }
}
