//! Named places where a test can make the process die, to show that nothing is lost there.

use std::path::PathBuf;

/// Where to die, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    file: Option<PathBuf>,
}

impl Faults {
    /// Reads the wish from `file` each time a place is passed; `None` never dies.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Passes a named place: if the file holds exactly this name it is removed and the process aborts, which is what
    /// `kill -9` looks like from outside.
    pub fn pass(&self, place: &str) {
        let Some(file) = &self.file else { return };
        if fs_err::read_to_string(file).is_ok_and(|wish| wish.trim() == place)
            && fs_err::remove_file(file).is_ok()
        {
            tracing::warn!("aborting at {place}, as {} asked for", file.display());
            std::process::abort();
        }
    }
}
