//! Writes down what was served, and tells the database the service's limits.

use std::sync::Arc;
use std::time::Duration;

use db::quotas;

use crate::app::App;
use crate::results::Served;

/// How often downloads are written down; so much is lost when the process is killed.
const PERIOD: Duration = Duration::from_secs(15);

/// Works until the service stops, and once more then.
pub(crate) async fn keep(app: Arc<App>, served: Arc<Served>) {
    let (mut told, mut stopping) = (false, false);
    loop {
        if !told {
            told = tell(&app).await;
        }
        write(&app, &served).await;
        if stopping {
            return;
        }
        let wait = if told { PERIOD } else { Duration::from_secs(1) };
        tokio::select! { () = tokio::time::sleep(wait) => {}, () = app.stopped() => stopping = true }
    }
}

/// Whether the database now knows the limits that the claim of a task looks at.
async fn tell(app: &App) -> bool {
    let limits = app.config.quota.limits();
    let Ok(mut conn) = app.pool.get().await else {
        return false;
    };
    match quotas::set_service(&mut conn, &limits, app.config.limits.cpus).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!("writing down the service's limits failed, trying again: {error}");
            false
        }
    }
}

async fn write(app: &App, served: &Served) {
    let mut counted = served.take().into_iter();
    if counted.len() == 0 {
        return;
    }
    let Ok(mut conn) = app.pool.get().await else {
        return served.put_back(counted);
    };
    while let Some(((owner, project), bytes)) = counted.next() {
        let sum = i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Err(error) = quotas::served(&mut conn, &owner, &project, sum).await {
            tracing::debug!("counting downloads failed, trying again: {error}");
            served.put_back([((owner, project), bytes)]);
            return served.put_back(counted);
        }
    }
}
