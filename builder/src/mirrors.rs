//! From what a definition says about a repository to one base URL.

use anyhow::{Context, Result, bail};
use protocol::{ChrootName, RepositorySource};
use quick_xml::events::Event;
use url::Url;

use crate::address::{Guard, shown};

/// Largest list that is read.
const LIMIT: usize = 4 << 20;

/// Reads a small file of text.
pub async fn text(client: &reqwest::Client, guard: &Guard, url: &Url) -> Result<String> {
    guard.check(url).map_err(anyhow::Error::msg)?;
    let mut response = client
        .get(url.clone())
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .with_context(|| format!("fetch {}", shown(url)))?;
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .with_context(|| format!("read {}", shown(url)))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            bail!("{} is longer than {LIMIT} bytes", shown(url));
        }
    }
    String::from_utf8(body).with_context(|| format!("{} is no text", shown(url)))
}

/// Puts release and architecture in place of dnf's variables.
pub fn expand(url: &str, chroot: &ChrootName) -> String {
    url.replace("$releasever", chroot.version())
        .replace("${releasever}", chroot.version())
        .replace("$basearch", chroot.arch())
        .replace("${basearch}", chroot.arch())
}

/// The base URL of a repository, with a slash at its end. Lists are asked once: for the whole of a task a repository
/// is what the first mirror of the list was at its start.
pub async fn base(
    client: &reqwest::Client,
    guard: &Guard,
    source: &RepositorySource,
    chroot: &ChrootName,
) -> Result<Url> {
    let parse = |text: &str| -> Result<Url> {
        let text = expand(text, chroot);
        text.parse()
            .with_context(|| format!("repository {}: URL '{text}'", source.id))
    };
    let url = if let Some(base) = &source.baseurl {
        parse(base)?
    } else if let Some(list) = &source.mirrorlist {
        let list = parse(list)?;
        let text = text(client, guard, &list).await?;
        first_mirror(&text).with_context(|| format!("{} names no mirror", shown(&list)))?
    } else if let Some(link) = &source.metalink {
        let link = parse(link)?;
        let text = text(client, guard, &link).await?;
        first_of_metalink(&text).with_context(|| format!("{} names no mirror", shown(&link)))?
    } else {
        bail!(
            "repository {} has neither baseurl nor mirrorlist nor metalink",
            source.id
        );
    };
    with_slash(url)
}

/// A URL of a directory, with a slash at its end and nothing behind it.
pub fn with_slash(mut url: Url) -> Result<Url> {
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn web(text: &str) -> Option<Url> {
    text.trim()
        .parse::<Url>()
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// The first http(s) URL of a plain list.
fn first_mirror(text: &str) -> Option<Url> {
    text.lines().find_map(web)
}

/// The first http(s) URL of a metalink that ends in `repodata/repomd.xml`, without that end.
fn first_of_metalink(text: &str) -> Option<Url> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut url: Option<String> = None;
    loop {
        match (reader.read_event().ok()?, &mut url) {
            (Event::Start(start), _) => url = (start.local_name().as_ref() == "url").then(String::new),
            (Event::Text(text), Some(url)) => url.push_str(&text),
            (Event::GeneralRef(name), Some(url)) if &*name == "amp" => url.push('&'),
            (Event::End(_), Some(text)) => {
                if let Some(base) = text.trim().strip_suffix("repodata/repomd.xml").and_then(web) {
                    return Some(base);
                }
                url = None;
            }
            (Event::Eof, _) => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_give_their_first_web_address() {
        let text = "# comment\nrsync://a/b\nhttps://m.example/fedora/44/\nhttps://other/\n";
        assert_eq!(
            first_mirror(text).unwrap().as_str(),
            "https://m.example/fedora/44/"
        );
        assert_eq!(first_mirror("nothing here"), None);
    }

    #[test]
    fn metalinks_give_the_first_base() {
        let text = r#"<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/"><files>
            <file name="repomd.xml"><resources maxconnections="1">
            <url protocol="rsync" type="rsync">rsync://m/linux/repodata/repomd.xml</url>
            <url protocol="https" type="https">https://m.example/linux/os/repodata/repomd.xml</url>
            <url protocol="https" type="https">https://n.example/?a=1&amp;b=2/linux/os/repodata/repomd.xml</url>
            </resources></file></files></metalink>"#;
        assert_eq!(
            first_of_metalink(text).unwrap().as_str(),
            "https://m.example/linux/os/"
        );
        for bad in ["", "<metalink>", "<url>https://x/other.xml</url>", "<a><b></a>"] {
            assert_eq!(first_of_metalink(bad), None, "{bad}");
        }
    }

    #[test]
    fn variables_are_dnfs() {
        let chroot = "fedora-44-x86_64".parse().unwrap();
        assert_eq!(
            expand("http://m/$releasever/$basearch/", &chroot),
            "http://m/44/x86_64/"
        );
    }
}
