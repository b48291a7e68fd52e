//! Results of tests, by which what was built comes to builds and users.

use actix_web::web::{self, Json, Path};
use db::gates::TestResult as Row;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Fields;
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, POST, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::builds::find_build;
use crate::operations::gates::{self, Report};
use crate::operations::snapshots;

const REPORT: [Field; 3] = [
    Field::required(
        "result",
        Kind::Choice(&["pass", "fail"]),
        "What the test found. After `pass` builds see the packages at once, and users as `release_after_hours` of the \
         project says; after `fail` nothing moves.",
    ),
    Field::new("url", Kind::Text, "Where the run of the test is."),
    Field::new("message", Kind::Text, "What it says; why it failed."),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Test, POST, "/build/test-result/{id}", report_build)
            .about("Reports the result of a test of what a build made.")
            .body(&REPORT)
            .body(&[Field::new("chroot", Kind::Text, "Only in this chroot.")]),
        public(GET, "/build/test-results/{id}", of_build).about("Results of tests of a build, newest first."),
        token(
            Action::Test,
            POST,
            "/snapshot/test-result/{owner}/{dir}/{chroot}",
            report_snapshot,
        )
        .about("Reports the result of a test of a snapshot. What it has and builds have not passes with it.")
        .body(&[Field::required(
            "snapshot",
            Kind::Text,
            "The snapshot that was tested: its number; a pointer may have moved since.",
        )])
        .body(&REPORT),
        public(
            GET,
            "/snapshot/test-results/{owner}/{dir}/{chroot}",
            of_repository,
        )
        .about("Results of tests in a repository, newest first."),
    ]
}

/// Results of tests.
#[derive(Serialize, JsonSchema)]
struct Results {
    items: Vec<TestResult>,
}

/// The result of a test.
#[derive(Serialize, JsonSchema)]
struct TestResult {
    id: i64,
    /// `pass` or `fail`.
    result: &'static str,
    dirname: String,
    chroot: String,
    /// The build that was tested, if it was one.
    build_id: Option<i64>,
    /// Else the snapshot.
    snapshot: Option<i64>,
    url: String,
    message: String,
    /// Who reported it.
    actor: String,
    /// The test of the service itself that it is of (`koper.installable`); empty for those that somebody reported.
    testcase: String,
    /// Seconds since 1970, as all times here.
    reported_on: i64,
    /// Since when builds see the packages.
    builds_on: Option<i64>,
    /// Since when users see them.
    users_on: Option<i64>,
    /// When users get them by themselves.
    release_on: Option<i64>,
    /// Whether they do not, because a later test failed.
    held: bool,
}

fn models(rows: Vec<Row>) -> Json<Results> {
    let model = |row: Row| TestResult {
        id: row.id,
        result: if row.passed { "pass" } else { "fail" },
        dirname: row.dir,
        chroot: row.chroot,
        build_id: row.build,
        snapshot: row.snapshot,
        url: row.url,
        message: row.message,
        actor: row.actor,
        testcase: row.testcase,
        reported_on: row.at.timestamp(),
        builds_on: row.builds_at.map(|at| at.timestamp()),
        users_on: row.users_at.map(|at| at.timestamp()),
        release_on: row.release_at.map(|at| at.timestamp()),
        held: row.held,
    };
    Json(Results {
        items: rows.into_iter().map(model).collect(),
    })
}

fn report(fields: &Fields) -> Result<Report, Error> {
    let passed = match fields.required("result")?.as_str() {
        "pass" => true,
        "fail" => false,
        _ => return Err(Error::Invalid("result: use pass or fail".to_owned())),
    };
    Ok(Report {
        passed,
        url: fields.text("url")?.unwrap_or_default(),
        message: fields.text("message")?.unwrap_or_default(),
    })
}

async fn report_build(
    app: web::Data<App>,
    signed: Signed,
    id: Path<String>,
    fields: Fields,
) -> Result<Json<Results>, Error> {
    let (build, project) = find_build(&app, &id).await?;
    signed.actor.may_edit(&project)?;
    let (report, chroot) = (report(&fields)?, fields.text("chroot")?);
    let of = (&build, &project);
    let rows = gates::of_build(&app, &signed.actor, of, chroot.as_deref(), &report).await?;
    Ok(models(rows))
}

async fn of_build(app: web::Data<App>, id: Path<String>) -> Result<Json<Results>, Error> {
    let (build, _) = find_build(&app, &id).await?;
    Ok(models(gates::results_of_build(&app, &build).await?))
}

type At = Path<(String, String, String)>;

async fn report_snapshot(
    app: web::Data<App>,
    signed: Signed,
    at: At,
    fields: Fields,
) -> Result<Json<Results>, Error> {
    let place = snapshots::find(&app, &at.0, &at.1, &at.2).await?;
    signed.actor.may_edit(&place.project)?;
    let (report, number) = (report(&fields)?, fields.required("snapshot")?);
    let rows = gates::of_snapshot(&app, &signed.actor, &place, &number, &report).await?;
    Ok(models(rows))
}

async fn of_repository(app: web::Data<App>, at: At) -> Result<Json<Results>, Error> {
    let place = snapshots::find(&app, &at.0, &at.1, &at.2).await?;
    Ok(models(gates::results_of_repository(&app, &place).await?))
}
