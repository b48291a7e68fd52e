//! A running task's log as server-sent events.
//!
//! `data` carries text as it is, `id` is `<attempt>-<bytes>`, by which a browser resumes after a lost connection.
//! `phase` says in words where the task stands, `skipped` how many bytes came before the first that is sent,
//! `restart` that another attempt begins at byte 0, and `end` the final state, after which the stream closes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use db::notify::Subscription;
use db::tasks::TaskRow;
use db::{Topic, logs, tasks};
use protocol::{BuildId, TaskId};
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::operations::builds::find_build;
use crate::pages::views;

/// Bytes before the end at which a fresh reader starts; the stored log has all.
const TAIL: u64 = 512 << 10;
/// Longest wait for a hint before the log is looked at anyway.
const SLOW_POLL: Duration = Duration::from_secs(5);
/// Proxies drop connections that say nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Shortest time between two looks: hints come with every chunk of every log.
const PACE: Duration = Duration::from_millis(150);

/// Path segment that stands for the source part of a build, as in its results.
pub const SOURCE: &str = "srpm-builds";

/// `GET /coprs/{owner}/{project}/build/{id}/{chroot}/log`
///
/// # Errors
/// 404 when there is no such build or it has no such chroot.
pub async fn follow(
    app: web::Data<App>,
    req: HttpRequest,
    path: web::Path<(String, String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (owner, project_name, id, chroot) = path.into_inner();
    // Before the first look, so that nothing is missed in between.
    let subscription = app.listener.subscribe(Topic::Progress);
    let (build, project) = find_build(&app, &id).await?;
    if project.owner.as_str() != owner || project.name.as_str() != project_name {
        return Err(Error::NotFound(format!(
            "Build {} is not one of {}'s.",
            build.id, project.owner
        )));
    }
    let task = build
        .source_task
        .iter()
        .chain(&build.tasks)
        .find(|t| t.chroot.as_ref().map_or(SOURCE, |c| c.as_str()) == chroot)
        .map(|t| t.id)
        .ok_or_else(|| Error::NotFound(format!("Build {} has no such chroot.", BuildId(build.id.0))))?;
    let resume = req
        .headers()
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .and_then(parse_event_id);
    let follower = Follower::new(app, task, subscription, resume);
    let stream = futures_util::stream::unfold(follower, |mut follower| async {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream))
}

fn parse_event_id(text: &str) -> Option<(i32, u64)> {
    let (attempt, offset) = text.split_once('-')?;
    Some((attempt.parse().ok()?, offset.parse().ok()?))
}

struct Follower {
    app: web::Data<App>,
    task: TaskId,
    subscription: Subscription,
    /// 0: none seen yet.
    attempt: i32,
    /// Where the next read starts.
    offset: u64,
    fresh: bool,
    cleaner: Cleaner,
    phase: String,
    /// The last look found something, so there may be more.
    hungry: bool,
    done: bool,
    spoken: Instant,
}

impl Follower {
    fn new(
        app: web::Data<App>,
        task: TaskId,
        subscription: Subscription,
        resume: Option<(i32, u64)>,
    ) -> Self {
        let (attempt, offset) = resume.unwrap_or((0, 0));
        Self {
            app,
            task,
            subscription,
            attempt,
            offset,
            fresh: resume.is_none(),
            cleaner: Cleaner::default(),
            phase: String::new(),
            hungry: true,
            done: false,
            spoken: Instant::now(),
        }
    }

    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.done {
            if !std::mem::replace(&mut self.hungry, false) {
                let stopped = {
                    let app = self.app.clone();
                    let waiting = async {
                        tokio::time::sleep(PACE).await;
                        self.subscription.wait(SLOW_POLL).await;
                    };
                    tokio::select! {
                        () = app.stopped() => true,
                        () = waiting => false,
                    }
                };
                if stopped {
                    return None;
                }
            }
            let mut out = String::new();
            match self.look(&mut out).await {
                Ok(()) => {}
                // The database comes back, and the reader's page waits for it.
                Err(error) if error.status().as_u16() == 503 => {}
                Err(error) => {
                    tracing::error!("following the log of task {} failed: {error}", self.task);
                    return None;
                }
            }
            if out.is_empty() && self.spoken.elapsed() >= KEEP_ALIVE {
                out.push_str(": still here\n\n");
            }
            if !out.is_empty() {
                self.spoken = Instant::now();
                return Some(Bytes::from(out));
            }
        }
        None
    }

    /// Writes what is new as events.
    async fn look(&mut self, out: &mut String) -> Result<(), Error> {
        let app = self.app.clone();
        let mut conn = app.conn().await?;
        // The state first: what is final by now has written all of its log before.
        let Some(task) = tasks::find(&mut conn, self.task).await? else {
            self.done = true;
            event(out, Some("end"), None, "deleted");
            return Ok(());
        };
        if task.attempt != self.attempt {
            if self.attempt > 0 {
                event(out, Some("restart"), None, &task.attempt.to_string());
            }
            (self.attempt, self.offset, self.cleaner) = (task.attempt, 0, Cleaner::default());
        }
        if std::mem::replace(&mut self.fresh, false) {
            let length = logs::length(&mut conn, self.task, self.attempt).await?;
            if length > TAIL {
                self.offset = length - TAIL;
                event(out, Some("skipped"), None, &self.offset.to_string());
            }
        }
        self.say_phase(out, &task);
        let bytes = logs::read(&mut conn, self.task, self.attempt, self.offset).await?;
        drop(conn);
        if bytes.is_empty() {
            if task.state.is_final() {
                self.done = true;
                event(out, Some("end"), None, task.state.as_str());
            }
            return Ok(());
        }
        self.hungry = true;
        self.offset += bytes.len() as u64;
        let text = self.cleaner.feed(&bytes);
        if !text.is_empty() {
            let id = format!("{}-{}", self.attempt, self.offset - self.cleaner.held());
            event(out, None, Some(&id), &text);
        }
        Ok(())
    }

    fn say_phase(&mut self, out: &mut String, task: &TaskRow) {
        let phase = views::phase_words(task);
        if phase != self.phase {
            event(out, Some("phase"), None, &phase);
            self.phase = phase;
        }
    }
}

