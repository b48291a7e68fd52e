//! What stops a whole builder.

/// Why [`crate::run`] ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used.
    #[error("builder setting {setting}: {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The hub refuses this builder for good.
    #[error("the hub at {hub} refuses this builder: {reason}")]
    Refused {
        /// The hub's URL.
        hub: String,
        /// What it said.
        reason: String,
    },
    /// The machine cannot run VMs, or the data directory cannot be used.
    #[error("prepare the builder: {0:#}")]
    Prepare(anyhow::Error),
}
