//! What a repository has besides packages: groups, modules, advisories. They are taken as they are; the backend looks into
//! them.

use std::io::Read as _;

use protocol::FailureKind::BadSource;
use protocol::builder_api::{Artifact, Beside};
use reqwest::Client;
use url::Url;

use super::repomd::Listed;
use super::{Caps, Import, bad, location, verify};
use crate::address::shown;
use crate::fetch::download;
use crate::outcome::End;
use crate::session::Received;

/// How files begin that are compressed in a way which is not read here: xz and bzip2.
const UNREAD: [&[u8]; 2] = [b"\xfd7zXZ", b"BZh"];

impl Import<'_> {
    /// Fetches what there is besides the packages that were fetched, and adds it to them.
    pub(super) async fn beside(
        &self,
        client: &Client,
        base: &Url,
        listed: Vec<(Beside, Result<Listed, String>)>,
        files: &mut Vec<Received>,
        caps: Caps,
    ) -> Result<(), End> {
        for (of, listed) in listed {
            let taken: u64 = files.iter().map(|file| file.artifact.size).sum();
            let room = caps.beside.min(caps.total.saturating_sub(taken));
            match listed {
                Ok(listed) => files.extend(self.one_beside(client, base, of, &listed, room).await?),
                Err(reason) => self.left_out(of, &reason),
            }
        }
        Ok(())
    }

    fn left_out(&self, of: Beside, reason: &str) {
        let name = of.file_name();
        self.log
            .say(&format!("the repository's {name} is left out: {reason}"));
    }

    async fn one_beside(
        &self,
        client: &Client,
        base: &Url,
        of: Beside,
        listed: &Listed,
        room: u64,
    ) -> Result<Option<Received>, End> {
        let url = location::below(base, &listed.href, listed.xml_base.as_deref()).map_err(bad)?;
        if listed.size.is_some_and(|size| size > room) {
            self.left_out(of, &format!("it is larger than {room} bytes"));
            return Ok(None);
        }
        let path = self.dir.join(of.file_name());
        let limit = listed.size.unwrap_or(room);
        let (size, sha256) = download(client, &url, &path, limit, BadSource).await?;
        if !verify(&path, &listed.checksum).await? {
            return Err(bad(format!(
                "{} is not the file that repomd.xml names: its checksum is another; if the repository was just being \
                 published, import it again",
                shown(&url)
            )));
        }
        let mut start = Vec::new();
        let file = fs_err::File::open(&path).map_err(anyhow::Error::from)?;
        file.take(6)
            .read_to_end(&mut start)
            .map_err(anyhow::Error::from)?;
        if UNREAD.iter().any(|magic| start.starts_with(magic)) {
            self.left_out(of, "it is compressed by xz or bzip2; gzip and zstd are read");
            return Ok(None);
        }
        let name = of.file_name();
        self.log.say(&format!("fetched {name}, {size} bytes"));
        let name = name
            .parse()
            .map_err(|error| anyhow::anyhow!("the name of an artefact is none: {error}"))?;
        let artifact = Artifact { name, size, sha256 };
        Ok(Some(Received { artifact, path }))
    }
}
