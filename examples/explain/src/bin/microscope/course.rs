//! The chapters of the course as HTML.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The chapters, in order.
const CHAPTERS: [&str; 12] = [
    include_str!("../../../../../docs/course/01-draft-75.md"),
    include_str!("../../../../../docs/course/02-handshake.md"),
    include_str!("../../../../../docs/course/03-frame.md"),
    include_str!("../../../../../docs/course/04-lengths.md"),
    include_str!("../../../../../docs/course/05-reads.md"),
    include_str!("../../../../../docs/course/06-fragments.md"),
    include_str!("../../../../../docs/course/07-close.md"),
    include_str!("../../../../../docs/course/08-refusals.md"),
    include_str!("../../../../../docs/course/09-draft-76.md"),
    include_str!("../../../../../docs/course/10-versions-7-and-8.md"),
    include_str!("../../../../../docs/course/11-client.md"),
    include_str!("../../../../../docs/course/12-compression.md"),
];

/// Returns an article for each chapter; the page shows one at a time.
pub(crate) fn articles() -> String {
    let mut page = String::new();
    for (number, text) in (1..).zip(CHAPTERS) {
        page.push_str(&format!(
            "<article id=\"chapter-{number}\" data-chapter=\"{number}\" hidden>\n"
        ));
        let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
        html::push_html(&mut page, parser.map(adapted));
        page.push_str("</article>\n");
    }
    page
}

/// Headings one level lower, since the page has one of its own; long lines can be scrolled by the keyboard; links to other
/// chapters stay in the page, and links to files are texts.
fn adapted(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Start(Tag::Heading { level, .. }) => html(format!("<h{}>", lower(level))),
        Event::End(TagEnd::Heading(level)) => html(format!("</h{}>", lower(level))),
        Event::Start(Tag::CodeBlock(_)) => html("<pre tabindex=\"0\"><code>"),
        Event::End(TagEnd::CodeBlock) => html("</code></pre>"),
        Event::Start(Tag::Link { dest_url, .. }) => match chapter_of(&dest_url) {
            Some(number) => html(format!(
                "<a href=\"#chapter-{number}\" data-to=\"{number}\">"
            )),
            None => html("<a>"),
        },
        other => other,
    }
}

fn html(text: impl Into<CowStr<'static>>) -> Event<'static> {
    Event::InlineHtml(text.into())
}

fn lower(level: HeadingLevel) -> usize {
    (level as usize + 1).min(6)
}

/// The number in the name of a chapter's file.
fn chapter_of(link: &str) -> Option<usize> {
    let number = link.get(..2)?.parse().ok()?;
    (link.ends_with(".md") && (1..=CHAPTERS.len()).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{CHAPTERS, articles, chapter_of};

    #[test]
    fn each_chapter_is_an_article_with_its_five_parts() {
        let page = articles();
        let articles: Vec<_> = page
            .split("</article>")
            .filter(|it| it.contains("<article"))
            .collect();
        assert_eq!(articles.len(), CHAPTERS.len());
        for (number, article) in (1..).zip(articles) {
            assert!(article.contains(&format!("<h2>{number}. ")), "{number}");
            for part in ["Ask", "Look", "Break", "Build", "Question"] {
                assert!(
                    article.contains(&format!("<h3>{part}</h3>")),
                    "{number}: {part}"
                );
            }
            // Nothing is fetched, and no script is in a text.
            for forbidden in ["<script", "src=", "href=\"http", "style="] {
                assert!(!article.contains(forbidden), "{number}: {forbidden}");
            }
        }
    }

    #[test]
    fn links_lead_to_chapters_only() {
        assert_eq!(chapter_of("07-close.md"), Some(7));
        for other in [
            "13-more.md",
            "00-none.md",
            "glossary.md",
            "code",
            "https://example.com",
            "\u{e4}",
        ] {
            assert_eq!(chapter_of(other), None, "{other}");
        }
    }
}
