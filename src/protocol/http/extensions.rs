//! Parses `Sec-WebSocket-Extensions`, in which one side offers extensions and the other accepts some
//! (RFC 6455 §9.1).
//!
//! ```text
//! Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits="10",
//!                           permessage-deflate
//! ```
//!
//! A list of extensions in the order of preference, which may be spread over several headers; each
//! with parameters in any order. A value is a token, with or without quotes: quotes allow no other
//! characters.

use super::text::{is_token, is_token_char};

/// One extension of a list, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) name: &'a str,
    pub(crate) parameters: Vec<Parameter<'a>>,
}

/// A parameter, with its value if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<String>,
}

/// Parses the extensions in the values of all headers, in order. Returns `None` if any of them breaks
/// the grammar, since the meaning of the list is uncertain then.
pub(crate) fn parse<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Extension<'a>>> {
    let mut list = Vec::new();
    for field in fields {
        let mut rest = Rest(std::str::from_utf8(field).ok()?);
        loop {
            // Empty elements are ignored (RFC 9110 §5.6.1.2).
            while rest.skip(',') {}
            if rest.is_empty() {
                break;
            }
            list.push(rest.extension()?);
            if !rest.is_empty() && !rest.skip(',') {
                return None;
            }
        }
    }
    Some(list)
}

/// The part of a header value that was not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.skip(';') {
            let name = self.token()?;
            let value = match self.skip('=') {
                true => Some(self.value()?),
                false => None,
            };
            parameters.push(Parameter { name, value });
        }
        Some(Extension { name, parameters })
    }

    fn value(&mut self) -> Option<String> {
        if !self.skip('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                char => value.push(char),
            }
        }
        self.0 = chars.as_str();
        is_token(&value).then_some(value)
    }

    fn token(&mut self) -> Option<&'a str> {
        self.trim();
        let end = self.0.find(|char| !is_token_char(char));
        let (token, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        is_token(token).then_some(token)
    }

    /// Skips a character and the blanks before it, if it is the next one.
    fn skip(&mut self, char: char) -> bool {
        self.trim();
        match self.0.strip_prefix(char) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn is_empty(&mut self) -> bool {
        self.trim();
        self.0.is_empty()
    }

    fn trim(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Returns the parsed list in one spelling.
    fn shown(fields: &[&str]) -> Option<String> {
        let list = parse(fields.iter().map(|field| field.as_bytes()))?;
        let extensions = list.iter().map(|extension| {
            let parameters = extension.parameters.iter().map(|parameter| {
                let value = parameter.value.as_ref();
                let value = value.map_or(String::new(), |value| format!("={value}"));
                format!(";{}{value}", parameter.name)
            });
            [extension.name.to_owned(), parameters.collect()].concat()
        });
        Some(extensions.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn lists_are_read_in_order_over_all_headers() {
        let cases: [(&[&str], &str); 12] = [
            (&[], ""),
            (&[""], ""),
            (&[" , ,"], ""),
            (&["foo"], "foo"),
            (&["foo, bar;baz=1"], "foo,bar;baz=1"),
            (&["foo", "", "bar ; baz"], "foo,bar;baz"),
            (&[",foo,,\tbar,"], "foo,bar"),
            (&["foo;a;b=2;c"], "foo;a;b=2;c"),
            (&["foo ;\ta = 1 ; b"], "foo;a=1;b"),
            (&["foo;a=\"10\", bar"], "foo;a=10,bar"),
            (&["foo;a=\"1\\0\""], "foo;a=10"),
            (&["foo;a;a=1"], "foo;a;a=1"),
        ];
        for (fields, expected) in cases {
            assert_eq!(shown(fields).as_deref(), Some(expected), "{fields:?}");
        }
    }

    #[test]
    fn a_list_that_breaks_the_grammar_is_rejected() {
        for field in [
            ";",
            "foo;",
            "foo; ;a",
            "foo bar",
            "foo;a b",
            "foo;a=",
            "foo;=1",
            "foo=1",
            "foo;a=\"",
            "foo;a=\"1",
            "foo;a=\"1\\",
            "foo;a=\"\"",
            "foo;a=\"1 0\"",
            "foo;a=\"1,0\"",
            "foo;a=\"1\"0",
            "foo;a=1=0",
            "f\u{f6}o",
            "foo;a=\u{f6}",
            "(foo)",
            "foo/bar",
        ] {
            assert_eq!(shown(&[field]), None, "{field}");
            assert_eq!(shown(&["fine", field]), None, "{field}");
        }
        assert_eq!(parse([&b"f\xff"[..]].into_iter()), None);
    }
}
