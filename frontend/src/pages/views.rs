//! From rows to what pages show.

use chrono::{DateTime, SecondsFormat, Utc};
use db::builds::Build;
use db::projects::Project;
use db::quotas::DAYS;
use db::read::builds::Line;
use db::read::projects::Shown;
use db::tasks::{TaskRow, TaskState};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::FailureKind;
use protocol::builder_api::Phase;

use crate::config::Config;
use crate::live_log::SOURCE;
use crate::operations::projects::is_web_url;
use crate::operations::quotas::Quota;
use crate::templates::context::{
    BuildLine, Link, Moment, ProjectLine, QuotaLine, TaskFailure, TaskLine, TestLine,
};

/// What stays as it is in a path's segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'+');

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A text as a value in a query, where a bare `+` would be a space.
pub fn value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A text as the rest of a path.
pub fn segments(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A point in time, seen from now.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Moment {
    let passed = now - at;
    let ago = if passed.num_seconds() < 5 {
        "just now".to_owned()
    } else if passed.num_minutes() < 1 {
        format!("{} s ago", passed.num_seconds())
    } else if passed.num_hours() < 1 {
        format!("{} min ago", passed.num_minutes())
    } else if passed.num_days() < 1 {
        format!("{} h ago", passed.num_hours())
    } else if passed.num_days() < 14 {
        let days = passed.num_days();
        format!("{days} day{} ago", if days == 1 { "" } else { "s" })
    } else {
        at.date_naive().to_string()
    };
    // Lists have many of them: of the same text, which is made once.
    let iso = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let full = format!("{} UTC", iso.trim_end_matches('Z').replace('T', " "));
    Moment { iso, full, ago }
}

/// A time span for people.
pub fn took(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<String> {
    Some(span((to? - from?).num_seconds().max(0)))
}

/// Seconds for people.
fn span(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    let mut unit = "B";
    let mut n = bytes;
    let mut rest = 0;
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if n < 1024 {
            break;
        }
        (rest, n, unit) = (n % 1024 * 10 / 1024, n / 1024, larger);
    }
    if rest == 0 || n >= 100 {
        format!("{n} {unit}")
    } else {
        format!("{n}.{rest} {unit}")
    }
}

/// What an owner uses and may use.
pub fn quota(quota: &Quota) -> Vec<QuotaLine> {
    let (used, limits) = (&quota.usage, &quota.limits);
    let line = |what: &str, used: i64, limit: Option<i64>, shown: fn(i64) -> String| QuotaLine {
        what: what.to_owned(),
        used: shown(used),
        limit: limit.map(shown),
        full: limit.is_some_and(|limit| used >= limit),
    };
    let bytes = |n: i64| size(n.max(0).unsigned_abs());
    let lately = |what: &str| format!("{what} in the last {DAYS} days");
    vec![
        line(
            "Parts of builds that run",
            used.concurrent_builds,
            limits.concurrent_builds.map(i64::from),
            |n| n.to_string(),
        ),
        line(
            "Builds that wait",
            used.queued_builds,
            limits.queued_builds.map(i64::from),
            |n| n.to_string(),
        ),
        line(&lately("CPU time"), used.cpu_seconds, limits.cpu_seconds, |n| {
            span(n.max(0))
        }),
        line(
            &format!(
                "Packages stored: {} that nobody else has, {} that others have too, and copies",
                bytes(quota.files.own_bytes),
                bytes(quota.files.shared_bytes)
            ),
            used.stored_bytes.unwrap_or_default(),
            limits.stored_bytes,
            bytes,
        ),
        line(
            &lately("Downloads"),
            used.served_bytes,
            limits.served_bytes,
            bytes,
        ),
    ]
}

/// URL path of a project's page.
pub fn project_path(project: &Project) -> String {
    format!("/coprs/{}/{}/", project.owner, project.name)
}

/// URL path of a build's page.
pub fn build_path(project: &Project, build: &Build) -> String {
    format!("{}build/{}/", project_path(project), build.id)
}

/// A project in a list.
pub fn project_line(project: &Shown, now: DateTime<Utc>) -> ProjectLine {
    ProjectLine {
        owner: project.owner.clone(),
        name: project.name.clone(),
        path: format!("/coprs/{}/{}/", project.owner, project.name),
        description: project.settings.description.chars().take(200).collect(),
        created: moment(project.created_at, now),
    }
}

/// A build of a list.
pub fn line(line: &Line, owner: &str, project: &str, now: DateTime<Utc>) -> BuildLine {
    let project_path = format!("/coprs/{owner}/{project}/");
    BuildLine {
        id: line.id,
        path: format!("{project_path}build/{}/", line.id),
        project: format!("{owner}/{project}"),
        project_path,
        package: match (&line.package, &line.source_url) {
            (Some(package), _) => package.clone(),
            (None, Some(url)) => url_file(url),
            (None, None) => "source package".to_owned(),
        },
        version: line.version.clone().unwrap_or_default(),
        state: line.state.clone(),
        submitted: moment(line.submitted_at, now),
        submitter: line.submitter.clone(),
    }
}

/// A build that was read with its tasks, as lists show it.
pub fn build_line(build: &Build, project: &Project, now: DateTime<Utc>) -> BuildLine {
    let srpm = build.srpm.as_ref().map(|srpm| srpm.file_name.to_string());
    let as_listed = Line {
        id: build.id.0,
        dir: build.dir.to_string(),
        state: build.state().to_owned(),
        package: build.package.as_ref().map(ToString::to_string),
        version: build.version.clone(),
        source_url: build.source_url.clone().filter(|_| srpm.is_none()),
        srpm,
        submitted_at: build.submitted_at,
        started_at: build.started_at(),
        ended_at: build.ended_at(),
        submitter: build.submitter.clone(),
        chroots: Vec::new(),
        background: build.options.background,
    };
    line(&as_listed, project.owner.as_str(), project.name.as_str(), now)
}

fn url_file(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    if [".rpm", ".spec"].iter().any(|end| file.ends_with(end)) {
        return file.chars().take(80).collect();
    }
    // Only repositories have other addresses.
    format!("import of {}", url.chars().take(80).collect::<String>())
}

/// A text that becomes a link where it is a web address or an e-mail address, and only then.
pub fn link(text: &str) -> Option<Link> {
    if text.is_empty() {
        return None;
    }
    let mail = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    let href = if is_web_url(text) {
        Some(text.to_owned())
    } else if text.matches('@').count() == 1 && text.len() < 255 && text.chars().all(mail) {
        Some(format!("mailto:{text}"))
    } else {
        None
    };
    Some(Link {
        text: text.to_owned(),
        href,
    })
}

/// What happens to a task right now; empty when nothing does.
pub fn phase_words(task: &TaskRow) -> String {
    match (task.state, task.phase) {
        (TaskState::Waiting, _) => "waiting for the source package",
        (TaskState::Pending, _) if task.attempt > 0 => "waiting for a builder, again",
        (TaskState::Pending, _) => "waiting for a builder",
        (TaskState::Publishing, _) => "checking, signing, publishing",
        (TaskState::Running, None | Some(Phase::Preparing)) => "fetching the source, preparing the machine",
        (TaskState::Running, Some(Phase::Booting)) => "starting the machine",
        (TaskState::Running, Some(Phase::Dependencies)) => "installing build requirements",
        (TaskState::Running, Some(Phase::Building)) => "building",
        (TaskState::Running, Some(Phase::Uploading)) => "uploading the results",
        (
            TaskState::Succeeded
            | TaskState::Failed
            | TaskState::Canceled
            | TaskState::Skipped
            | TaskState::Forked,
            _,
        ) => "",
    }
    .to_owned()
}

fn failure_title(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::BadSource => "The source package cannot be used",
        FailureKind::BadSpec => "The spec file does not parse",
        FailureKind::MissingDependency => "A build requirement cannot be installed",
        FailureKind::BuildFailed => "The build ended with an error",
        FailureKind::TimedOut => "The build took longer than its limit",
        FailureKind::DiskFull => "The build filled its disk",
        FailureKind::OutOfMemory => "The build ran out of memory",
        FailureKind::LogTooLong => "The build printed more than its limit",
        FailureKind::ArtifactsTooLarge => "The results are larger than the limit",
        FailureKind::GuestDied => "The build's machine stopped answering",
        FailureKind::BadResult => "The result cannot be published",
        FailureKind::DuplicateNevra => "This version is published already",
        FailureKind::Uninstallable => "A package cannot be installed",
        FailureKind::Builder => "The builder had trouble of its own",
    }
}

