//! HTML that holds whatever it is given: what stands in the program is markup, and everything else is text.
//!
//! A text of a stranger becomes part of a page by [`Html::text`] alone, which leaves no character its meaning in
//! HTML. A text that is decided on goes through [`Html::plainly`], which shows what a reader would not see.

use crate::sms::plainly::{Kind, Piece, pieces};

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// Markup, which only the program's own text can be.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whoever wrote it, inside of an element or of an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|c| self.sign(c));
        self
    }

    /// A text that a person decides on: what a reader would not see, or would take for something else, is
    /// marked and named.
    pub(super) fn plainly(&mut self, text: &str) -> &mut Self {
        for Piece { kind, text } in pieces(text) {
            match kind {
                Kind::Plain => self.text(text),
                Kind::Unseen => self.mark(&text.chars().map(named).collect::<String>()),
                Kind::EmptyLines(count) => self.text("\n").mark(&format!("{count} empty lines")).text("\n"),
                Kind::Spaces(count) => self.mark(&format!("{count} spaces")),
                Kind::Marks(count) => self.mark(&format!("{count} marks")),
                Kind::Disguised => {
                    self.raw("<mark class=\"foreign\">").text(text);
                    let name: String = text.chars().map(named).collect();
                    self.raw("<small>").text(&name).raw("</small></mark>")
                }
            };
        }
        self
    }

    fn mark(&mut self, name: &str) -> &mut Self {
        self.raw("<mark class=\"hidden\">").text(name).raw("</mark>")
    }

    /// A piece that is this text.
    pub(super) fn of(text: &str) -> Self {
        let mut html = Self::default();
        html.text(text);
        html
    }

    /// A piece that is this text, as [`Html::plainly`] shows it.
    pub(super) fn plain(text: &str) -> Self {
        let mut html = Self::default();
        html.plainly(text);
        html
    }

    /// A list of facts.
    pub(super) fn list(facts: Vec<(&'static str, Self)>) -> Self {
        let mut html = Self::default();
        html.raw("<dl>");
        for (name, value) in facts {
            html.raw("<dt>").raw(name).raw("</dt><dd>").piece(&value).raw("</dd>");
        }
        html.raw("</dl>");
        html
    }

    /// Another piece.
    pub(super) fn piece(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// The page.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// The one place where a character of a text becomes markup.
    fn sign(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            // A parser drops or replaces it.
            '\0' => self.0.push('\u{fffd}'),
            c => self.0.push(c),
        }
    }
}

fn named(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_ever_markup() {
        for text in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' onfocus='alert(1)",
            "</textarea><script>",
            "&lt;script&gt;",
            "<!--",
            "\0<\0script",
        ] {
            for shown in [Html::default().text(text).clone(), Html::default().plainly(text).clone()] {
                let shown = shown.into_string().replace("<mark class=\"hidden\">", "").replace("</mark>", "");
                assert!(!shown.contains(['<', '>', '"', '\'', '\0']), "{text}: {shown}");
            }
        }
        assert_eq!(Html::default().text("&lt;").clone().into_string(), "&amp;lt;");
    }

    #[test]
    fn what_a_reader_would_not_see_is_marked_and_named() {
        let shown =
            Html::default().plainly("a\u{202e}b\0\u{200b}\np\u{430}y\u{fc}\u{4e2d}").clone().into_string();
        assert_eq!(
            shown,
            "a<mark class=\"hidden\">U+202E</mark>b<mark class=\"hidden\">U+0000</mark><mark \
             class=\"hidden\">U+200B</mark>\np<mark \
             class=\"foreign\">\u{430}<small>U+0430</small></mark>y\u{fc}\u{4e2d}"
        );
    }
}
