//! A private PostgreSQL for tests: one cluster per test process, one database per test.
//!
//! The cluster listens on a Unix socket in a directory of its own and ends with the process that started it, however
//! that ends; the directories of ended processes are swept at the next start.

use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use fs_err as fs;
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

/// How long a cluster may take to answer for the first time.
const START: Duration = Duration::from_secs(60);
const PREFIX: &str = "koper-test-pg-";
const TEMPLATE: &str = "koper_template";

static SHARED: OnceCell<Cluster> = OnceCell::const_new();

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    databases: AtomicU32,
}

impl Cluster {
    /// This process's cluster; started when it is first asked for.
    ///
    /// # Errors
    /// When PostgreSQL 15 or later is not installed, or does not start; the text says which.
    pub async fn shared() -> io::Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> io::Result<Self> {
        sweep();
        let bin = binaries()?;
        let template = Self::template(&bin).await?;
        let dir = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        make_dir(&dir)?;
        // Making a cluster anew costs a second of processor time, and every test process needs one.
        output(Command::new("cp").arg("-a").args([&template, &dir.join("data")]))?;
        Self::run(&bin, dir).await
    }

    /// Data of a stopped cluster whose database [`TEMPLATE`] has all migrations; made once for all test processes.
    async fn template(bin: &Path) -> io::Result<PathBuf> {
        let mut hasher = std::hash::DefaultHasher::new();
        bin.hash(&mut hasher);
        for file in migrations()? {
            file.hash(&mut hasher);
            fs::read(file)?.hash(&mut hasher);
        }
        let name = format!("koper-test-template-{:016x}", hasher.finish());
        let finished = std::env::temp_dir().join(&name);
        let lock = fs::File::create(std::env::temp_dir().join("koper-test-template.lock"))?;
        lock.file().lock()?;
        if finished.exists() {
            return Ok(finished);
        }
        let dir = std::env::temp_dir().join(format!("{PREFIX}{}-template", std::process::id()));
        make_dir(&dir)?;
        let data = dir.join("data");
        output(
            as_postgres(&dir, &bin.join("initdb"))?
                .args([
                    "--username=postgres",
                    "--auth=trust",
                    "--no-sync",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ])
                .arg("-D")
                .arg(&data),
        )?;
        let cluster = Self::run(bin, dir.clone()).await?;
        cluster.execute(&format!("CREATE DATABASE {TEMPLATE}")).await?;
        crate::migrate(&cluster.url(TEMPLATE))
            .await
            .map_err(io::Error::other)?;
        output(
            as_postgres(&dir, &bin.join("pg_ctl"))?
                .args(["-w", "-m", "fast", "stop", "-D"])
                .arg(&data),
        )?;
        fs::rename(&data, &finished)?;
        fs::remove_dir_all(&dir)?;
        Ok(finished)
    }

    /// Starts the server of a data directory.
    async fn run(bin: &Path, dir: PathBuf) -> io::Result<Self> {
        let log = fs::File::create(dir.join("log"))?.into_parts().0;
        let mut server = as_postgres(&dir, &bin.join("postgres"))?;
        server.arg("-D").arg(dir.join("data")).arg("-k").arg(&dir).args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=400",
        ]);
        server.stdout(Stdio::null()).stderr(log);
        // The death signal goes by the thread that started the server, so that thread has to live as long as the
        // process.
        std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                let ended = server.spawn().and_then(|mut child| child.wait());
                tracing::debug!("the test's PostgreSQL ended: {ended:?}");
                loop {
                    std::thread::park();
                }
            })?;
        let cluster = Self {
            dir,
            databases: AtomicU32::new(0),
        };
        cluster.wait().await?;
        Ok(cluster)
    }

    async fn wait(&self) -> io::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            match self.execute("SELECT 1").await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                    return Err(io::Error::other(format!(
                        "PostgreSQL does not start: {error}\n{log}"
                    )));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn url(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.dir.display())
    }

    async fn execute(&self, sql: &str) -> io::Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls)
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let result = client.batch_execute(sql).await.map_err(io::Error::other);
        drop(client);
        let _ = driver.await;
        result
    }

    /// Makes a database with all migrations applied; its URL.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn database(&self) -> io::Result<String> {
        self.make(&format!("TEMPLATE {TEMPLATE}")).await
    }

    /// Makes an empty database; its URL.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn empty_database(&self) -> io::Result<String> {
        self.make("").await
    }

    async fn make(&self, options: &str) -> io::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} {options}")).await?;
        Ok(self.url(&name))
    }
}

