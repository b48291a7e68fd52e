//! Starting QEMU from a thread that lives as long as the process.
//!
//! `PR_SET_PDEATHSIG`, by which a VM dies with a builder that was killed, means the death of the *thread* that
//! started it; threads of a runtime come and go.

use std::sync::{OnceLock, mpsc};

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Request {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

fn serve(requests: &mpsc::Receiver<Request>) {
    for Request {
        mut command,
        runtime,
        reply,
    } in requests
    {
        let _inside = runtime.enter();
        // A requester that went away drops the child, which kills it.
        let _ = reply.send(command.spawn());
    }
}

/// Starts a command from the thread that never ends.
pub async fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel();
        std::thread::spawn(move || serve(&requests));
        sender
    });
    let (reply, answer) = oneshot::channel();
    let request = Request {
        command,
        runtime: Handle::current(),
        reply,
    };
    spawner
        .send(request)
        .ok()
        .context("the thread that starts VMs is gone")?;
    answer
        .await
        .context("the thread that starts VMs is gone")?
        .context("start QEMU")
}
