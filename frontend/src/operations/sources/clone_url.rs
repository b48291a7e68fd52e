//! Addresses that repositories are cloned from.

/// What a clone URL may begin with.
const CLONE_SCHEMES: &[&str] = &["http", "https", "git", "ssh", "git+ssh", "svn", "svn+ssh"];

/// Whether a repository can be cloned from an address: `scheme://host/…`, or `user@host:path`.
pub(super) fn check(url: &str) -> Result<(), &'static str> {
    if url.chars().any(char::is_whitespace) {
        return Err("Invalid URL.");
    }
    if let Some((scheme, _)) = url.split_once("://") {
        let parsed = url::Url::parse(url).map_err(|_| "Invalid URL.")?;
        if !CLONE_SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
            || parsed.host_str().is_none_or(str::is_empty)
        {
            return Err("Invalid URL.");
        }
        let secret = parsed.password().is_some()
            || matches!(parsed.scheme(), "http" | "https") && !parsed.username().is_empty();
        return if secret {
            Err("The URL holds a user name or password, which everybody would see.")
        } else {
            Ok(())
        };
    }
    // git's short form of ssh addresses.
    let (host, path) = url.split_once(':').ok_or("Invalid URL.")?;
    let (user, host) = host.split_once('@').ok_or("Invalid URL.")?;
    let word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    if word(user) && word(host) && !host.starts_with('-') && !path.is_empty() {
        Ok(())
    } else {
        Err("Invalid URL.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clone_urls_are_addresses_of_repositories() {
        for good in [
            "https://github.com/a/b.git",
            "git@github.com:a/b.git",
            "ssh://git@example.org/a",
            "svn://example.org/trunk",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "file:///etc/passwd",
            "--upload-pack=x",
            "https://user:secret@example.org/a",
            "https://token@example.org/a",
            "example.org/a",
            "https://",
            "ext::sh -c x",
            "git@-oProxy:a",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
