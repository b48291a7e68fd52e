//! Downloads: source packages from URLs of users' choice, and those that the service stores.

use std::error::Error as _;
use std::path::Path;

use protocol::FailureKind::{BadSource, Builder};
use protocol::builder_api::{Artifact, SourceFile};
use protocol::{FailureKind, FileName};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::address::{Guard, shown};
use crate::outcome::{End, fail};
use crate::session::Received;

/// The file name at the end of a URL; a source package's.
pub fn file_name(url: &Url) -> Result<FileName, String> {
    let last = url
        .path_segments()
        .and_then(|mut parts| parts.next_back())
        .unwrap_or_default();
    let name = percent_encoding::percent_decode_str(last)
        .decode_utf8_lossy()
        .into_owned();
    if !name.ends_with(".src.rpm") && !name.ends_with(".nosrc.rpm") {
        return Err(format!(
            "{}: the URL has to end in the name of a source package (.src.rpm)",
            shown(url)
        ));
    }
    name.parse::<FileName>().map_err(|error| error.to_string())
}

fn cause(error: &reqwest::Error) -> String {
    let last = std::iter::successors(error.source(), |cause| (*cause).source()).last();
    last.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Writes what a URL yields to a file; size and SHA-256 of it.
pub async fn download(
    client: &reqwest::Client,
    url: &Url,
    path: &Path,
    limit: u64,
    blame: FailureKind,
) -> Result<(u64, protocol::Sha256), End> {
    let name = shown(url);
    let too_large = || fail(blame, format!("{name} is larger than {limit} bytes"));
    let mut response = client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| fail(blame, format!("{name} cannot be fetched: {}", cause(&error))))?;
    if !response.status().is_success() {
        return Err(fail(blame, format!("{name} answered {}", response.status())));
    }
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut file = fs_err::tokio::File::create(path)
        .await
        .map_err(anyhow::Error::from)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|error| fail(blame, format!("{name} ended early: {}", cause(&error))))?;
        let Some(chunk) = chunk else { break };
        size += chunk.len() as u64;
        if size > limit {
            return Err(too_large());
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(anyhow::Error::from)?;
    }
    file.flush().await.map_err(anyhow::Error::from)?;
    Ok((size, protocol::Sha256::from_bytes(&hash.finalize().into())))
}

/// Fetches a source package for a user.
pub async fn for_user(guard: &Guard, url: &str, dir: &Path, limit: u64) -> Result<Received, End> {
    let bad = |reason: String| fail(BadSource, reason);
    let url: Url = url
        .parse()
        .map_err(|error| bad(format!("the URL cannot be read: {error}")))?;
    guard.check(&url).map_err(bad)?;
    let name = file_name(&url).map_err(bad)?;
    let client = guard.client().map_err(anyhow::Error::from)?;
    let path = dir.join(name.as_str());
    let (size, sha256) = download(&client, &url, &path, limit, BadSource).await?;
    Ok(Received {
        artifact: Artifact { name, size, sha256 },
        path,
    })
}

/// Fetches a source package that the service stores; it has to be the one that was announced.
pub async fn stored(source: &SourceFile, path: &Path) -> Result<(), End> {
    let guard = Guard {
        private: true,
        trusted: Vec::new(),
    };
    let client = guard.client().map_err(anyhow::Error::from)?;
    let url: Url = source
        .url
        .parse()
        .map_err(|error| fail(Builder, format!("the hub's URL of {}: {error}", source.name)))?;
    let (size, sha256) = download(&client, &url, path, source.size, Builder).await?;
    if size == source.size && sha256 == source.sha256 {
        Ok(())
    } else {
        Err(fail(
            Builder,
            format!("{} is not what the hub announced", source.name),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_last_part() {
        let name = |url: &str| file_name(&url.parse().unwrap());
        assert_eq!(
            name("https://e.org/a/b-1-1.src.rpm?x=/y").unwrap().as_str(),
            "b-1-1.src.rpm"
        );
        assert_eq!(
            name("https://e.org/b%2B-1.nosrc.rpm").unwrap().as_str(),
            "b+-1.nosrc.rpm"
        );
        for bad in [
            "https://e.org/",
            "https://e.org",
            "https://e.org/a.rpm",
            "https://e.org/a.src.rpm/",
            "https://e.org/%2e%2e%2fa.src.rpm",
            "https://e.org/.src.rpm",
            "https://e.org/-a.src.rpm",
            "https://e.org/a%0a.src.rpm",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_fetched_is_a_bad_source() {
        let dir = tempfile::tempdir().unwrap();
        let guard = Guard {
            private: true,
            ..Guard::default()
        };
        for (url, part) in [
            ("http://127.0.0.1:1/a.src.rpm", "cannot be fetched"),
            ("ftp://e.org/a.src.rpm", "only http and https"),
            ("nonsense", "cannot be read"),
        ] {
            let end = for_user(&guard, url, dir.path(), 10).await.unwrap_err();
            let End::Failed {
                kind: BadSource,
                message,
            } = end
            else {
                panic!("{end:?}")
            };
            assert!(message.contains(part), "{message}");
        }
        let end = for_user(&Guard::default(), "http://127.0.0.1:1/a.src.rpm", dir.path(), 10)
            .await
            .unwrap_err();
        let End::Failed {
            kind: BadSource,
            message,
        } = end
        else {
            panic!("{end:?}")
        };
        assert!(message.contains("private"), "{message}");
    }
}
