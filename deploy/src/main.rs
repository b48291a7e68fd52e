//! The command `koper`.

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    match koper::cli::Cli::parse().run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("koper: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
