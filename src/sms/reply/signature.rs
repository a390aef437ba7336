//! Where a reply ends and what a phone or a mail program added begins: "Sent from my iPhone", `-- ` and a
//! name, the text that is answered with `>` before it.

use std::sync::LazyLock;

use crate::sms::fold::letters;

/// A reply, cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// The first paragraph, without what was added; its lines as one.
    pub(super) order: String,
    /// The first line alone, where the lines behind it look like a name ("STOP", "Ann Miller").
    pub(super) first_line: Option<String>,
    /// The paragraphs behind the first, each as one line.
    pub(super) more: Vec<String>,
    /// All lines of them.
    pub(super) lines: Vec<String>,
}

/// Most words that are looked at for a signature in the same line.
const MAX_WORDS: usize = 12;

/// What programs and phones write under a text, up to the name of the phone; in the languages that they are
/// sold in.
const SENT: &str = "
    sent from|sent via|sent using|sent with|sent by my|sent on the go|get outlook for|download \
    outlook|typed on my
    von meinem|von meiner|gesendet von|gesendet mit|gesendet über|gesendet aus|diese nachricht \
    wurde|outlook für|holen sie sich outlook
    envoyé de mon|envoyé de ma|envoyé depuis|envoyé à partir|envoyé avec|envoyé par|obtenez outlook|obtenir \
    outlook|télécharger outlook
    enviado desde|enviado de mi|enviado con|enviado mediante|obtener outlook|obtén outlook|enviado do \
    meu|enviado a partir|enviado pelo|enviado por
    obter o outlook|obtenha o outlook|inviato da|inviato dal|inviato con|scarica outlook|ottieni outlook
    verzonden vanaf|verstuurd vanaf|verzonden met|verzonden via|outlook voor|sendt fra|sendt med|sendt \
    via|skickat från|skickat med|hent outlook|skaffa outlook
    hämta outlook|lähetetty|hanki outlook|wysłane z|wysłano z|pobierz outlook|odesláno z|odoslané \
    z|elküldve|küldve az|trimis de pe|trimis din|poslano s|poslano iz
    отправлено с|отправлено из|надіслано з|відправлено з|изпратено от|στάλθηκε από|εστάλη \
    από|gönderildi|iphone'umdan
    נשלח מ|אرسلت من|أرسلت من|تم الإرسال من|مرسل من|ارسال شده از|发自我的|發自我的|发自|來自我的|来自我的|发送自|發送自|获取 \
    outlook|取得 outlook
    から送信|を入手|에서 보냄|에서 보낸|gửi từ|dikirim dari|dihantar dari|ส่งจาก|भेजा गया";

/// Names that stand in a signature and in no order.
const PHONES: &str = "iphone|ipad|android|outlook|yahoo \
    mail|samsung|galaxy|huawei|xiaomi|blackberry|windows phone|gmail|proton mail|gmx|web.de|aol";

fn read(list: &str) -> Vec<String> {
    list.split(['|', '\n']).map(letters).filter(|phrase| !phrase.is_empty()).collect()
}

static SENT_PHRASES: LazyLock<Vec<String>> = LazyLock::new(|| read(SENT));
static PHONE_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| read(PHONES));

/// Most lines that are looked at: what is behind them is no signature.
const MAX_LINES: usize = 40;

/// Longest line that is read as a signature or an order, in characters.
const MAX_LINE: usize = 300;

/// Most words of a name under a text.
const MAX_NAME: usize = 3;

/// Cuts a reply.
pub(super) fn split(text: &str) -> Split {
    let lines = text
        .split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
        .map(str::trim)
        .take(MAX_LINES);
    let mut paragraphs: Vec<Vec<&str>> = vec![Vec::new()];
    // What is answered is no part of the reply, and nothing below a signature is.
    for line in lines.filter(|line| !line.starts_with('>')) {
        let written = before_phrase(line);
        if written.is_none() && is_added(line) {
            break;
        }
        match paragraphs.last_mut() {
            Some(paragraph) if !line.is_empty() => paragraph.push(written.unwrap_or(line)),
            Some(paragraph) if paragraph.is_empty() => {}
            _ => paragraphs.push(Vec::new()),
        }
        if written.is_some() {
            break;
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    let Some((first, more)) = paragraphs.split_first() else { return Split::default() };
    let is_signed = first.len() > 1 && first.iter().skip(1).all(|line| is_name(line));
    let first_line = first.first().filter(|_| is_signed).map(|line| (*line).to_owned());
    let lines = paragraphs.iter().flatten().map(|line| (*line).to_owned()).collect();
    Split {
        order: first.join(" "),
        first_line,
        more: more.iter().map(|paragraph| paragraph.join(" ")).collect(),
        lines,
    }
}

/// Whether a line begins what was added, and not written by the person.
fn is_added(line: &str) -> bool {
    is_rule(line) || is_quoting(line) || is_sent(line)
}

/// `-- `, `___`, `—`: what follows is a signature.
fn is_rule(line: &str) -> bool {
    line.chars().count() >= 2
        && line.chars().all(|c| matches!(c, '-' | '_' | '=' | '*' | '\u{2013}' | '\u{2014}' | ' '))
        || line == "\u{2014}"
}

/// "On Monday Acme wrote:", "Am 22.11. schrieb Acme:": what follows is what was answered.
fn is_quoting(line: &str) -> bool {
    const WROTE: [&str; 12] = [
        "wrote",
        "schrieb",
        "écrit",
        "escribió",
        "escreveu",
        "scritto",
        "schreef",
        "skrev",
        "napisał",
        "написал",
        "写道",
        "original message",
    ];
    let is_heading = line.len() <= MAX_LINE && (line.ends_with(':') || line.starts_with("---"));
    is_heading && WROTE.iter().any(|wrote| line.to_lowercase().contains(wrote))
}

/// Whether a phone or a program signed here. In some languages its name stands first.
fn is_sent(line: &str) -> bool {
    let line = letters(&line.chars().take(MAX_LINE).collect::<String>());
    SENT_PHRASES.iter().chain(PHONE_NAMES.iter()).any(|phrase| line.contains(phrase.as_str()))
}

/// Whether a signature begins with this.
fn begins(text: &str) -> bool {
    let text = letters(text);
    SENT_PHRASES.iter().any(|phrase| text.starts_with(phrase.as_str()))
}

/// What was written before a phrase that stands in the same line, where there is one: a gateway may have
/// joined the lines.
fn before_phrase(line: &str) -> Option<&str> {
    if line.chars().count() > MAX_LINE || begins(line) {
        return None;
    }
    line.char_indices().filter(|(_, c)| c.is_whitespace()).take(MAX_WORDS).find_map(|(at, _)| {
        let (written, rest) = line.split_at(at);
        let rest = letters(rest);
        SENT_PHRASES
            .iter()
            .any(|phrase| rest.starts_with(phrase.as_str()))
            .then_some(written.trim_end_matches(|c: char| c.is_whitespace() || c == '-'))
    })
}

/// Whether a line looks like a person's name: few words, each with a capital, no digits.
pub(super) fn is_name(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_capital = |word: &&str| {
        word.chars().next().is_some_and(char::is_uppercase) && !word.chars().any(|c| c.is_ascii_digit())
    };
    (1..=MAX_NAME).contains(&words.len()) && words.iter().all(is_capital)
}
