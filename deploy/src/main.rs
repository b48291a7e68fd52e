//! The command `koper`.

use clap::Parser as _;

/// A page or a long list is thousands of small pieces, made and dropped at once; the C library's allocator takes a fifth
/// of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    match koper::cli::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("koper: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
