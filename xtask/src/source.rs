//! Splits Rust source into what the compiler reads and what people read, line for line.

/// A source text's two halves; each has the whole text's lines, with spaces where the other half stands.
#[derive(Debug, PartialEq)]
pub(crate) struct Halves {
    /// Code, without comments and without what stands between quotes.
    pub(crate) code: String,
    /// Comments, the documentation among them.
    pub(crate) comments: String,
}

/// Splits a source text.
pub(crate) fn split(text: &str) -> Halves {
    let mut splitter = Splitter { rest: text, code: String::new(), comments: String::new() };
    while !splitter.rest.is_empty() {
        splitter.step();
    }
    Halves { code: splitter.code, comments: splitter.comments }
}

/// True at every place where `word` stands in `line` and no letter, digit or underscore goes on on either side.
///
/// A word that begins or ends with punctuation has no such border there.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    word_at(line, word).is_some()
}

/// The byte position of the first `word` in `line`, as [`has_word`] understands a word.
pub(crate) fn word_at(line: &str, word: &str) -> Option<usize> {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).map(|(start, _)| start).find(|&start| {
        let before = line[..start].chars().next_back().is_some_and(of_name);
        let after = line[start + word.len()..].chars().next().is_some_and(of_name);
        !(before && word.starts_with(of_name) || after && word.ends_with(of_name))
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Code,
    Comments,
    Neither,
}

struct Splitter<'a> {
    rest: &'a str,
    code: String,
    comments: String,
}

impl Splitter<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()), Half::Comments);
        } else if rest.starts_with("/*") {
            self.take(block_comment(rest), Half::Comments);
        } else if let Some((open, close)) = raw_string(rest) {
            self.take(open, Half::Code);
            let end = self.rest.find(&close).unwrap_or(self.rest.len());
            self.take(end, Half::Neither);
            self.take(close.len().min(self.rest.len()), Half::Code);
        } else if rest.starts_with('"') {
            self.take(1, Half::Code);
            self.take(quoted(self.rest), Half::Neither);
            self.take(1.min(self.rest.len()), Half::Code);
        } else if let Some(length) = character(rest) {
            self.take(length, Half::Neither);
        } else {
            // A whole name at once, so that a name that ends in r is not taken for the beginning of a raw string.
            let name = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let one = rest.chars().next().map_or(0, char::len_utf8);
            self.take(name.max(one), Half::Code);
        }
    }

    fn take(&mut self, length: usize, half: Half) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        for c in taken.chars() {
            let blank = if c == '\n' { '\n' } else { ' ' };
            self.code.push(if half == Half::Code { c } else { blank });
            self.comments.push(if half == Half::Comments { c } else { blank });
        }
    }
}

/// The length of the block comment that `text` begins with; block comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0usize);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The opening's length and the closing text, if `text` begins with a raw string.
fn raw_string(text: &str) -> Option<(usize, String)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then(|| (prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// The length of what stands before the closing quote.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal that `text` begins with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        let escaped = inner[1..].chars().next()?.len_utf8();
        return inner[1 + escaped..].find('\'').map(|end| 1 + 1 + escaped + end + 1);
    }
    inner[first.len_utf8()..].starts_with('\'').then(|| 1 + first.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        split(text).code
    }

    #[test]
    fn comments_and_code_part() {
        let halves = split("let a = 1; // one\n/* two /* deep */ */ let b = 2;");
        assert_eq!(halves.code, "let a = 1;       \n                     let b = 2;");
        assert_eq!(halves.comments.trim_end(), "           // one\n/* two /* deep */ */");
    }

    #[test]
    fn what_is_quoted_is_neither() {
        assert_eq!(code(r#"f("unsafe \" // no");"#), r#"f("               ");"#);
        assert_eq!(code("f(r#\"a \" b\"#, br\"c\");"), "f(r#\"     \"#, br\" \");");
        assert!(!split("\"// not a comment\"").comments.contains("not"));
    }

    #[test]
    fn characters_are_no_lifetimes() {
        assert_eq!(code("f('\"', '\\'', 'x', '\\u{41}')"), "f(   ,     ,    ,         )");
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn a_name_that_ends_in_r_begins_no_raw_string() {
        assert_eq!(code("for\"x\""), "for\" \"");
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n\"b\nc\"\n/* d\ne */ f\n";
        let halves = split(text);
        assert_eq!(halves.code.lines().count(), text.lines().count());
        assert_eq!(halves.comments.lines().count(), text.lines().count());
    }

    #[test]
    fn an_unfinished_text_ends() {
        for text in ["\"a", "/* a", "r#\"a", "'", "'\\", "b"] {
            assert_eq!(split(text).code.chars().count(), text.chars().count(), "{text}");
        }
    }

    #[test]
    fn words_have_borders() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
        assert!(has_word("x.dbg!()", "dbg!"));
        assert!(!has_word("my_dbg!()", "dbg!"));
    }
}
