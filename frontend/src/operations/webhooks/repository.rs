//! Addresses of repositories, compared by what they lead to.

/// Hosts at which upper and lower case in paths are the same.
const CASELESS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org"];

/// Host and path of a repository, however its address is spelt: by https or ssh, with or without `.git`, a slash at
/// the end, a user or a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// Reads `scheme://[user@]host[:port]/path` or `[user@]host:path`.
    pub fn parse(address: &str) -> Option<Self> {
        let address = address.trim();
        let address = address.split(['?', '#']).next()?;
        let (authority, path) = match address.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?,
            None => address.split_once(':')?,
        };
        let host = authority
            .rsplit('@')
            .next()?
            .split(':')
            .next()?
            .to_ascii_lowercase();
        let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let path = path.join("/");
        let path = path.strip_suffix(".git").unwrap_or(&path).trim_end_matches('/');
        if host.is_empty() || path.is_empty() {
            return None;
        }
        let path = if CASELESS.contains(&host.as_str()) {
            path.to_lowercase()
        } else {
            path.to_owned()
        };
        Some(Self { host, path })
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_repository_are_equal() {
        let one = Repository::parse("https://github.com/Alice/hello").unwrap();
        for other in [
            "https://github.com/alice/hello.git",
            "https://github.com/alice/hello/",
            "https://github.com/alice/hello.git/",
            "https://github.com:443/alice/hello",
            "git://github.com/alice/hello.git",
            "git@github.com:alice/hello.git",
            "ssh://git@github.com/alice/hello.git",
            "ssh://git@github.com:22/alice/hello",
            "https://GitHub.com/alice/hello",
        ] {
            assert_eq!(Repository::parse(other), Some(one.clone()), "{other}");
        }
        for other in [
            "https://github.com/alice/hello-2",
            "https://github.com/alice",
            "https://gitlab.com/alice/hello",
            "https://example.org/github.com/alice/hello",
        ] {
            assert_ne!(Repository::parse(other), Some(one.clone()), "{other}");
        }
        assert_ne!(
            Repository::parse("https://example.org/Alice/hello"),
            Repository::parse("https://example.org/alice/hello")
        );
        for none in ["", "hello", "https://", "https://host", "host:"] {
            assert_eq!(Repository::parse(none), None, "{none}");
        }
        assert_eq!(one.name(), "hello");
    }
}