fn is_root() -> io::Result<bool> {
    Ok(output(Command::new("id").arg("-u"))? == "0")
}

/// Makes a directory that PostgreSQL may write to: it refuses to run as root.
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if is_root()? {
        let number = |flag| -> io::Result<u32> {
            output(Command::new("id").args([flag, "postgres"]))?
                .parse()
                .map_err(io::Error::other)
        };
        std::os::unix::fs::chown(dir, Some(number("-u")?), Some(number("-g")?))?;
    }
    Ok(())
}

/// A command that ends with this process, as a user whom PostgreSQL takes.
fn as_postgres(dir: &Path, program: &Path) -> io::Result<Command> {
    let mut command = Command::new("setpriv");
    command.current_dir(dir).stdin(Stdio::null());
    if is_root()? {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig=QUIT", "--"]).arg(program);
    Ok(command)
}

/// All files of all migrations, sorted.
fn migrations() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations"))?.flatten() {
        if folder.file_type()?.is_dir() {
            files.push(folder.path().join("up.sql"));
        }
    }
    files.sort();
    Ok(files)
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command
        .output()
        .map_err(|e| io::Error::other(format!("running {}: {e}", command.get_program().display())))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!(
            "{command:?} failed ({}): {text}",
            output.status
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Debian keeps the server's programs out of `PATH`, one directory per version.
fn binaries() -> io::Result<PathBuf> {
    let newest = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0);
    let found = fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        versions
            .flatten()
            .max_by_key(newest)
            .map(|entry| entry.path().join("bin"))
    });
    found
        .filter(|bin| bin.join("initdb").exists())
        .ok_or_else(|| io::Error::other("PostgreSQL is not installed: apt-get install postgresql"))
}

/// Removes what clusters of ended processes left behind.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_string_lossy().strip_prefix(PREFIX).map(str::to_owned) else {
            continue;
        };
        let pid = pid.trim_end_matches("-template").to_owned();
        if !Path::new("/proc").join(&pid).exists() {
            // Another test process may sweep at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs SQL that no function of this crate would, to bring about states that should not be.
///
/// # Errors
/// When the query fails.
pub async fn execute(conn: &mut crate::Connection, sql: &str) -> crate::DbResult<usize> {
    use diesel_async::RunQueryDsl as _;
    Ok(diesel::sql_query(sql).execute(conn).await?)
}

/// Gives a project's first repository for a chroot two snapshots as a backend would: one without packages, and the
/// latest with `hello`. The pointer `stable` names it too.
///
/// # Errors
/// When a query fails.
pub async fn two_snapshots(conn: &mut crate::Connection, project: &str, chroot: &str) -> crate::DbResult<()> {
    let of = format!(
        "(SELECT min(r.id) FROM repositories r JOIN projects p ON p.id = r.project_id
             WHERE p.name = '{project}' AND r.chroot = '{chroot}')"
    );
    let packages = format!(
        "INSERT INTO rpms (repository_id, name, epoch, version, release, arch, file_name, sha256, unsigned_sha256, size,
             since_snapshot, primary_xml, filelists_xml, other_xml)
         VALUES ({of}, 'hello', 0, '1', '1', 'noarch', 'hello-1-1.noarch.rpm', repeat('1', 64), '', 7, 2, '', '', '')"
    );
    let snapshots = format!(
        "INSERT INTO snapshots (repository_id, number, parent, created_at, cause, packages, repomd_sha256, content, added)
         SELECT {of}, n, n - 1, '2026-11-21T00:00:00Z', 'test', n - 1, '', ids, ids
         FROM (VALUES (1, '{{}}'::bigint[]), (2, ARRAY(SELECT id FROM rpms WHERE repository_id = {of}))) AS s (n, ids)"
    );
    let pointers = format!(
        "INSERT INTO pointers (repository_id, name, snapshot, moved_at) VALUES ({of}, 'stable', 2, '2026-11-21T00:00:00Z')"
    );
    let latest = format!(
        "UPDATE repositories SET current_snapshot = 2, devel_snapshot = 2, next_snapshot = 3 WHERE id = {of}"
    );
    for statement in [packages, snapshots, pointers, latest] {
        execute(conn, &statement).await?;
    }
    Ok(())
}

