//! Rewriting a spec so that its packages carry the service's identity.
//!
//! The macros in the user's `.rpmmacros` already force `%dist`, `%vendor`, `%packager` and `%bugurl`; what is left is
//! a spec that overrides them. The rewriting is textual and need not be perfect: the agent asks `rpmspec` afterwards
//! what came out, and the backend refuses packages that still lack the mark.

/// How far the rewriting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only tags and macros that contradict the identity: enough for a spec whose releases use `%{?dist}`.
    Identity,
    /// Also appends `%{?dist}` to releases that do not mention it.
    Releases,
    /// Writes the literal value at the end of each release instead of the macro.
    Literal,
}

/// Sections that end the preamble, where tags are no tags any more.
const SECTIONS: [&str; 29] = [
    "build",
    "changelog",
    "check",
    "clean",
    "conf",
    "description",
    "files",
    "filetriggerin",
    "filetriggerpostun",
    "filetriggerun",
    "generate_buildrequires",
    "install",
    "patchlist",
    "post",
    "posttrans",
    "postun",
    "pre",
    "prep",
    "pretrans",
    "preun",
    "preuntrans",
    "postuntrans",
    "sourcelist",
    "trigger",
    "triggerin",
    "triggerpostun",
    "triggerprein",
    "triggerun",
    "verifyscript",
];

/// The value of tag `tag` in a line, with the byte offset where it starts.
fn tag_value<'a>(line: &'a str, tag: &str) -> Option<(usize, &'a str)> {
    let trimmed = line.trim_start();
    let indent = line.len() - trimmed.len();
    let head = trimmed.get(..tag.len())?;
    let rest = trimmed.get(tag.len()..)?;
    if !head.eq_ignore_ascii_case(tag) {
        return None;
    }
    let after = rest.trim_start();
    let value = after.strip_prefix(':')?;
    Some((indent + tag.len() + rest.len() - after.len() + 1, value))
}

fn section(line: &str) -> Option<&str> {
    let word = line.strip_prefix('%')?;
    let end = word
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(word.len());
    word.get(..end)
}

/// Whether a macro line sets or removes `dist`.
fn touches_dist(line: &str) -> bool {
    let mut words = line.trim_start().split_ascii_whitespace();
    matches!(words.next(), Some("%global" | "%define" | "%undefine")) && words.next() == Some("dist")
}

fn mentions_dist(value: &str) -> bool {
    ["%{?dist}", "%{dist}", "%dist", "%?dist"]
        .iter()
        .any(|m| value.contains(m))
}

/// Puts `suffix` behind the value of a release line, before a comment or the backslash of a macro's body.
fn extend(line: &str, suffix: &str) -> String {
    let body = line.trim_end();
    let (body, tail) = match body.strip_suffix('\\') {
        Some(body) => (body, " \\"),
        None => (body, ""),
    };
    let (value, comment) = match body.find(" #").or_else(|| body.find("\t#")) {
        Some(at) => body.split_at(at),
        None => (body, ""),
    };
    format!("{}{suffix}{comment}{tail}", value.trim_end())
}

fn release(line: &str, value: &str, depth: Depth, dist: &str) -> String {
    match depth {
        Depth::Identity => line.to_owned(),
        Depth::Releases if mentions_dist(value) || value.contains("%autorelease") => line.to_owned(),
        Depth::Releases if value.contains("%{autorelease") => line.to_owned(),
        Depth::Releases => extend(line, "%{?dist}"),
        Depth::Literal => {
            let bare = ["%{?dist}", "%{dist}", "%?dist", "%dist"]
                .iter()
                .fold(line.to_owned(), |text, m| text.replace(m, ""));
            extend(&bare, dist)
        }
    }
}

/// Whether some release does not name `%dist` although it names no other macro that could hold it.
pub fn lacks_dist(spec: &str) -> bool {
    preamble_lines(spec).any(|line| tag_value(line, "Release").is_some_and(|(_, value)| !value.contains('%')))
}

fn preamble_lines(spec: &str) -> impl Iterator<Item = &str> {
    let mut preamble = true;
    spec.lines().filter(move |line| {
        if let Some(word) = section(line) {
            if word == "package" {
                preamble = true;
            } else if SECTIONS.contains(&word) {
                preamble = false;
            }
        }
        preamble
    })
}

