//! The process that QEMU starts for each connection of the guest.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Connects standard input and output with a unix socket until both directions have ended.
///
/// # Errors
/// When the socket cannot be connected to, or copying fails.
pub fn relay(socket: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(socket)?;
    let mut from = stream.try_clone()?;
    let to = stream;
    // QEMU runs the process with one socket as both standard input and output. The answer's end ends everything:
    // a client that keeps its half open must not keep the process.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    // `Stdout` itself is line-buffered.
    let mut out = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    io::copy(&mut from, &mut out).map(|_| ())
}
