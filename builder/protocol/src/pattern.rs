//! Shell patterns for names of chroots.

/// Python's `fnmatch` for names of chroots: `*`, `?` and `[…]` with ranges and `!`.
pub fn fnmatch(pattern: &str, name: &str) -> bool {
    fn go(p: &[u8], n: &[u8], steps: &mut u32) -> bool {
        // Patterns are user input; backtracking is bounded.
        *steps += 1;
        if *steps > 20_000 {
            return false;
        }
        match (p.first(), n.first()) {
            (None, None) => true,
            (Some(b'*'), _) => go(&p[1..], n, steps) || (!n.is_empty() && go(p, &n[1..], steps)),
            (Some(b'?'), Some(_)) => go(&p[1..], &n[1..], steps),
            (Some(b'['), Some(c)) => match class(&p[1..], *c) {
                Some((hit, rest)) => hit && go(rest, &n[1..], steps),
                None => *c == b'[' && go(&p[1..], &n[1..], steps),
            },
            (Some(a), Some(b)) => a == b && go(&p[1..], &n[1..], steps),
            _ => false,
        }
    }
    /// Reads a class up to its bracket; says whether `c` is in it, and what follows.
    fn class(p: &[u8], c: u8) -> Option<(bool, &[u8])> {
        let (negated, set) = if p.first() == Some(&b'!') {
            (true, &p[1..])
        } else {
            (false, p)
        };
        let end = set.iter().skip(1).position(|b| *b == b']')? + 1;
        let (set, rest) = (&set[..end], &set[end + 1..]);
        let mut hit = false;
        let mut i = 0;
        while i < set.len() {
            if i + 2 < set.len() && set[i + 1] == b'-' {
                hit |= (set[i]..=set[i + 2]).contains(&c);
                i += 3;
            } else {
                hit |= set[i] == c;
                i += 1;
            }
        }
        Some((hit != negated, rest))
    }
    pattern.len() <= 200 && go(pattern.as_bytes(), name.as_bytes(), &mut 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_pythons_do() {
        for (pattern, name, expected) in [
            ("fedora-44-x86_64", "fedora-44-x86_64", true),
            ("fedora-*", "fedora-44-x86_64", true),
            ("*-x86_64", "fedora-44-x86_64", true),
            ("*-aarch64", "fedora-44-x86_64", false),
            ("fedora-4?-x86_64", "fedora-44-x86_64", true),
            ("fedora-4[2-5]-*", "fedora-44-x86_64", true),
            ("fedora-4[!2-5]-*", "fedora-44-x86_64", false),
            ("fedora-4[", "fedora-4[", true),
            ("", "fedora-44-x86_64", false),
        ] {
            assert_eq!(fnmatch(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!fnmatch(&"*a".repeat(99), &"a".repeat(80)));
    }
}
