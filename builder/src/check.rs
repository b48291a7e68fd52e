//! Checks: what is published is tried on a clean machine. Nothing of a package ever runs: the guest only solves.

use std::path::Path;
use std::time::{Duration, SystemTime};

use protocol::FailureKind::Builder;
use protocol::builder_api::{CheckWork, Phase, Upgrade};
use protocol::guest::{CheckJob, GuestUpgrade};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::address::{Guard, shown};
use crate::outcome::{End, fail};
use crate::proxy::Proxy;
use crate::session::Session;
use crate::task::Attempt;
use crate::vm::Vm;

/// Largest header that is fetched, in bytes; rpm itself takes 256 MiB.
const HEADER: usize = 32 << 20;
/// Bytes of all headers together; upgrades beyond it are not tried.
const HEADERS: u64 = 256 << 20;

impl Attempt<'_> {
    /// Runs a check; how long the VM took to boot.
    pub(crate) async fn check(&self, work: &CheckWork) -> Result<Duration, End> {
        let root = self.shop.images.ensure(&work.chroot).await?;
        let disk = self.dir.join("srpm");
        let upgrades = headers(&work.upgrades, &disk).await?;
        let own = std::slice::from_ref(&work.snapshot);
        // Whoever named a repository that is not there: nobody can tell what is in it.
        let (upstreams, repos) = self.offer(&work.chroot, own, (&work.repos, Builder)).await?;
        let machine = self.machine(root, disk).await?;
        let forward = None;
        let _serving = self.serve(Proxy { upstreams, forward })?;
        self.lease.set_phase(Phase::Booting);
        let mut vm = Vm::start(&machine, self.dir).await?;
        let mut session = Session {
            vm: &mut vm,
            log: self.log,
            lease: self.lease,
            dir: self.dir,
            limits: self.limits,
        };
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let job = CheckJob {
            repos,
            package_manager: work.chroot.package_manager,
            releasever: work.chroot.name.version().to_owned(),
            packages: work.packages.clone(),
            upgrades,
            now: now.as_secs(),
        };
        let result = session.check(job).await;
        vm.kill().await;
        result
    }
}

/// Where the header of a package ends, once that can be told: after the lead of 96 bytes, the signature header, which is
/// padded to 8 bytes, and the header (rpm's `doc/manual/format.md`).
fn header_end(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let section = |at: usize| -> Result<Option<usize>, &'static str> {
        let Some(intro) = bytes.get(at..at + 16) else {
            return Ok(None);
        };
        if !intro.starts_with(&[0x8e, 0xad, 0xe8, 0x01]) {
            return Err("it is no RPM package");
        }
        let number = |from: usize| {
            let word = intro.get(from..from + 4).and_then(|word| word.try_into().ok());
            word.map_or(usize::MAX, |word| u32::from_be_bytes(word) as usize)
        };
        let (entries, data) = (number(8), number(12));
        if entries > HEADER / 16 || data > HEADER {
            return Err("its header is too large");
        }
        Ok(Some(at + 16 + entries * 16 + data))
    };
    match section(96)? {
        Some(signature) => section(signature.next_multiple_of(8)),
        None => Ok(None),
    }
}

/// Fetches one package as far as its header goes.
async fn header(client: &reqwest::Client, upgrade: &Upgrade) -> Result<Vec<u8>, End> {
    let trouble = |what: String| fail(Builder, format!("{} cannot be fetched: {what}", upgrade.from));
    let url: Url = upgrade
        .url
        .parse()
        .map_err(|error| trouble(format!("the hub's URL: {error}")))?;
    let mut response = client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| trouble(error.without_url().to_string()))?;
    if !response.status().is_success() {
        return Err(trouble(format!("{} answered {}", shown(&url), response.status())));
    }
    let mut bytes = Vec::new();
    loop {
        let end = header_end(&bytes).map_err(|error| trouble(error.to_owned()))?;
        if let Some(end) = end.filter(|end| *end <= bytes.len()) {
            bytes.truncate(end);
            return Ok(bytes);
        }
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| trouble(error.without_url().to_string()))?;
        bytes.extend_from_slice(&chunk.ok_or_else(|| trouble("it ended early".to_owned()))?);
    }
}

/// Fetches the headers of older packages into one file, one after the other.
async fn headers(upgrades: &[Upgrade], path: &Path) -> Result<Vec<GuestUpgrade>, End> {
    // The object store is where the administrator has it.
    let guard = Guard {
        private: true,
        trusted: Vec::new(),
    };
    let client = guard.client().map_err(anyhow::Error::from)?;
    let file = fs_err::tokio::File::create(path).await;
    let mut file = file.map_err(anyhow::Error::from)?;
    let mut fetched: Vec<GuestUpgrade> = Vec::new();
    let mut total = 0;
    for upgrade in upgrades {
        let bytes = header(&client, upgrade).await?;
        total += bytes.len() as u64;
        if total > HEADERS {
            break;
        }
        file.write_all(&bytes).await.map_err(anyhow::Error::from)?;
        fetched.push(GuestUpgrade {
            size: bytes.len() as u64,
            from: upgrade.from.clone(),
            to: upgrade.to.clone(),
        });
    }
    file.flush().await.map_err(anyhow::Error::from)?;
    Ok(fetched)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(entries: u32, data: u32) -> Vec<u8> {
        let mut bytes = vec![0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
        bytes.extend(entries.to_be_bytes());
        bytes.extend(data.to_be_bytes());
        bytes.extend(vec![0; (entries * 16 + data) as usize]);
        bytes
    }

    #[test]
    fn a_header_ends_where_rpm_says() {
        let mut bytes = vec![0; 96];
        assert_eq!(header_end(&bytes), Ok(None));
        bytes.extend(section(2, 5));
        assert_eq!(header_end(&bytes), Ok(None));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(section(3, 9));
        let end = bytes.len();
        bytes.extend([1, 2, 3]);
        assert_eq!(header_end(&bytes), Ok(Some(end)));
        // It is known before it is there.
        assert_eq!(header_end(&bytes[..end - 20]), Ok(Some(end)));
    }

    #[test]
    fn what_is_no_package_is_refused() {
        assert!(header_end(&[0; 200]).is_err());
        let mut huge = vec![0; 96];
        huge.extend([
            0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]);
        assert!(header_end(&huge).is_err());
    }
}
