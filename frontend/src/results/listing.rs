//! Pages of directories: plain links that people, `wget` and mirroring scripts read alike.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::results::SNAPSHOT;
use crate::results::download::FRESH;

/// Names are encoded with their colons: a relative link must not look like `scheme:rest`.
const HREF: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'+')
    .remove(b'@');

/// One line of a page; the name of a directory ends with a slash.
pub(super) struct Line {
    pub name: String,
    /// Bytes.
    pub size: Option<u64>,
}

impl Line {
    pub fn directory(name: impl std::fmt::Display) -> Self {
        Self {
            name: format!("{name}/"),
            size: None,
        }
    }

    pub fn file(name: impl std::fmt::Display, size: Option<u64>) -> Self {
        Self {
            name: name.to_string(),
            size,
        }
    }
}

/// The page; `base` precedes each relative link, with its final slash.
pub(super) fn page(title: &str, base: &str, lines: &[Line], snapshot: Option<i64>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(snapshot) = snapshot {
        response.insert_header((SNAPSHOT, snapshot.to_string()));
    }
    response
        .insert_header((CACHE_CONTROL, FRESH))
        .content_type("text/html; charset=utf-8")
        .body(render(title, base, lines))
}

fn render(title: &str, base: &str, lines: &[Line]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<pre>\n"
    );
    let parent = if base.is_empty() { "../" } else { "./" };
    let _ = writeln!(html, "<a href=\"{parent}\">../</a>");
    for line in lines {
        let (stem, slash) = line
            .name
            .strip_suffix('/')
            .map_or((line.name.as_str(), ""), |stem| (stem, "/"));
        let base = base
            .strip_suffix('/')
            .map_or(String::new(), |base| format!("{}/", encode(base)));
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<a href=\"{base}{}{slash}\">{}</a>",
            encode(stem),
            escape(&line.name)
        );
        if let Some(size) = line.size {
            let pad = 60_usize.saturating_sub(line.name.len());
            let _ = write!(html, " {:pad$}{size:>14}", "");
        }
        html.push('\n');
    }
    html.push_str("</pre>\n</body>\n</html>\n");
    html
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, HREF).to_string()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_plain_relative_and_escaped() {
        let lines = [
            Line::directory("00000001-a"),
            Line::file("x:y^1.rpm", Some(12)),
            Line::file("<b>", None),
        ];
        let html = render("a <b>", "", &lines);
        assert!(html.contains("<h1>a &lt;b&gt;</h1>"), "{html}");
        assert!(
            html.contains("<a href=\"../\">../</a>\n<a href=\"00000001-a/\">00000001-a/</a>\n"),
            "{html}"
        );
        assert!(
            html.contains("<a href=\"x%3Ay%5E1.rpm\">x:y^1.rpm</a> "),
            "{html}"
        );
        assert!(html.contains("<a href=\"%3Cb%3E\">&lt;b&gt;</a>"), "{html}");
    }

    #[test]
    fn without_a_final_slash_links_name_the_directory() {
        let html = render("t", "00000001-a/", &[Line::file("x.rpm", None)]);
        assert!(
            html.contains("<a href=\"./\">../</a>\n<a href=\"00000001-a/x.rpm\">x.rpm</a>"),
            "{html}"
        );
    }
}