/// Name of a task for people.
pub fn task_title(task: &TaskRow) -> String {
    task.chroot
        .as_ref()
        .map_or("Source".to_owned(), ToString::to_string)
}

/// A task of a build's page.
pub fn task_line(
    config: &Config,
    project: &Project,
    build: &Build,
    task: &TaskRow,
    now: DateTime<Utc>,
) -> TaskLine {
    let results = results_url(config, project, build, task);
    // A log is stored once an attempt has ended.
    let has_log = task.attempt > 0 && task.state.is_final();
    TaskLine {
        title: task_title(task),
        state: task.state.as_str().to_owned(),
        phase: phase_words(task),
        attempt: task.attempt,
        started: task.started_at.map(|at| moment(at, now)),
        took: took(
            task.started_at,
            task.ended_at.or((!task.state.is_final()).then_some(now)),
        ),
        failure: task.failure.as_ref().map(|(kind, message)| TaskFailure {
            title: failure_title(*kind).to_owned(),
            message: message.clone(),
            packages_fault: kind.is_the_packages_fault(),
        }),
        log_url: results
            .as_ref()
            .filter(|_| has_log)
            .map(|url| format!("{url}builder-live.log")),
        results_url: results,
    }
}

/// Where a task's files are listed, with a trailing slash.
pub fn results_url(config: &Config, project: &Project, build: &Build, task: &TaskRow) -> Option<String> {
    let dir = format!("{}/{}/{}", config.results_url, project.owner, build.dir);
    match &task.chroot {
        Some(chroot) => {
            // The live log is a page of its own; the folder is complete at the end.
            let folder = task.results().filter(|_| task.state.is_final())?;
            Some(format!("{dir}/{chroot}/{}/", segment(folder)))
        }
        None => task
            .state
            .is_final()
            .then(|| format!("{dir}/{SOURCE}/{:08}/", build.id.0)),
    }
}