/// Writes one event. A reader joins the `data` lines with line feeds, so that text arrives as it was.
fn event(out: &mut String, name: Option<&str>, id: Option<&str>, data: &str) {
    // Writing to a String cannot fail.
    if let Some(name) = name {
        let _ = writeln!(out, "event: {name}");
    }
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    for line in data.split('\n') {
        let _ = writeln!(out, "data: {line}");
    }
    out.push('\n');
}

/// Makes text of a guest's bytes: broken UTF-8 is replaced, carriage returns become line feeds, terminal escapes and
/// control characters (also those that turn the direction of writing) vanish.
#[derive(Default)]
struct Cleaner {
    /// The first bytes of a character whose rest has not come yet.
    partial: Vec<u8>,
    escape: Escape,
    after_return: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Escape {
    #[default]
    None,
    /// After ESC.
    Begun,
    /// In `ESC [ …`, up to a final byte.
    Csi,
    /// In `ESC ] …`, up to BEL or ESC.
    Osc,
}

impl Cleaner {
    /// Bytes taken but not yet given out.
    fn held(&self) -> u64 {
        self.partial.len() as u64
    }

    fn feed(&mut self, bytes: &[u8]) -> String {
        let mut input = std::mem::take(&mut self.partial);
        input.extend_from_slice(bytes);
        let mut out = String::with_capacity(input.len());
        let mut chunks = input.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for c in chunk.valid().chars() {
                self.push(c, &mut out);
            }
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let incomplete = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
            if incomplete && chunks.peek().is_none() {
                self.partial = invalid.to_vec();
            } else {
                self.push('\u{fffd}', &mut out);
            }
        }
        out
    }

    fn push(&mut self, c: char, out: &mut String) {
        match (self.escape, c) {
            (Escape::None | Escape::Begun | Escape::Csi, '\x1b') => self.escape = Escape::Begun,
            (Escape::Osc, '\x1b') => self.escape = Escape::Begun,
            (Escape::Begun, '[') => self.escape = Escape::Csi,
            (Escape::Begun, ']') => self.escape = Escape::Osc,
            (Escape::Begun, '\\') => self.escape = Escape::None,
            (Escape::Csi, '0'..='?' | ' '..='/') => {}
            (Escape::Csi, '@'..='~') => self.escape = Escape::None,
            // A hostile log must not make the rest vanish: a line feed ends every sequence.
            (Escape::Osc, '\x07') => self.escape = Escape::None,
            (Escape::Osc, c) if c != '\n' => {}
            // Two-character sequences such as `ESC ( B`: only what can end one is swallowed.
            (Escape::Begun, ' '..='/') => {}
            (Escape::Begun, '0'..='~') => self.escape = Escape::None,
            (_, c) => {
                self.escape = Escape::None;
                self.print(c, out);
            }
        }
    }

    fn print(&mut self, c: char, out: &mut String) {
        let follows_return = std::mem::replace(&mut self.after_return, c == '\r');
        match c {
            '\n' if follows_return => {}
            '\r' | '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(parts: &[&[u8]]) -> String {
        let mut cleaner = Cleaner::default();
        parts.iter().map(|part| cleaner.feed(part)).collect()
    }

    #[test]
    fn hostile_bytes_become_plain_text() {
        for (raw, expected) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"\x1b[31;1mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]0;title\x1b\\after", "after"),
            (b"\x1b]0;never ended\nnext line", "\nnext line"),
            (b"\x1b(Bx", "x"),
            (b"a\x00\x07\x08\x7fb", "ab"),
            (b"1%\r2%\r\n3%\n", "1%\n2%\n3%\n"),
            (b"\xff\xfebad", "\u{fffd}\u{fffd}bad"),
            ("\u{202e}evil\u{2066}".as_bytes(), "evil"),
            (b"\xc2\x9bx", "x"),
        ] {
            assert_eq!(clean(&[raw]), expected, "{raw:?}");
        }
    }

    #[test]
    fn characters_and_escapes_may_be_split_anywhere() {
        let text = "é€😀 \x1b[1mok\r\n".as_bytes();
        for at in 0..text.len() {
            assert_eq!(clean(&[&text[..at], &text[at..]]), "é€😀 ok\n", "split at {at}");
        }
    }

    #[test]
    fn what_is_held_back_is_not_counted_as_sent() {
        let mut cleaner = Cleaner::default();
        assert_eq!(cleaner.feed(b"a\xe2\x82"), "a");
        assert_eq!(cleaner.held(), 2);
        assert_eq!(cleaner.feed(b"\xac"), "€");
        assert_eq!(cleaner.held(), 0);
    }

    #[test]
    fn an_event_keeps_its_lines() {
        let mut out = String::new();
        event(&mut out, Some("x"), Some("1-5"), "a\nb\n");
        assert_eq!(out, "event: x\nid: 1-5\ndata: a\ndata: b\ndata: \n\n");
    }

    #[test]
    fn ids_are_read_back() {
        assert_eq!(parse_event_id("2-1024"), Some((2, 1024)));
        for bad in ["", "2", "-1", "a-b", "1--1"] {
            assert_eq!(parse_event_id(bad), None, "{bad}");
        }
    }
}
