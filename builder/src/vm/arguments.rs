//! QEMU's command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::kernel::Kernel;

/// Sockets, in the directory that QEMU runs in.
pub const AGENT: &str = "agent.sock";
pub const MONITOR: &str = "monitor.sock";
pub const CONSOLE: &str = "console.sock";
/// The proxy's socket, which the relay connects to.
pub const PROXY: &str = "proxy.sock";
/// Identifier of the network behind the guest's card.
pub const NETWORK: &str = "net0";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acceleration {
    /// The processor.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// A disk, which the guest finds by its serial number.
#[derive(Debug, Clone)]
pub struct Disk {
    /// At most 20 bytes.
    pub serial: &'static str,
    /// A raw image.
    pub path: PathBuf,
    /// Whether the guest may write.
    pub writable: bool,
}

/// A VM before it runs.
#[derive(Debug, Clone)]
pub struct Machine {
    /// QEMU's program.
    pub qemu: String,
    /// What executes it.
    pub acceleration: Acceleration,
    /// What it boots.
    pub kernel: Kernel,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Virtual processors.
    pub cpus: u32,
    /// Command that connects to the proxy's socket; none: no network at all.
    pub relay: Option<Vec<String>>,
}

/// A comma in a value is written twice (qemu(1)).
fn value(text: &str) -> String {
    text.replace(',', ",,")
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no UTF-8", path.display()))
}

impl Machine {
    /// The command that runs QEMU in `dir`. It dies with the thread that starts it, and as root it has no
    /// capabilities: a guest that breaks out of QEMU finds neither mount nor raw sockets.
    pub fn command(&self, dir: &Path, errors: std::fs::File) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--no-new-privs"]);
        if nix::unistd::geteuid().is_root() {
            command.args(["--inh-caps=-all", "--bounding-set=-all"]);
        }
        command
            .arg(&self.qemu)
            .args(self.arguments()?)
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(errors))
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    fn arguments(&self) -> Result<Vec<OsString>> {
        let mut list: Vec<String> = Vec::new();
        let mut add = |option: &str, text: String| list.extend([option.to_owned(), text]);
        let (accel, cpu) = match self.acceleration {
            Acceleration::Kvm => ("kvm", "host"),
            Acceleration::Tcg => ("tcg,thread=multi", "max"),
        };
        add(
            "-machine",
            "q35,smm=off,sata=off,smbus=off,vmport=off,hpet=off,graphics=off".to_owned(),
        );
        add("-accel", accel.to_owned());
        add("-cpu", cpu.to_owned());
        add("-smp", self.cpus.to_string());
        add("-m", format!("{}M", self.memory_mib));
        add("-kernel", path_text(&self.kernel.image)?.to_owned());
        add("-initrd", path_text(&self.kernel.initramfs)?.to_owned());
        add(
            "-append",
            "console=ttyS0 quiet panic=-1 rdinit=/init random.trust_cpu=on mitigations=off nokaslr audit=0 \
             no_timer_check tsc=reliable 8250.nr_uarts=1 cryptomgr.notests raid=noautodetect"
                .to_owned(),
        );
        // The relay is a process per connection in a session of its own and inherits the filter: `spawn=deny` and
        // `elevateprivileges=deny` (which holds setsid) would kill it. `setpriv` has seen to the privileges.
        add("-sandbox", "on,obsolete=deny".to_owned());
        for socket in [AGENT, MONITOR, CONSOLE] {
            let id = socket.trim_end_matches(".sock");
            add("-chardev", format!("socket,id={id},path={socket},server=off"));
        }
        add("-serial", "chardev:console".to_owned());
        add("-mon", "chardev=monitor,mode=control".to_owned());
        add("-device", "virtio-serial-pci".to_owned());
        add(
            "-device",
            format!("virtserialport,chardev=agent,name={}", protocol::guest::PORT_NAME),
        );
        add("-device", "virtio-rng-pci".to_owned());
        for disk in &self.disks {
            let (serial, path) = (disk.serial, value(path_text(&disk.path)?));
            let readonly = if disk.writable { "off" } else { "on" };
            // The disks do not outlive the VM, so that nothing has to reach the platter.
            add(
                "-drive",
                format!(
                    "file={path},if=none,id={serial},format=raw,cache=unsafe,readonly={readonly},discard=unmap"
                ),
            );
            add(
                "-device",
                format!("virtio-blk-pci,drive={serial},serial={serial}"),
            );
        }
        if let Some(relay) = &self.relay {
            let words: Vec<String> = relay
                .iter()
                .map(|word| shell_word(word))
                .chain([PROXY.to_owned()])
                .collect();
            let relay = value(&words.join(" "));
            add(
                "-netdev",
                format!("user,id={NETWORK},restrict=on,ipv6=off,guestfwd=tcp:10.0.2.100:80-cmd:{relay}"),
            );
            add("-device", format!("virtio-net-pci,netdev={NETWORK},romfile="));
        }
        list.extend(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"].map(str::to_owned));
        Ok(list.into_iter().map(OsString::from).collect())
    }
}
