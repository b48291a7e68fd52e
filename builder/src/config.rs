//! Settings.

use std::fmt;
use std::path::PathBuf;

use protocol::{BuilderName, ChrootName};
use serde::Deserialize;

use crate::error::Error;

/// A secret that no `Debug` output shows.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Takes the secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How VMs are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// KVM where a VM really boots with it, software emulation elsewhere.
    #[default]
    Auto,
    /// KVM, untested.
    Kvm,
    /// Software emulation.
    Tcg,
}

/// Settings of one builder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// URL of the builder API, without `/v1`.
    pub hub_url: String,
    /// The builder's secret for it.
    pub token: Token,
    /// Name of this builder.
    pub name: String,
    /// Directory for kernel, root images and running VMs; needs room for the scratch disks.
    pub data_dir: PathBuf,
    /// How VMs are run.
    pub accel: Accel,
    /// VMs at a time.
    pub slots: usize,
    /// Memory in MiB that one VM may get.
    pub memory_mib: u64,
    /// Virtual processors that one VM may get; 0: as many as the machine has.
    pub cpus: u32,
    /// Architecture of the VMs.
    pub arch: String,
    /// Chroots to take; empty: all of the architecture.
    pub chroots: Vec<ChrootName>,
    /// Whether URLs that users name may lead to loopback and private addresses.
    pub fetch_private_addresses: bool,
    /// Hosts (`name` or `name:port`) that user-named repositories may lead to whatever their address is: where the
    /// service's own repositories are served.
    pub trusted_hosts: Vec<String>,
    /// Directory with an unpacked Debian kernel package (`boot/vmlinuz-*`, `lib/modules/*`); none: fetched by apt.
    pub kernel: Option<PathBuf>,
    /// Debian package that the kernel comes from, when it is fetched.
    pub kernel_package: String,
    /// The agent: the static binary of the crate `guest`.
    pub guest_binary: PathBuf,
    /// QEMU's program.
    pub qemu: String,
    /// Command that connects its standard input and output with the unix socket named by one more argument, by
    /// calling [`crate::relay`]. Empty: this executable with the argument `relay`.
    pub relay_command: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hub_url: String::new(),
            token: Token::default(),
            name: "builder".to_owned(),
            data_dir: PathBuf::from("var/builder"),
            accel: Accel::Auto,
            slots: 1,
            memory_mib: 2_048,
            cpus: 0,
            arch: "x86_64".to_owned(),
            chroots: Vec::new(),
            fetch_private_addresses: false,
            trusted_hosts: Vec::new(),
            kernel: None,
            kernel_package: "linux-image-cloud-amd64".to_owned(),
            guest_binary: PathBuf::from("guest"),
            qemu: "qemu-system-x86_64".to_owned(),
            relay_command: Vec::new(),
        }
    }
}

impl Config {
    pub(crate) fn builder_name(&self) -> Result<BuilderName, Error> {
        self.name
            .parse()
            .map_err(|error: protocol::NameError| Error::Setting {
                setting: "name",
                reason: error.to_string(),
            })
    }

    /// The relay's command line, without the socket.
    pub(crate) fn relay(&self) -> Result<Vec<String>, Error> {
        if !self.relay_command.is_empty() {
            return Ok(self.relay_command.clone());
        }
        let unusable = |reason: String| Error::Setting {
            setting: "relay_command",
            reason,
        };
        let executable = std::env::current_exe().map_err(|error| unusable(error.to_string()))?;
        let executable = executable
            .into_os_string()
            .into_string()
            .map_err(|path| unusable(format!("{} is no UTF-8", path.display())))?;
        Ok(vec![executable, "relay".to_owned()])
    }

    /// Virtual processors of a VM that asks for `wanted`.
    pub(crate) fn cpus_for(&self, wanted: u32) -> u32 {
        let machine = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let most = if self.cpus == 0 { machine } else { self.cpus };
        wanted.clamp(1, most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stays_out_of_debug_output() {
        let config = Config {
            token: Token::new("hunter2"),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(toml::from_str::<Config>("slots = 2\naccel = 'tcg'").is_ok());
        assert!(toml::from_str::<Config>("slotz = 2").is_err());
    }
}
