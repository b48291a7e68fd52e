//! `koper retention --dry-run`: what would go of all repositories, if nothing comes to name it. Nothing is changed.

use std::io::Write as _;

use anyhow::Context as _;
use chrono::{SecondsFormat, Utc};
use clap::Args;
use db::retention::{self, Plan};

use crate::cli::Settings;

/// What to list.
#[derive(Debug, Args)]
pub struct Options {
    /// Only list; the backend removes by itself what has to go.
    #[arg(long, required = true)]
    dry_run: bool,
    /// Only of this owner.
    #[arg(long)]
    owner: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// Prints a line for each snapshot and each package that goes, and sums at the end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let config = options.settings.load()?;
    let rule = config.backend.retention.policy();
    let pool = config.pool()?;
    let mut conn = pool.get().await.context("connecting to the database")?;
    let mut out = std::io::stdout();
    let now = db::SystemClock()();
    let (mut snapshots, mut packages, mut bytes) = (0, 0, 0);
    let mut after = 0;
    while let Some((repository, owner, settings)) = retention::next_repository(&mut conn, after).await? {
        after = repository.id;
        if options
            .owner
            .as_ref()
            .is_some_and(|wanted| wanted != owner.as_str())
        {
            continue;
        }
        let plan = retention::plan(&mut conn, repository.id, rule.of(&settings), now).await?;
        let place = format!("{owner}/{}/{}", repository.dir, repository.chroot);
        print(&mut out, &place, &plan)?;
        snapshots += plan.going.len();
        packages += plan.orphans.ids.len();
        bytes += plan.orphans.bytes;
    }
    let stored = retention::stored(&mut conn).await?;
    writeln!(
        out,
        "{snapshots} snapshots and {packages} packages ({bytes} bytes) go; {} files may be named by nothing; stored are {} \
         bytes, which projects name {} of; {} of them are kept for snapshots only",
        stored.loose, stored.stored_bytes, stored.named_bytes, stored.past_bytes
    )?;
    Ok(())
}

fn print(out: &mut impl std::io::Write, place: &str, plan: &Plan) -> std::io::Result<()> {
    let at = |time: chrono::DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    for going in &plan.going {
        let facts = &going.facts;
        let marked = if facts.purge_at.is_some() { " marked" } else { "" };
        writeln!(
            out,
            "{} {place} snapshot {} ({}){marked}",
            at(going.goes_at),
            facts.number,
            facts.cause
        )?;
    }
    for package in &plan.packages {
        writeln!(
            out,
            "{} {place} package {} {} bytes",
            at(package.goes_at),
            package.file_name,
            package.size
        )?;
    }
    if plan.metadata > 0 {
        writeln!(out, "later {place} {} parts of metadata", plan.metadata)?;
    }
    Ok(())
}
