//! Sample calls of `copr-cli`, see `commands.rs`.

mod builds;
mod packages;
mod projects;

pub use builds::BUILDS;
pub use packages::PACKAGES;
pub use projects::PROJECTS;

/// One call.
#[derive(Clone, Copy)]
pub struct Call {
    /// Who calls, and the arguments, one space between any two; `~` stands for a space within one. In braces: `{one}` and
    /// `{other}` are chroots, `{dir}` holds files, `{first}` and `{last}` are builds that calls printed, and `{options}`
    /// are [`OPTIONS`].
    pub line: &'static str,
    /// Its exit code.
    pub code: i32,
    /// What it prints: on standard output when it succeeds, on standard error otherwise or after `!`.
    pub says: &'static str,
    /// What the API says afterwards: a path, a place in the JSON, and the JSON there.
    pub then: &'static [(&'static str, &'static str, &'static str)],
}

const fn call(
    line: &'static str,
    code: i32,
    says: &'static str,
    then: &'static [(&'static str, &'static str, &'static str)],
) -> Call {
    Call {
        line,
        code,
        says,
        then,
    }
}

/// Options that all commands which build have, but those of batches, which exclude each other.
pub const OPTIONS: &str = "--memory 512 --timeout 300 --nowait --chroot {one} --exclude-chroot {other} --background \
    --isolation simple --enable-net on --bootstrap on";

const TOOLS: &str = "/project/export/alice/tools/json";
const CONFIG: &str = "/build/source-build-config/{last}";
