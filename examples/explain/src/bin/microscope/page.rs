//! The page: one file, made of its sources, the drawing of the states, and the chapters of the course.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use stentor::Response;

use super::{course, drawing};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(include_str!("page/page.js"), include_str!("page/course.js"));

/// The page as it is served: without recorded conversations.
static LIVE: LazyLock<String> = LazyLock::new(|| with_recorded(""));

/// The page runs its own script and style only, connects to this server only, and is never shown inside another page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// Returns the page, with its policy.
pub(crate) fn response() -> Response {
    let page = Response::html(LIVE.as_str());
    let headers = [
        ("Content-Security-Policy", POLICY.as_str()),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ];
    headers.into_iter().fold(page, |page, (name, value)| {
        // Each value is valid; the page works without such a header, too.
        page.clone().header(name, value).unwrap_or(page)
    })
}

/// The page with recorded answers as JSON, which no script of it can end: `<` is escaped.
pub(crate) fn with_recorded(json: &str) -> String {
    let recorded = match json {
        "" => String::new(),
        json => format!(
            "<script type=\"application/json\" id=\"recorded\">{}</script>",
            json.replace('<', "\\u003c")
        ),
    };
    HTML.replace("<!-- drawing -->", &drawing::svg())
        .replace("<!-- chapters -->", &course::articles())
        .replace("/* style */", STYLE)
        .replace("/* script */", SCRIPT)
        .replace("<!-- recorded -->", &recorded)
}
