//! Counts downloads in memory, so that no download waits for a database.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use protocol::{OwnerName, ProjectName};

/// Most bytes that are handed to a connection at once. It takes more when these are on their way, so of a download that
/// is broken off little more is counted than went out.
const PIECE: usize = 64 << 10;

type Project = (OwnerName, ProjectName);

/// Bytes of answers, per project. Only what exists is answered with bytes, so nobody can fill this with names.
#[derive(Debug, Default)]
pub(crate) struct Served(Mutex<HashMap<Project, u64>>);

impl Served {
    fn lock(&self) -> MutexGuard<'_, HashMap<Project, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer's bytes while they go out, not what its head promises.
    pub fn count(this: &Arc<Self>, project: Project, response: HttpResponse) -> HttpResponse {
        if !response.status().is_success() {
            return response;
        }
        let served = this.clone();
        response.map_body(|_, body| {
            BoxBody::new(Counted {
                body,
                rest: Bytes::new(),
                project,
                served,
            })
        })
    }

    fn add(&self, project: &Project, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let mut all = self.lock();
        match all.get_mut(project) {
            Some(sum) => *sum = sum.saturating_add(bytes),
            None => {
                all.insert(project.clone(), bytes);
            }
        }
    }

    /// What was counted since this was last asked.
    pub fn take(&self) -> HashMap<Project, u64> {
        std::mem::take(&mut self.lock())
    }

    /// Takes back what could not be written down.
    pub fn put_back(&self, counted: impl IntoIterator<Item = (Project, u64)>) {
        for (project, bytes) in counted {
            self.add(&project, bytes);
        }
    }
}

/// A body that counts what is taken out of it.
struct Counted {
    body: BoxBody,
    /// Of the body's last piece.
    rest: Bytes,
    project: Project,
    served: Arc<Served>,
}

impl MessageBody for Counted {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.served.add(&self.project, piece.len() as u64);
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_is_not_taken_is_not_counted() {
        let served = Arc::new(Served::default());
        let project: Project = ("alice".parse().unwrap(), "tools".parse().unwrap());
        let whole = 10 * PIECE + 1;
        let answer = || {
            let response = HttpResponse::Ok().body(vec![7_u8; whole]);
            let mut body = Served::count(&served, project.clone(), response).into_body();
            assert_eq!(body.size(), BodySize::Sized(whole as u64));
            async move |pieces: usize| {
                let mut bytes = 0;
                for _ in 0..pieces {
                    match poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
                        Some(piece) => bytes += piece.unwrap().len(),
                        None => break,
                    }
                }
                bytes
            }
        };
        let counted = || served.take().remove(&project);
        // Opened and closed.
        drop(answer());
        assert_eq!(counted(), None);
        assert_eq!(answer()(2).await, 2 * PIECE);
        assert_eq!(counted(), Some(2 * PIECE as u64));
        assert_eq!(answer()(usize::MAX).await, whole);
        assert_eq!(counted(), Some(whole as u64));
        let missing = HttpResponse::NotFound().body("nothing");
        drop(Served::count(&served, project.clone(), missing));
        assert_eq!(counted(), None);
    }
}
