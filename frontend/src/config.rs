//! Settings of the frontend.

use std::net::{Ipv4Addr, SocketAddr};

use protocol::Limits;
use protocol::identity::ServiceIdentity;
use serde::Deserialize;
use storage::Secret;

/// Settings of the frontend; every key has a default, unknown keys are refused. What is skipped here stands in the
/// section `[service]`, which backend and frontend share.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where people and `copr-cli` are served.
    pub listen: SocketAddr,
    /// Where builders are served.
    pub builder_listen: SocketAddr,
    /// Where results are served.
    pub results_listen: SocketAddr,
    /// URL of [`Config::listen`] as users reach it, without a trailing slash.
    #[serde(skip)]
    pub url: String,
    /// URL of [`Config::builder_listen`] as builders reach it, without a trailing slash.
    pub builder_url: String,
    /// URL of the results as users and builders reach them, with `/results`, without a trailing slash.
    pub results_url: String,
    /// Name of the service, for people.
    #[serde(skip)]
    pub service_name: String,
    /// The service's part of every repotag, `[a-z0-9_]`.
    #[serde(skip)]
    pub service_tag: String,
    /// What builders present; empty: no builder is let in.
    pub builder_token: Secret,
    /// Seconds that a builder's lease lasts after a heartbeat.
    pub lease_s: u64,
    /// Largest source package that is taken, in bytes.
    pub max_upload_bytes: u64,
    /// Rows of a list that are answered at once; whoever asks for a longer one as a whole is told to ask for pages.
    pub list_rows: i64,
    /// Whether packages that were built elsewhere are taken (`copr-cli uploadrpm`).
    pub rpm_upload: bool,
    /// Seconds that creating or editing a project waits for its key and repositories.
    pub ready_wait_s: u64,
    /// What a task may use.
    pub limits: Limits,
    /// Seconds that the check of a snapshot may take.
    pub check_timeout_s: u64,
    /// Days that an API token is valid (Copr: 180).
    pub token_days: i64,
    /// Who may make groups.
    pub groups: MakesGroups,
    /// Worker threads of each of the three listeners.
    pub workers: usize,
    /// What an owner may use; a section of its own.
    #[serde(skip)]
    pub quota: Quota,
    /// Days without a build after which the backend removes the directory of a pull request; the section `[backend]`
    /// has it.
    #[serde(skip)]
    pub keep_pr_dirs_days: u32,
    /// How much of repositories' past the backend keeps; the section `[backend]` has it.
    #[serde(skip)]
    pub retention: db::retention::Policy,
    /// Whether a proxy in front of [`Config::listen`] says in `X-Forwarded-For` where requests come from; its last entry
    /// is believed.
    pub behind_proxy: bool,
    /// Whether the audit keeps network addresses and not only their class.
    pub audit_addresses: bool,
}

/// The section `[quota]`: what a user or group may use whom the administrator gave no limits of their own. What is not
/// set has no limit.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Parts of builds (chroots) that run at the same time; more wait.
    pub concurrent_builds: Option<i32>,
    /// Builds that wait for a machine.
    pub queued_builds: Option<i32>,
    /// Seconds of build machines times their processors, in 30 days.
    pub cpu_seconds: Option<i64>,
    /// Bytes of published and source packages.
    pub stored_bytes: Option<i64>,
    /// Bytes that are downloaded, in 30 days.
    pub served_bytes: Option<i64>,
}

impl Quota {
    /// As the database has it.
    pub fn limits(&self) -> db::quotas::Limits {
        db::quotas::Limits {
            concurrent_builds: self.concurrent_builds,
            queued_builds: self.queued_builds,
            cpu_seconds: self.cpu_seconds,
            stored_bytes: self.stored_bytes,
            served_bytes: self.served_bytes,
        }
    }
}

/// Who may make groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MakesGroups {
    /// The service's administrators.
    Admins,
    /// Every user.
    Everybody,
}

impl Default for Config {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: local(5080),
            builder_listen: local(5081),
            results_listen: local(5082),
            url: "http://127.0.0.1:5080".to_owned(),
            builder_url: "http://127.0.0.1:5081".to_owned(),
            results_url: "http://127.0.0.1:5082/results".to_owned(),
            service_name: "Koper".to_owned(),
            service_tag: "kpr".to_owned(),
            builder_token: Secret::default(),
            lease_s: 60,
            max_upload_bytes: 4 << 30,
            list_rows: 50_000,
            rpm_upload: true,
            ready_wait_s: 60,
            limits: Limits::default(),
            check_timeout_s: 900,
            token_days: 180,
            groups: MakesGroups::Everybody,
            workers: 2,
            quota: Quota::default(),
            keep_pr_dirs_days: 40,
            retention: db::retention::Policy::default(),
            behind_proxy: false,
            audit_addresses: false,
        }
    }
}

impl Config {
    /// URL of a directory's results, without a trailing slash.
    pub fn dir_url(&self, owner: &protocol::OwnerName, dir: &protocol::DirName) -> String {
        format!("{}/{owner}/{dir}", self.results_url)
    }

    /// URL of a repository, with a trailing slash.
    pub fn repository_url(
        &self,
        owner: &protocol::OwnerName,
        dir: &protocol::DirName,
        chroot: &protocol::ChrootName,
    ) -> String {
        format!("{}/{owner}/{dir}/{chroot}/", self.results_url)
    }

    /// Host name of the service without a port and without the brackets of IPv6, as ids of repositories and names of
    /// hubs have it.
    pub fn host(&self) -> String {
        url::Url::parse(&self.url)
            .ok()
            .and_then(|url| url.host_str().map(|h| h.trim_matches(['[', ']']).to_owned()))
            .unwrap_or_else(|| "localhost".to_owned())
    }

    /// How the service names itself in packages.
    pub fn identity(&self) -> ServiceIdentity {
        ServiceIdentity {
            name: self.service_name.clone(),
            tag: self.service_tag.clone(),
            url: self.url.clone(),
        }
    }

    /// URL below which the self-made distributions are served, with a trailing slash: beside the results.
    pub fn distro_url(&self, chroot: &protocol::ChrootName) -> String {
        let base = self
            .results_url
            .strip_suffix("/results")
            .unwrap_or(&self.results_url);
        format!("{base}/distro/{chroot}/")
    }
}
