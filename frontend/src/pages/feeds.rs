//! `GET /rss/`, `/rss/all/`: the newest projects, as in Copr; `GET /rss/builds/`: the newest builds.

use std::fmt::Write as _;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use db::projects::Filter;
use quick_xml::escape::escape;

use super::views;
use crate::app::App;
use crate::error::Error;

/// Items of a feed, as in Copr.
const ITEMS: i64 = 200;

struct Item {
    title: String,
    /// On this service.
    path: String,
    text: String,
    at: DateTime<Utc>,
}

/// The newest projects that are listed.
pub async fn projects(app: web::Data<App>) -> Result<HttpResponse, Error> {
    let filter = Filter {
        listed_only: true,
        newest_first: true,
        ..Filter::default()
    };
    let found = db::read::projects::list(&mut *app.conn().await?, &filter, ITEMS, 0).await?;
    let items = found.into_iter().map(|project| Item {
        title: format!("{}/{}", project.owner, project.name),
        path: format!("/coprs/{}/{}/", project.owner, project.name),
        at: project.created_at,
        text: project.settings.description,
    });
    Ok(answer(&app, "newest projects", "/coprs/", items))
}

/// The newest builds of projects that are listed.
pub async fn builds(app: web::Data<App>) -> Result<HttpResponse, Error> {
    let now = app.now();
    let found = db::read::builds::newest(&mut *app.conn().await?, ITEMS).await?;
    let items = found.iter().map(|(owner, project, build)| {
        let line = views::line(build, owner, project, now);
        let words = [line.package.as_str(), line.version.as_str()];
        let package = words.join(" ");
        Item {
            title: format!("{}: {} ({})", line.project, package.trim(), line.state),
            path: line.path,
            text: format!("Build {} for {}", line.id, build.chroots.join(", ")),
            at: build.submitted_at,
        }
    });
    Ok(answer(&app, "newest builds", "/", items))
}

fn answer(app: &App, what: &str, path: &str, items: impl Iterator<Item = Item>) -> HttpResponse {
    let title = format!("{}: {what}", app.config.service_name);
    HttpResponse::Ok()
        .content_type("application/rss+xml; charset=utf-8")
        .body(feed(&app.config.url, &title, path, items))
}

/// RSS 2.0, see <https://www.rssboard.org/rss-specification>.
fn feed(base: &str, title: &str, path: &str, items: impl Iterator<Item = Item>) -> String {
    let (title, base) = (text(title), text(base.trim_end_matches('/')));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel><title>{title}</title>\
         <link>{base}{path}</link><description>{title}</description>\n"
    );
    for item in items {
        let (name, path, about) = (text(&item.title), text(&item.path), text(&item.text));
        let at = item.at.to_rfc2822();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<item><title>{name}</title><link>{base}{path}</link><guid>{base}{path}</guid>\
             <pubDate>{at}</pubDate><description>{about}</description></item>"
        );
    }
    out.push_str("</channel></rss>\n");
    out
}

/// A text as XML, without the characters that XML 1.0 cannot have at all.
fn text(raw: &str) -> String {
    let possible = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        c => !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'),
    };
    let kept: String = raw.chars().filter(possible).collect();
    escape(kept.as_str()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_stay_texts() {
        let item = Item {
            title: "<b>&\u{0}]]>".to_owned(),
            path: "/coprs/a/b/".to_owned(),
            text: "\u{1b}\"'\u{ffff}".to_owned(),
            at: DateTime::UNIX_EPOCH,
        };
        let feed = feed("http://h/", "K", "/", [item].into_iter());
        assert!(feed.contains("<title>&lt;b&gt;&amp;]]&gt;</title>"), "{feed}");
        assert!(feed.contains("<link>http://h/coprs/a/b/</link>"), "{feed}");
        assert!(feed.contains("Thu, 1 Jan 1970 00:00:00 +0000"), "{feed}");
        assert!(!feed.contains(['\u{0}', '\u{1b}', '\u{ffff}']), "{feed}");
    }
}
