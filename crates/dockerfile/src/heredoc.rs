//! Here-documents: `<<NAME` on a `RUN`, `COPY` or `ADD` line, and the lines that follow it.

use crate::Lexer;
use crate::error::Problem;

/// A here-document with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without its quotes; for `COPY` and `ADD`, the file's name.
    pub name: String,
    /// The number before `<<`; 0 where there is none.
    pub descriptor: u32,
    /// The delimiter was not quoted, so variables in the content are replaced (`COPY` and `ADD`).
    pub expand: bool,
    /// `<<-`: leading tabs are dropped.
    pub chomp: bool,
    /// The lines as they stand, with their ends.
    pub content: String,
}

impl Heredoc {
    /// The content as it is used: without leading tabs where the operator was `<<-`.
    pub fn body(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// Whether `line` ends it.
    pub(crate) fn is_end(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.chomp { line.trim_start_matches('\t') } else { line };
        line == self.name
    }

    /// The here-documents that a logical line announces, still without content. Quotes that do not close
    /// belong to the shell: then there are none.
    pub(crate) fn announced(line: &str) -> Result<Vec<Self>, Problem> {
        if !line.contains("<<") {
            return Ok(Vec::new());
        }
        let words = Lexer::verbatim().words(line, |_| None).unwrap_or_default();
        words.iter().filter_map(|word| Self::parse(word).transpose()).collect()
    }

    /// Reads `[number]<<[-][blanks]delimiter`; `None` where the word is something else.
    pub(crate) fn parse(word: &str) -> Result<Option<Self>, Problem> {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let Some(rest) = word[digits..].strip_prefix("<<") else { return Ok(None) };
        let (chomp, delimiter) = match rest.strip_prefix('-') {
            Some(delimiter) => (true, delimiter),
            None => (false, rest),
        };
        let delimiter = delimiter.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
        if delimiter.is_empty() || delimiter.contains('<') {
            return Ok(None);
        }
        let lex = |keep_quotes| {
            let words = Lexer::delimiter(keep_quotes).words(delimiter, |_| None);
            words.map_err(|error| Problem::new(error.message).at(word))
        };
        let (names, quoted) = (lex(false)?, lex(true)?);
        let ([name], [quoted]) = (names.as_slice(), quoted.as_slice()) else { return Ok(None) };
        Ok(Some(Self {
            name: name.clone(),
            descriptor: word[..digits].parse().unwrap_or(0),
            expand: quotes(name) == quotes(quoted),
            chomp,
            content: String::new(),
        }))
    }
}

fn quotes(text: &str) -> usize {
    text.matches(['\'', '"']).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        Heredoc::announced(line).unwrap().into_iter().map(|doc| doc.name).collect()
    }

    #[test]
    fn a_heredoc_is_a_word_of_its_own() {
        let cases: &[(&str, &[&str])] = &[
            ("RUN <<EOF", &["EOF"]),
            ("RUN cat <<EOF > /x", &["EOF"]),
            ("RUN <<A cat && <<B cat", &["A", "B"]),
            ("RUN 3<<EOF cat", &["EOF"]),
            ("RUN cat<<EOF", &[]),
            ("RUN echo '<<EOF'", &[]),
            ("RUN echo \"<<EOF\"", &[]),
            (r"RUN echo \<<EOF", &[]),
            ("RUN cat <<< EOF", &[]),
            ("RUN cat <<<EOF", &[]),
            ("RUN cat << \tEOF > /x", &["EOF"]),
            ("RUN << -EOF", &["-EOF"]),
            ("RUN <<- EOF", &[]),
            ("RUN cat <<", &[]),
            ("RUN echo \"<<EOF", &[]),
            ("RUN cat <<EOF; echo", &["EOF;"]),
            ("COPY <<\"E F\" <<'G' /x/", &["E F", "G"]),
            ("RUN $((1<<2))", &[]),
            // What BuildKit makes of it; the shell would not.
            ("RUN $((1 << 2))", &["2))"]),
            ("RUN <<$NAME", &["$NAME"]),
        ];
        for (line, expected) in cases {
            assert_eq!(names(line), *expected, "{line}");
        }
    }

    #[test]
    fn quotes_and_dash_are_noticed() {
        let parse = |word: &str| Heredoc::parse(word).unwrap().unwrap();
        let doc = parse("7<<-EOF");
        assert_eq!((doc.descriptor, doc.chomp, doc.expand), (7, true, true));
        assert!(!parse("<<'EOF'").expand);
        assert!(!parse("<<E\"O\"F").expand);
        assert_eq!(parse("<<E\"O\"F").name, "EOF");
    }

    #[test]
    fn tabs_go_and_ends_are_found() {
        let doc =
            Heredoc { content: "\t\ta\n\t b\r\nc\t\n".into(), ..Heredoc::parse("<<-E").unwrap().unwrap() };
        assert_eq!(doc.body(), "a\n b\r\nc\t\n");
        assert!(doc.is_end("\t\tE\r\n") && !doc.is_end(" E\n") && !doc.is_end("E \n"));
        assert!(!Heredoc::parse("<<E").unwrap().unwrap().is_end("\tE\n"));
    }
}