/// Rewrites a spec; `dist` is the full value of `%dist`, which [`Depth::Literal`] writes out.
pub fn rewrite(spec: &str, depth: Depth, dist: &str) -> String {
    let mut out = String::with_capacity(spec.len() + 64);
    let mut preamble = true;
    let mut swallowing = false;
    for line in spec.lines() {
        let continues = line.trim_end().ends_with('\\');
        if swallowing {
            swallowing = continues;
            continue;
        }
        if touches_dist(line) {
            swallowing = continues;
            continue;
        }
        if let Some(word) = section(line) {
            if word == "package" {
                preamble = true;
            } else if SECTIONS.contains(&word) {
                preamble = false;
            }
        }
        let forced = ["Vendor", "Packager", "BugURL", "BugUrl"];
        if preamble && forced.iter().any(|tag| tag_value(line, tag).is_some()) {
            // In a macro's body the line has to stay a continuation.
            if continues {
                out.push_str("\\\n");
            }
            continue;
        }
        match tag_value(line, "Release").filter(|_| preamble) {
            Some((_, value)) => out.push_str(&release(line, value, depth, dist)),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Whether the spec computes build requirements while building.
pub fn has_dynamic_requirements(spec: &str) -> bool {
    spec.lines()
        .any(|line| section(line) == Some("generate_buildrequires"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIST: &str = ".deb12.kpr.a";

    fn releases(spec: &str) -> String {
        rewrite(spec, Depth::Releases, DIST)
    }

    #[test]
    fn a_release_gets_the_macro_once() {
        for (before, after) in [
            ("Release: 1", "Release: 1%{?dist}"),
            ("Release:\t1  ", "Release:\t1%{?dist}"),
            ("release : 2", "release : 2%{?dist}"),
            ("  Release: 1", "  Release: 1%{?dist}"),
            ("Release: 1%{?dist}", "Release: 1%{?dist}"),
            ("Release: 1%{dist}", "Release: 1%{dist}"),
            ("Release: 1%dist", "Release: 1%dist"),
            ("Release: 1%{?dist}.2", "Release: 1%{?dist}.2"),
            ("Release: %autorelease", "Release: %autorelease"),
            ("Release: %{autorelease -b 3}", "Release: %{autorelease -b 3}"),
            ("Release: %{rel}", "Release: %{rel}%{?dist}"),
            ("Release: 1 # first", "Release: 1%{?dist} # first"),
            ("Release: 1 \\", "Release: 1%{?dist} \\"),
            ("# Release: 1", "# Release: 1"),
            ("ReleaseNotes: 1", "ReleaseNotes: 1"),
        ] {
            assert_eq!(releases(before), format!("{after}\n"), "{before}");
        }
    }

    #[test]
    fn subpackages_are_preambles_too_and_texts_are_not() {
        let spec = "Name: a\nRelease: 1\n%description\nRelease: never\n%package -n b\nRelease: 7\n%description -n b\n\
                    Vendor: in a text\n%if 1\n%endif\n%changelog\nRelease: x\n";
        let out = releases(spec);
        assert!(
            out.contains("Release: 1%{?dist}\n%description\nRelease: never\n"),
            "{out}"
        );
        assert!(out.contains("%package -n b\nRelease: 7%{?dist}\n"), "{out}");
        assert!(out.contains("Vendor: in a text\n"), "{out}");
        assert!(out.ends_with("Release: x\n"), "{out}");
    }

    #[test]
    fn conditionals_in_the_preamble_are_followed() {
        let out = releases("%if 0%{?fedora}\nRelease: 1\n%else\nRelease: 2\n%endif\n");
        assert_eq!(
            out,
            "%if 0%{?fedora}\nRelease: 1%{?dist}\n%else\nRelease: 2%{?dist}\n%endif\n"
        );
    }

    #[test]
    fn the_identity_of_others_goes() {
        let spec =
            "Name: a\nVendor: Evil\nPACKAGER: x\nBugURL: https://a\nBugUrl: y\n%package b\nVendor: z\n";
        assert_eq!(rewrite(spec, Depth::Identity, DIST), "Name: a\n%package b\n");
    }

    #[test]
    fn definitions_of_dist_go() {
        let spec = "%global dist .el9\n%define dist  .x\n%undefine dist\n%define  dist .a \\\n.b\n%global distname x\nName: a\n";
        assert_eq!(
            rewrite(spec, Depth::Identity, DIST),
            "%global distname x\nName: a\n"
        );
    }

    #[test]
    fn the_literal_replaces_the_macro() {
        let spec = "Release: 1%{?dist}.2\nRelease: %{rel}\n";
        assert_eq!(
            rewrite(spec, Depth::Literal, DIST),
            "Release: 1.2.deb12.kpr.a\nRelease: %{rel}.deb12.kpr.a\n"
        );
    }

    #[test]
    fn the_first_depth_leaves_releases_alone() {
        assert_eq!(rewrite("Release: 1\n", Depth::Identity, DIST), "Release: 1\n");
        assert!(lacks_dist("Release: 1\n"));
        assert!(!lacks_dist("Release: 1%{?dist}\n"));
        assert!(!lacks_dist("Release: %{rel}\n"));
        assert!(!lacks_dist("%description\nRelease: 1\n"));
    }

    #[test]
    fn dynamic_requirements_are_seen() {
        assert!(has_dynamic_requirements("%generate_buildrequires\necho a\n"));
        assert!(!has_dynamic_requirements("# %generate_buildrequires\n"));
    }

    #[test]
    fn odd_bytes_and_ends_do_no_harm() {
        for text in [
            "",
            "%",
            "Rel",
            "Release",
            "Release:",
            "é: x",
            "\u{0}\n",
            "%global dist",
        ] {
            for depth in [Depth::Identity, Depth::Releases, Depth::Literal] {
                let _ = rewrite(text, depth, DIST);
            }
        }
    }
}
