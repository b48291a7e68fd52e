//! A check of a snapshot: what it brought is tried on an empty root.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use protocol::PackageManager;
use protocol::guest::{CheckJob, FromGuest};

use crate::channel::Channel;
use crate::launch::Jail;
use crate::process::stream;
use crate::root::HOME;
use crate::solve::{Ran, Solver, Upgrade};
use crate::{boot, network, root};

/// Runs the check; an error is its verdict.
pub fn run(channel: &Channel, job: &CheckJob) -> Result<()> {
    boot::set_clock(job.now)?;
    network::configure()?;
    root::enter()?;
    root::furnish_plainly(job.package_manager, &job.repos)?;
    let upgrades = headers(job)?;
    let mut solver = Solver {
        program: match job.package_manager {
            PackageManager::Dnf5 => "dnf5",
            PackageManager::Dnf | PackageManager::Zypper => "dnf",
        },
        root: PathBuf::from(HOME).join("root"),
        cache: PathBuf::from(HOME).join("cache"),
        repositories: PathBuf::from("/etc/yum.repos.d"),
        config: PathBuf::from("/etc/dnf/dnf.conf"),
        releasever: job.releasever.clone(),
        run: |argv: &[String]| {
            let ended = stream(channel, Jail::Root, argv)?;
            Ok(Ran {
                code: ended.code,
                output: ended.tail,
            })
        },
    };
    solver.check(&job.packages, &upgrades)?;
    channel.send(&FromGuest::Done)
}

/// Takes the headers off the disk that has them.
fn headers(job: &CheckJob) -> Result<Vec<Upgrade>> {
    let device = boot::disk("srpm")?;
    let mut disk = File::open(&device).with_context(|| format!("open {device}"))?;
    let dir = Path::new(HOME).join("older");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let mut found = Vec::new();
    for (number, upgrade) in job.upgrades.iter().enumerate() {
        let header = dir.join(format!("{number}.rpm"));
        let mut bytes = Vec::new();
        Read::by_ref(&mut disk)
            .take(upgrade.size)
            .read_to_end(&mut bytes)
            .with_context(|| format!("read {device}"))?;
        File::create(&header)
            .and_then(|mut file| file.write_all(&bytes))
            .with_context(|| format!("write {}", header.display()))?;
        found.push(Upgrade {
            from: upgrade.from.clone(),
            to: upgrade.to.clone(),
            header,
        });
    }
    Ok(found)
}
