//! Where the files of a repository may lie: below its own address, and nowhere else.

use url::Url;

/// The address of a file that metadata names, below `base`, which ends in a slash.
pub fn below(base: &Url, href: &str, xml_base: Option<&str>) -> Result<Url, String> {
    let named: String = href.chars().filter(|c| !c.is_control()).take(120).collect();
    if let Some(elsewhere) = xml_base.filter(|text| !text.trim().is_empty()) {
        let elsewhere: String = elsewhere.chars().filter(|c| !c.is_control()).take(120).collect();
        return Err(format!(
            "the metadata says that '{named}' lies at another address ('{elsewhere}'); import the repository at that address"
        ));
    }
    let refused = || {
        Err(format!(
            "the metadata names the file '{named}', which does not lie below the repository's address"
        ))
    };
    let parts = || href.split('/');
    if href.is_empty()
        || href
            .chars()
            .any(|c| c.is_control() || matches!(c, '\\' | '?' | '#'))
        || parts().any(|part| matches!(part, "" | "." | ".."))
    {
        return refused();
    }
    // `x:y` alone would be a URL of its own; what it becomes is compared once more, in its parsed form.
    match base.join(&format!("./{href}")) {
        Ok(url) if url.as_str().starts_with(base.as_str()) => Ok(url),
        _ => refused(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_their_repository() {
        let base: Url = "https://example.org/repo/".parse().unwrap();
        let at = |href: &str| below(&base, href, None);
        assert_eq!(
            at("Packages/a/a-1-1.noarch.rpm").unwrap().as_str(),
            "https://example.org/repo/Packages/a/a-1-1.noarch.rpm"
        );
        assert_eq!(at("c++-1.rpm").unwrap().path(), "/repo/c++-1.rpm");
        assert_eq!(at("1:2.rpm").unwrap().path(), "/repo/1:2.rpm");
        assert!(below(&base, "a.rpm", Some("")).is_ok());
        for bad in [
            "",
            "../a.rpm",
            "a/../../b.rpm",
            "a/%2e%2e/%2E%2e/b.rpm",
            "%2e%2e/b.rpm",
            "/etc/passwd",
            "//evil.example/a.rpm",
            "https://evil.example/a.rpm",
            "file:///etc/passwd",
            "a\\..\\b.rpm",
            "a\nb.rpm",
            "./a.rpm",
            "a//b.rpm",
            "a.rpm?x=1",
            "a.rpm#x",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
        let reason = below(&base, "a.rpm", Some("https://evil.example/")).unwrap_err();
        assert!(reason.contains("another address"), "{reason}");
    }
}
