//! `build/create/upload` and `build/create/rpm-upload`: a multipart form whose file comes first and whose JSON, which says where it belongs, last.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{self, Payload};

use crate::api_3::build::{self, Answer};
use crate::api_3::input::{Fields, MAX_BODY};
use crate::api_3::route::fields::BUILD;
use crate::api_3::route::{Action, ApiRoute, Field, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::body::{Parts, whole};
use crate::error::Error;
use crate::operations::Received;
use crate::operations::builds::{self, Uploaded, check_count};

/// How long a refused client may go on sending, so that it comes to read the answer.
const DRAIN: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Build, POST, "/build/create/upload", create)
            .about(
                "Submits a build of an uploaded source package; the file comes first, the part `json` last.",
            )
            .multipart(&[Field::required("pkgs", Kind::File, "The source package.")])
            .multipart(&BUILD),
        token(Action::Build, POST, "/build/create/rpm-upload", create_rpm)
            .about(
                "Publishes uploaded binary packages, which were not built here: one in exactly one chroot, or many at once \
                 in the chroots that take their architectures. The files come first, the part `json` last.",
            )
            .multipart(&[Field::required(
                "pkgs",
                Kind::File,
                "The binary package; repeated for more of them.",
            )])
            .multipart(&BUILD),
    ]
}

async fn create(app: web::Data<App>, signed: Signed, request: HttpRequest, payload: Payload) -> Answer {
    take(&app, &signed, &request, payload, Uploaded::Source).await
}

async fn create_rpm(app: web::Data<App>, signed: Signed, request: HttpRequest, payload: Payload) -> Answer {
    take(&app, &signed, &request, payload, Uploaded::Rpm).await
}

async fn take(app: &App, signed: &Signed, request: &HttpRequest, payload: Payload, what: Uploaded) -> Answer {
    let mut form = Parts::new(request, payload);
    let mut received = Vec::new();
    let mut fields = Fields::of(request);
    let read = read((app, signed, what), &mut form, &mut received, &mut fields).await;
    let submitted = match read {
        Ok(()) if !received.is_empty() => submit(app, signed, &fields, received).await,
        read => {
            for file in &received {
                builds::discard_upload(app, file).await;
            }
            read.and(Err(Error::Invalid(
                "pkgs: The file of the package is missing".to_owned(),
            )))
        }
    };
    if submitted.is_err() {
        let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = form.next().await {} }).await;
    }
    submitted
}

async fn read(
    (app, signed, what): (&App, &Signed, Uploaded),
    form: &mut Parts,
    received: &mut Vec<Received>,
    fields: &mut Fields,
) -> Result<(), Error> {
    let mut left = app.config.max_upload_bytes;
    while let Some(mut field) = form.field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "pkgs" {
            if what == Uploaded::Source && !received.is_empty() {
                return Err(Error::Invalid("pkgs: Send one file in one request".to_owned()));
            }
            check_count(received.len())?;
            let file_name = field
                .content_disposition()
                .and_then(|d| d.get_filename())
                .unwrap_or_default()
                .to_owned();
            let file = builds::receive_upload(app, &signed.actor, what, (&file_name, left), field).await?;
            left = left.saturating_sub(file.size());
            received.push(file);
            continue;
        }
        let bytes = whole(&mut field, MAX_BODY).await?;
        fields.add_part(&name, &bytes)?;
    }
    Ok(())
}

async fn submit(app: &App, signed: &Signed, fields: &Fields, received: Vec<Received>) -> Answer {
    let checked = async {
        let project = build::project_of(app, fields).await?;
        signed.actor.may_build(&project)?;
        Ok((project, fields.build_request()?))
    };
    match checked.await {
        Ok((project, request)) => {
            let actor = &signed.actor;
            let id = builds::submit_uploads(app, actor, &project, &request, received).await?;
            build::written(app, id).await
        }
        Err(error) => {
            for file in &received {
                builds::discard_upload(app, file).await;
            }
            Err(error)
        }
    }
}
