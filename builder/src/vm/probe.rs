//! Finding out whether KVM works: a VM has to boot with it. A `/dev/kvm` that opens is no proof.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use protocol::guest::FromGuest;
use serde::{Deserialize, Serialize};

use super::{Acceleration, Machine, Vm};
use crate::channel::{Frame, read_frame};
use crate::config::{Accel, Config};
use crate::kernel::Kernel;

/// Time for a VM to say its first word under KVM, where it takes less than two seconds.
const HELLO: Duration = Duration::from_secs(8);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    /// Host boot and kernel that it holds for.
    boot_id: String,
    kernel: String,
    acceleration: Acceleration,
}

/// What this host's VMs run with; remembered until the host boots again.
pub async fn probe(config: &Config, kernel: &Kernel) -> Result<Acceleration> {
    match config.accel {
        Accel::Kvm => return Ok(Acceleration::Kvm),
        Accel::Tcg => return Ok(Acceleration::Tcg),
        Accel::Auto => {}
    }
    if std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        tracing::info!("no usable /dev/kvm: VMs are emulated");
        return Ok(Acceleration::Tcg);
    }
    let file = config.data_dir.join("probe.json");
    let boot_id = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned();
    let image = kernel.image.display().to_string();
    let known = fs_err::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Verdict>(&text).ok());
    if let Some(known) = known.filter(|known| known.boot_id == boot_id && known.kernel == image) {
        return Ok(known.acceleration);
    }
    let acceleration = match boots(config, kernel).await {
        Ok(()) => Acceleration::Kvm,
        Err(error) => {
            tracing::warn!("KVM is not used, VMs are emulated: {error:#}");
            Acceleration::Tcg
        }
    };
    let verdict = Verdict {
        boot_id,
        kernel: image,
        acceleration,
    };
    fs_err::write(
        &file,
        serde_json::to_vec(&verdict).context("write the probe's verdict")?,
    )?;
    Ok(acceleration)
}

async fn boots(config: &Config, kernel: &Kernel) -> Result<()> {
    let dir = config.data_dir.join("tasks/probe");
    let _ = fs_err::remove_dir_all(&dir);
    fs_err::create_dir_all(&dir)?;
    let result = boot_in(&dir, config, kernel).await;
    fs_err::remove_dir_all(&dir)?;
    result
}

async fn boot_in(dir: &Path, config: &Config, kernel: &Kernel) -> Result<()> {
    let machine = Machine {
        qemu: config.qemu.clone(),
        acceleration: Acceleration::Kvm,
        kernel: kernel.clone(),
        disks: Vec::new(),
        memory_mib: 512,
        cpus: 1,
        relay: None,
    };
    let mut vm = Vm::start(&machine, dir).await?;
    let hello = tokio::time::timeout(HELLO, read_frame(&mut vm.agent)).await;
    let console = vm.console.tail();
    vm.kill().await;
    let frame = hello.with_context(|| format!("no VM booted within {HELLO:?}; its console: {console}"))??;
    anyhow::ensure!(
        matches!(frame, Frame::Message(FromGuest::Hello { .. })),
        "the VM greets with something else"
    );
    Ok(())
}
