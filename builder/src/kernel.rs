//! The VMs' kernel: a stock one, unpacked and not installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::config::Config;
use crate::initramfs;

/// What QEMU boots.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The kernel's image.
    pub image: PathBuf,
    /// The initial file system with the agent.
    pub initramfs: PathBuf,
}

/// Runs a command of the host; its output is part of the error.
pub async fn host_command(command: &mut Command) -> Result<String> {
    let name = format!("{:?}", command.as_std().get_program());
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("start {name}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(8)..)
            .unwrap_or_default()
            .join("; ");
        bail!("{name} ended with {}: {tail}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Finds or fetches the kernel and makes its initial file system.
pub async fn prepare(config: &Config) -> Result<Kernel> {
    let dir = match &config.kernel {
        Some(dir) => dir.clone(),
        None => fetched(config).await?,
    };
    let image = only(&dir.join("boot"), "vmlinuz-")?;
    let modules = only(&dir.join("lib/modules"), "")?;
    let guest = config.guest_binary.clone();
    let initramfs = config.data_dir.join("initramfs");
    let target = initramfs.clone();
    tokio::task::spawn_blocking(move || -> Result<()> {
        let archive = initramfs::build(&guest, &modules).context("make the initramfs")?;
        // Replaced, not rewritten: another builder's VM may be reading it.
        let part = target.with_extension("part");
        fs_err::write(&part, archive)?;
        fs_err::rename(&part, &target)?;
        Ok(())
    })
    .await
    .context("make the initramfs")??;
    Ok(Kernel { image, initramfs })
}

fn only(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    found.sort();
    found
        .pop()
        .with_context(|| format!("{} holds no {prefix}*", dir.display()))
}

/// Downloads the newest kernel package that apt knows, once.
async fn fetched(config: &Config) -> Result<PathBuf> {
    let dir = config.data_dir.join("kernel");
    if dir.join("complete").exists() {
        return Ok(dir);
    }
    tracing::info!(package = %config.kernel_package, "fetching the kernel");
    let part = config.data_dir.join("kernel.part");
    let _ = fs_err::remove_dir_all(&part);
    fs_err::create_dir_all(&part)?;
    let info =
        host_command(Command::new("apt-cache").args(["show", "--no-all-versions", &config.kernel_package]))
            .await?;
    // The package without a version in its name only depends on the one that holds the kernel.
    let package = info
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))
        .and_then(|depends| {
            depends
                .split([' ', ','])
                .find(|word| word.starts_with("linux-image-"))
        })
        .unwrap_or(&config.kernel_package)
        .to_owned();
    host_command(
        Command::new("apt-get")
            .args(["download", "-q", &package])
            .current_dir(&part),
    )
    .await
    .context("download the kernel; or set 'kernel' to an unpacked one")?;
    let deb = only(&part, "linux-image-")?;
    host_command(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&part)).await?;
    fs_err::remove_file(&deb)?;
    fs_err::write(part.join("complete"), package)?;
    let _ = fs_err::remove_dir_all(&dir);
    fs_err::rename(&part, &dir)?;
    Ok(dir)
}
