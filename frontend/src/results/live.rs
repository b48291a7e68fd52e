//! Logs of builds that run. They are no objects yet, so they are read from the database, and only where the store has
//! nothing.

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use db::Pool;
use futures_util::{Stream, StreamExt, stream};
use protocol::TaskId;
use storage::StorageKey;

use crate::results::Gateway;
use crate::results::address::Wanted;
use crate::results::download::{About, FRESH, Prepared, prepare};
use crate::results::error::GatewayError;
use crate::results::listing::{Line, page};

/// What the log is called, before its build ends and after.
const LOG_NAME: &str = "builder-live.log";

/// The log of the running attempt, as far as it has come.
#[derive(Clone)]
pub(super) struct LiveLog {
    pool: Pool,
    task: TaskId,
    attempt: i32,
    /// Bytes.
    length: u64,
}

impl Gateway {
    /// The log behind a result folder that has not been written yet; `None` when nobody has begun, or there is no such
    /// build.
    pub(super) async fn live_log(&self, folder: &StorageKey) -> Result<Option<LiveLog>, GatewayError> {
        let Some((pool, _)) = &self.database else {
            return Ok(None);
        };
        let (owner, dir, id) = match folder {
            StorageKey::ResultIndex {
                owner,
                dir,
                build_dir,
                ..
            } => (owner, dir, build_dir.build),
            StorageKey::SourceIndex { owner, dir, build } => (owner, dir, *build),
            _ => return Ok(None),
        };
        let mut conn = pool.get().await.map_err(db::DbError::from)?;
        let found = db::builds::find_with_project(&mut conn, id).await?;
        let Some((build, _)) = found.filter(|(build, project)| project.owner == *owner && build.dir == *dir)
        else {
            return Ok(None);
        };
        let task = match folder {
            StorageKey::ResultIndex {
                chroot, build_dir, ..
            } if build.listed_as().as_ref() == Some(&build_dir.package) => {
                build.tasks.iter().find(|t| t.chroot.as_ref() == Some(chroot))
            }
            StorageKey::SourceIndex { .. } => build.source_task.as_ref(),
            _ => None,
        };
        let Some(task) = task.filter(|t| t.attempt > 0) else {
            return Ok(None);
        };
        let length = db::logs::length(&mut conn, task.id, task.attempt).await?;
        // What has ended without a log has one in the store by now, or never had any.
        let over = task.state.is_final() && length == 0;
        Ok((!over).then(|| LiveLog {
            pool: pool.clone(),
            task: task.id,
            attempt: task.attempt,
            length,
        }))
    }
}

impl LiveLog {
    /// The log, or a page of the folder, which holds nothing else.
    pub fn answer(
        self,
        request: &HttpRequest,
        wanted: &Wanted,
        title: &str,
    ) -> Result<HttpResponse, GatewayError> {
        match wanted {
            Wanted::Listing(base) => Ok(page(
                title,
                base,
                &[Line::file(LOG_NAME, Some(self.length))],
                None,
            )),
            Wanted::File(name) if name.as_str() == LOG_NAME => Ok(self.send(request)),
            Wanted::File(_) => Err(GatewayError::NotFound),
        }
    }

    fn send(self, request: &HttpRequest) -> HttpResponse {
        let about = About {
            etag: format!("{}-{}-{}", self.task, self.attempt, self.length),
            content_type: "text/plain; charset=utf-8".to_owned(),
            gzip: false,
            cache_control: FRESH,
            modified: None,
            snapshot: None,
        };
        let (mut response, first, last) = match prepare(request, &about, self.length) {
            Prepared::Done(done) => return done,
            Prepared::Send(response, first, last) => (response, first, last),
        };
        if *request.method() == Method::HEAD {
            let nothing = stream::empty::<Result<Bytes, GatewayError>>();
            return response.body(SizedStream::new(last - first, nothing));
        }
        response.body(SizedStream::new(
            last - first,
            self.pieces(first, last).boxed_local(),
        ))
    }

    /// The bytes from `first` to before `last`. If the build ends meanwhile and its log moves into the store, the answer
    /// breaks off, and the same address has the whole.
    fn pieces(self, first: u64, last: u64) -> impl Stream<Item = Result<Bytes, GatewayError>> {
        stream::try_unfold((self, first), move |(log, at)| async move {
            if at >= last {
                return Ok(None);
            }
            let mut conn = log.pool.get().await.map_err(db::DbError::from)?;
            let mut bytes = db::logs::read(&mut conn, log.task, log.attempt, at).await?;
            drop(conn);
            bytes.truncate(usize::try_from(last - at).unwrap_or(usize::MAX));
            if bytes.is_empty() {
                return Err(GatewayError::NotFound);
            }
            let at = at + bytes.len() as u64;
            Ok(Some((Bytes::from(bytes), (log, at))))
        })
    }
}
