//! Whoever looks at a page.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use db::projects::Project;
use db::users::Session;

use crate::access::Actor;
use crate::app::App;
use crate::auth::{same_secret, session};
use crate::error::Error;
use crate::templates::context::{Frame, ProjectHead};

/// Whoever looks at a page: the session of its cookie, or nobody.
pub struct Visitor {
    service: String,
    session: Option<Session>,
    /// The same, for [`crate::operations`].
    pub actor: Actor,
}

impl Visitor {
    fn new(app: &App, session: Option<Session>) -> Self {
        let actor = session
            .as_ref()
            .map_or(Actor::Nobody, |s| Actor::of(s.user.clone(), s.rights.clone()));
        Self {
            service: app.config.service_name.clone(),
            session,
            actor,
        }
    }

    /// What every page shows around its content.
    pub fn frame(&self) -> Frame {
        frame(&self.service, self.session.as_ref())
    }

    /// Refuses a form that does not carry what this session's forms carry.
    ///
    /// # Errors
    /// 401 without a session, 403 for a form of somebody else's making.
    pub fn check_csrf(&self, given: Option<&str>) -> Result<(), Error> {
        self.actor.signed_in()?;
        let right = self.session.as_ref().map(|s| s.csrf_token.as_str());
        match (right, given) {
            (Some(right), Some(given)) if same_secret(right, given) => Ok(()),
            _ => Err(Error::Forbidden(
                "This form does not belong to your session, so nothing was changed.".to_owned(),
            )),
        }
    }

    /// The top of a project's page.
    pub fn head(&self, project: &Project) -> ProjectHead {
        ProjectHead {
            owner: project.owner.to_string(),
            name: project.name.to_string(),
            path: super::views::project_path(project),
            holder: (project.holder != project.owner).then(|| project.holder.to_string()),
            may_build: self.actor.may_build(project).is_ok(),
            may_edit: self.actor.may_edit(project).is_ok(),
        }
    }
}

/// The frame of a page for a session, or for nobody.
pub fn frame(service: &str, session: Option<&Session>) -> Frame {
    Frame {
        service: service.to_owned(),
        user: session.map(|s| s.user.name.to_string()),
        csrf: session.map(|s| s.csrf_token.clone()).unwrap_or_default(),
        unfinished: false,
    }
}

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let app = req
                .app_data::<web::Data<App>>()
                .ok_or_else(|| Error::Internal("the handlers' shared state is missing".to_owned()))?;
            let session = session(app, &req).await?;
            if let Some(session) = &session {
                // For the frame of an error's page.
                req.extensions_mut().insert(session.clone());
            }
            Ok(Self::new(app, session))
        })
    }
}
