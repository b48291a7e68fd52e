//! The agent: `/init` of the virtual machine that builds one package.

fn main() -> std::process::ExitCode {
    guest::main()
}
