//! Reads the fenced blocks of a Markdown page, and replaces their text.

/// A fenced block.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    pub(super) language: String,
    /// The lines between the fences, each with its line end.
    pub(super) body: String,
}

/// The blocks of a page.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    rewrite(text, |language, body| {
        let (language, body) = (language.to_owned(), body.to_owned());
        found.push(Block { language, body });
        None
    });
    found
}

/// The page with the bodies that the function returns for the language and the body of a block.
pub(super) fn rewrite(
    text: &str,
    mut new_body: impl FnMut(&str, &str) -> Option<String>,
) -> String {
    let mut page = String::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        page.push_str(line);
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let mut body = String::new();
        let mut end = "";
        for line in lines.by_ref() {
            if line.trim_end() == "```" {
                end = line;
                break;
            }
            body.push_str(line);
        }
        assert!(!end.is_empty(), "a block without an end: {body}");
        page.push_str(&new_body(language.trim(), &body).unwrap_or(body));
        page.push_str(end);
    }
    page
}

/// How many words stand outside of the blocks.
pub(super) fn words(text: &str) -> usize {
    let outside = rewrite(text, |_, _| Some(String::new()));
    let lines = outside.lines().filter(|line| !line.starts_with("```"));
    lines.flat_map(str::split_whitespace).count()
}

/// The file of a program, which its first line names: `# ch1.py: ...`.
pub(super) fn program_name(body: &str) -> Option<&str> {
    let (name, _) = body.strip_prefix("# ")?.split_once(':')?;
    name.ends_with(".py").then_some(name)
}

#[test]
fn a_page_is_rewritten_block_by_block() {
    let text = "One two.\n\n```sh\nold\n```\n\nThree.\n```text\nstays\n```\n";
    let new = rewrite(text, |language, _| {
        (language == "sh").then(|| "new\n".to_owned())
    });
    assert_eq!(new, text.replace("old", "new"));
    assert_eq!(words(text), 3);
    assert_eq!(blocks(text)[1].body, "stays\n");
    assert_eq!(program_name("# ch1.py: a server\n"), Some("ch1.py"));
    assert_eq!(program_name("import os\n"), None);
}