/// 40 hexadecimal digits in groups of four, as people compare them.
pub fn grouped(fingerprint: &str) -> String {
    let chars: Vec<char> = fingerprint.chars().collect();
    chars
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a test found.
pub fn test_line(test: &db::gates::TestResult, now: DateTime<Utc>) -> TestLine {
    let what = match (test.build, test.snapshot) {
        (Some(build), _) => format!("build {build} in {}", test.chroot),
        (None, number) => format!("snapshot {} of {}", number.unwrap_or_default(), test.chroot),
    };
    let at = |time: Option<DateTime<Utc>>| time.map(|time| moment(time, now));
    TestLine {
        passed: test.passed,
        what,
        run: link(&test.url),
        message: test.message.clone(),
        actor: test.actor.clone(),
        testcase: test.testcase.clone(),
        at: moment(test.at, now),
        builds: at(test.builds_at),
        users: at(test.users_at),
        planned: at(test.release_at),
        held: test.held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_become_links() {
        let href = |text: &str| link(text).and_then(|l| l.href);
        assert_eq!(
            href("https://example.org/x"),
            Some("https://example.org/x".to_owned())
        );
        assert_eq!(href("a@example.org"), Some("mailto:a@example.org".to_owned()));
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "a@b?subject=x",
            "//h/",
            "https://h/ x",
        ] {
            assert_eq!(href(bad), None, "{bad}");
        }
        assert!(link("").is_none());
    }

    #[test]
    fn times_and_sizes_read_well() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let ago = |seconds| moment(now - chrono::TimeDelta::seconds(seconds), now).ago;
        assert_eq!(
            [ago(0), ago(30), ago(200), ago(9_000), ago(90_000), ago(3_000_000)],
            [
                "just now",
                "30 s ago",
                "3 min ago",
                "2 h ago",
                "1 day ago",
                "2026-12-11"
            ]
        );
        assert_eq!(
            [size(12), size(1_536), size(4 << 30), size(155 << 10)],
            ["12 B", "1.5 KiB", "4 GiB", "155 KiB"]
        );
        assert_eq!(
            took(Some(now), Some(now + chrono::TimeDelta::seconds(75))).as_deref(),
            Some("1 min 15 s")
        );
    }

    #[test]
    fn foreign_text_stays_in_its_segment() {
        assert_eq!(segment("a/b?c#d\r\n"), "a%2Fb%3Fc%23d%0D%0A");
        assert_eq!(segments("a/b c"), "a/b%20c");
        assert_eq!(value("libsigc++20&x"), "libsigc%2B%2B20%26x");
    }
}