static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn statements() -> MutexGuard<'static, Vec<String>> {
    // Whoever panicked with it has failed the test already.
    STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the text of every statement, and its values behind ` -- binds: `, that this process sends over connections
/// that are opened from now on.
///
/// # Errors
/// When diesel refuses.
pub fn record_statements() -> io::Result<()> {
    fn recorder() -> Option<Box<dyn Instrumentation>> {
        Some(Box::new(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                // What a new connection is set up with belongs to no request.
                if !text.starts_with("SET ") {
                    statements().push(text);
                }
            }
        }))
    }
    set_default_instrumentation(recorder).map_err(io::Error::other)
}

/// The statements since the last call.
pub fn take_statements() -> Vec<String> {
    std::mem::take(&mut *statements())
}

#[derive(diesel::QueryableByName)]
struct PlanLine {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}

/// How PostgreSQL runs a statement with `$1` and so on once it has seen it a few times: the plan that fits any values.
/// What only reads is run with the values that were noted, so that the plan says how many rows came of each part.
///
/// # Errors
/// When the statement is not valid.
pub async fn explain(conn: &mut crate::Connection, statement: &str) -> crate::DbResult<String> {
    use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
    let (statement, binds) = statement.split_once(" -- binds: ").unwrap_or((statement, "[]"));
    let count = (1..).take_while(|n| statement.contains(&format!("${n}"))).count();
    let noted = literals(binds);
    let runs = noted.len() == count && !statement.contains("FOR UPDATE") && {
        let verb = statement.trim_start().get(..6).unwrap_or_default();
        verb.eq_ignore_ascii_case("select")
    };
    let values = if runs {
        noted
    } else {
        vec!["NULL".to_owned(); count]
    };
    let values = match count {
        0 => String::new(),
        _ => format!("({})", values.join(", ")),
    };
    let how = if runs { "(ANALYZE, TIMING OFF)" } else { "" };
    let prepare =
        format!("DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan; PREPARE explained AS {statement}");
    conn.batch_execute(&prepare).await?;
    let lines: Vec<PlanLine> = diesel::sql_query(format!("EXPLAIN {how} EXECUTE explained{values}"))
        .load(conn)
        .await?;
    conn.batch_execute("DEALLOCATE ALL; RESET plan_cache_mode")
        .await?;
    let lines: Vec<String> = lines.into_iter().map(|l| l.line).collect();
    Ok(lines.join("\n"))
}

/// Values as diesel writes them for people, as SQL writes them.
fn literals(binds: &str) -> Vec<String> {
    parts(binds).iter().map(|part| literal(part.trim())).collect()
}

/// The parts of a list in brackets.
fn parts(list: &str) -> Vec<String> {
    let inner = list.trim();
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let mut parts = Vec::new();
    let (mut part, mut depth, mut quoted, mut escaped) = (String::new(), 0_i32, false, false);
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '(' | '{' if !quoted => depth += 1,
            ']' | ')' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part);
    }
    parts
}

fn literal(value: &str) -> String {
    if value == "None" {
        return "NULL".to_owned();
    }
    if let Some(some) = value.strip_prefix("Some(").and_then(|v| v.strip_suffix(')')) {
        return literal(some);
    }
    if value.starts_with('[') {
        // Quoted as diesel does, which an array takes as well.
        let all: Vec<String> = parts(value).iter().map(|part| part.trim().to_owned()).collect();
        return format!("'{{{}}}'", all.join(",").replace('\'', "''"));
    }
    let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_values_become_sql() {
        assert_eq!(
            literals(r#"[100, "it's, \"so\"", None, Some("x"), [1, 2], ["a", "b"], []]"#),
            [
                "'100'",
                "'it''s, \"so\"'",
                "NULL",
                "'x'",
                "'{1,2}'",
                "'{\"a\",\"b\"}'",
                "'{}'"
            ]
        );
        assert!(literals("[]").is_empty());
    }
}
