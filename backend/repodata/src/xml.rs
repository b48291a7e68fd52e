//! Text that is safe in XML 1.0.

use std::borrow::Cow;
use std::fmt::Write;

/// Reads text as `createrepo_c` does: UTF-8 if it is that, else Latin-1 without 0x80..=0xbf (which are control
/// characters of a text that was Windows-1252 rather).
pub(crate) fn latin1_or_utf8(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => raw
            .iter()
            .filter(|byte| !(0x80..=0xbf).contains(*byte))
            .map(|byte| char::from(*byte))
            .collect(),
    }
}

/// Whether XML 1.0 can hold the character at all, even escaped.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Appends text content; characters that XML cannot hold are left out.
pub(crate) fn push_text(out: &mut String, text: &str) {
    for c in text.chars().filter(|c| is_xml_char(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A parser would turn a bare carriage return into a newline.
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

/// Appends ` name="value"`; white space other than blanks is escaped, since parsers normalise it in attributes.
pub(crate) fn push_attr(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars().filter(|c| is_xml_char(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends ` name="number"`.
pub(crate) fn push_number(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, " {name}=\"{value}\"");
}

/// Appends `<name>text</name>` on a line of its own; `<name/>` without text.
pub(crate) fn push_element(out: &mut String, indent: &str, name: &str, text: &str) {
    if text.is_empty() {
        let _ = writeln!(out, "{indent}<{name}/>");
        return;
    }
    let _ = write!(out, "{indent}<{name}>");
    push_text(out, text);
    let _ = writeln!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_xml_cannot_hold() {
        let mut out = String::new();
        push_text(&mut out, "a\u{1}b\u{0}<&>\r\u{fffe}é");
        assert_eq!(out, "ab&lt;&amp;&gt;&#13;é");
        let mut out = String::new();
        push_attr(&mut out, "x", "\"\n\u{8}\t'");
        assert_eq!(out, " x=\"&quot;&#10;&#9;'\"");
    }

    #[test]
    fn reads_latin1() {
        assert_eq!(latin1_or_utf8(b"M\xfcller \x96 caf\xe9"), "Müller  café");
        assert_eq!(latin1_or_utf8("Müller".as_bytes()), "Müller");
    }
}
