//! A vendor's words without what it quotes of ours: its error may hold the key that it was shown, or the text
//! that it refused.
//!
//! Such words are kept, logged and shown where neither belongs. What is taken out is found in them, and not
//! told by their form: eight characters in a row of a secret or of its usual writings, sixteen of a text,
//! three of its words, its codes of four digits and more. What is left, a code and a reason, says what there
//! is to say.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::message::hex;

/// What stands for what was taken out.
pub const HIDDEN: &str = "[hidden]";

/// Characters of a secret in a row that are taken out: also of one that a vendor, or we, had cut.
const SECRET_RUN: usize = 8;

/// Shorter ones are no secrets, and are in every other word.
const SHORTEST_SECRET: usize = 4;

/// Characters of a text in a row that are taken out.
const TEXT_RUN: usize = 16;

/// A text of this length that is quoted whole is taken out too.
const SHORTEST_TEXT: usize = 8;

/// Words of a text in a row that are taken out.
const WORDS_RUN: usize = 3;

/// Digits that may be a code of a text.
const SHORTEST_CODE: usize = 4;

/// Characters of a secret in a row that make an id hold it: many more than a vendor's ids and its keys have in
/// common by their form, such as `live_`.
const ID_RUN: usize = 16;

/// Shorter ones may stand in an id by chance.
const SHORTEST_IN_ID: usize = 8;

/// Longer secrets, which are keys of certificates and no vendor is shown, are not looked for in writings of
/// writings.
const LONGEST_TWICE: usize = 256;

/// Runs of characters, by their length.
type Runs = BTreeMap<usize, HashSet<Vec<char>>>;

/// The secrets of one provider in all their usual writings, folded, as the runs of characters that are looked
/// for. It has no `Debug`.
#[derive(Clone, Default)]
pub struct Writings {
    in_words: Runs,
    in_ids: Runs,
    /// Those that an id holds only where it is one of them.
    whole: HashSet<Vec<char>>,
}

impl Writings {
    /// Adds a secret: plain, percent-encoded, in hexadecimal, and in base64 wherever it stands in what is
    /// encoded, as after a user's name; and in either of the last two once more, as a log writes a header.
    pub fn add(&mut self, secret: &str) {
        let length = secret.chars().count();
        if length < SHORTEST_SECRET {
            return;
        }
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let once = encoded(secret);
        let mut writings = HashSet::from([secret.to_owned(), form.replace('+', "%20"), form]);
        if length <= LONGEST_TWICE {
            writings.extend(once.iter().flat_map(|writing| encoded(writing)));
        }
        writings.extend(once);
        for writing in writings {
            self.note(fold(&writing).into_iter().map(|(c, ..)| c).collect());
        }
    }

    fn note(&mut self, writing: Vec<char>) {
        let note = |runs: &mut Runs, longest: usize| {
            let length = writing.len().min(longest);
            runs.entry(length).or_default().extend(writing.windows(length).map(<[char]>::to_vec));
        };
        if writing.len() >= SHORTEST_SECRET {
            note(&mut self.in_words, SECRET_RUN);
        }
        if writing.len() >= SHORTEST_IN_ID {
            note(&mut self.in_ids, ID_RUN);
        } else if writing.len() >= SHORTEST_SECRET {
            self.whole.insert(writing);
        }
    }
}

/// A text in hexadecimal, and in base64 wherever it stands in what is encoded.
fn encoded(text: &str) -> HashSet<String> {
    let mut writings = HashSet::from([hex(text.as_bytes())]);
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let mut octets = vec![0; before];
            octets.extend(text.as_bytes());
            let is_cut = !octets.len().is_multiple_of(3);
            let encoded = engine.encode(octets);
            // The first and the last characters hold bits of their neighbours.
            let inner = encoded.get((before * 8).div_ceil(6)..encoded.len() - usize::from(is_cut));
            writings.insert(inner.unwrap_or_default().to_owned());
        }
    }
    writings
}

/// A piece of some words, and the characters that it is made of.
type Piece<T> = (T, usize, usize);

/// The characters as they are compared: in one case, and with one space for any.
fn fold(text: &str) -> Vec<Piece<char>> {
    let mut folded: Vec<Piece<char>> = Vec::new();
    for (at, c) in text.chars().enumerate() {
        let c = if c.is_whitespace() { ' ' } else { c.to_lowercase().next().unwrap_or(c) };
        if c != ' ' || folded.last().is_none_or(|(before, ..)| *before != ' ') {
            folded.push((c, at, at));
        }
    }
    folded
}

/// The words of a text: letters and figures, whatever stands between them.
fn tokens(text: &str) -> Vec<Piece<String>> {
    let mut tokens: Vec<Piece<String>> = Vec::new();
    for (at, c) in text.chars().enumerate().filter(|(_, c)| c.is_alphanumeric()) {
        match tokens.last_mut() {
            Some((token, _, end)) if *end + 1 == at => {
                token.extend(c.to_lowercase());
                *end = at;
            }
            _ => tokens.push((c.to_lowercase().collect(), at, at)),
        }
    }
    tokens
}

/// The digits of a text that stand together, or with one space, dash or point between them: those that may be
/// a code.
fn codes(text: &str) -> Vec<Vec<Piece<char>>> {
    let mut codes: Vec<Vec<Piece<char>>> = Vec::new();
    let mut between = None;
    for (at, c) in text.chars().enumerate() {
        let end = codes.last().and_then(|code| code.last()).map(|(.., end)| *end);
        let goes_on = end.is_some_and(|end| end + 1 == at || (end + 2 == at && between == Some(at - 1)));
        match codes.last_mut() {
            Some(code) if c.is_ascii_digit() && goes_on => code.push((c, at, at)),
            _ if c.is_ascii_digit() => codes.push(vec![(c, at, at)]),
            _ => between = matches!(c, ' ' | '-' | '.').then_some(at),
        }
    }
    codes.retain(|code| code.len() >= SHORTEST_CODE);
    codes
}

/// Marks each run of so many pieces that is one of `theirs` as well.
fn mark<T: Eq + Hash + Clone>(words: &[Piece<T>], theirs: &[T], run: usize, hidden: &mut [bool]) {
    if run == 0 || theirs.len() < run {
        return;
    }
    let known: HashSet<&[T]> = theirs.windows(run).collect();
    mark_known(words, run, |run| known.contains(run), hidden);
}

/// Marks each run of so many pieces that is known.
fn mark_known<T: Clone>(
    words: &[Piece<T>],
    run: usize,
    is_known: impl Fn(&[T]) -> bool,
    hidden: &mut [bool],
) {
    for window in words.windows(run.max(1)) {
        let pieces: Vec<T> = window.iter().map(|(piece, ..)| piece.clone()).collect();
        if let (true, Some((_, from, _)), Some((.., to))) = (is_known(&pieces), window.first(), window.last())
        {
            hidden.get_mut(*from..=*to).unwrap_or_default().fill(true);
        }
    }
}

/// A vendor's words without what they hold of these secrets.
pub fn without_secrets(words: &str, secrets: &Writings) -> String {
    let mut hidden = vec![false; words.chars().count()];
    let folded = fold(words);
    for (run, known) in &secrets.in_words {
        mark_known(&folded, *run, |run| known.contains(run), &mut hidden);
    }
    shown(words, &hidden)
}

/// Whether an id of a vendor's is one of these secrets, or holds one, in whatever writing.
pub fn holds_secret(id: &str, secrets: &Writings) -> bool {
    let id: Vec<char> = fold(id).into_iter().map(|(c, ..)| c).collect();
    let holds = |(run, known): (&usize, &HashSet<Vec<char>>)| id.windows(*run).any(|run| known.contains(run));
    secrets.whole.contains(&id) || secrets.in_ids.iter().any(holds)
}

/// A vendor's words without what they hold of these texts.
pub fn without_texts<'a>(words: &str, texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hidden = vec![false; words.chars().count()];
    let (folded, our_tokens, our_codes) = (fold(words), tokens(words), codes(words));
    for text in texts {
        let theirs: Vec<char> = fold(text.trim()).into_iter().map(|(c, ..)| c).collect();
        if theirs.len() >= SHORTEST_TEXT {
            mark(&folded, &theirs, theirs.len().min(TEXT_RUN), &mut hidden);
        }
        let theirs: Vec<String> = tokens(text).into_iter().map(|(token, ..)| token).collect();
        mark(&our_tokens, &theirs, WORDS_RUN, &mut hidden);
        for code in codes(text) {
            let code: Vec<char> = code.into_iter().map(|(digit, ..)| digit).collect();
            our_codes.iter().for_each(|digits| mark(digits, &code, code.len(), &mut hidden));
        }
    }
    shown(words, &hidden)
}

/// An address as somebody wrote it, without what stands before its last `@`: a user's name and password.
pub fn without_user(address: &str) -> String {
    address
        .rfind('@')
        .and_then(|at| address.get(at..))
        .map_or_else(|| address.to_owned(), |rest| format!("...{rest}"))
}

/// The same where the text is not there any more to compare them with: as far as they can hold nothing of it
/// that [`without_texts`] would find.
pub fn head(words: &str) -> String {
    let all = tokens(words);
    let kept = all.iter().take(WORDS_RUN - 1).take_while(|(.., end)| end + 1 < TEXT_RUN).count();
    let end = kept.checked_sub(1).and_then(|last| all.get(last)).map_or(0, |(.., end)| end + 1);
    let mut hidden = vec![false; words.chars().count()];
    for (_, at, _) in codes(words).into_iter().flatten() {
        hidden.get_mut(at..=at).unwrap_or_default().fill(true);
    }
    if kept == all.len() && hidden.len() < TEXT_RUN {
        return shown(words, &hidden);
    }
    let head: String = words.chars().take(end).collect();
    format!("{} {HIDDEN}", shown(&head, &hidden)).trim_start().to_owned()
}

fn shown(words: &str, hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut was_hidden = false;
    for (c, is_hidden) in words.chars().zip(hidden) {
        if !is_hidden {
            shown.push(c);
        } else if !was_hidden {
            shown.push_str(HIDDEN);
        }
        was_hidden = *is_hidden;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(all: &[&str]) -> Writings {
        let mut writings = Writings::default();
        all.iter().for_each(|secret| writings.add(secret));
        writings
    }

    #[test]
    fn a_secret_is_taken_out_in_every_writing_and_also_where_it_was_cut() {
        let key = "mlsn.4f/9+c2 b7e1";
        let known = secrets(&[key]);
        let basic = |user: &str| base64::engine::general_purpose::STANDARD.encode(format!("{user}:{key}"));
        for (words, expected) in [
            (format!("HTTP 401: key {key} is wrong"), "HTTP 401: key [hidden] is wrong"),
            (format!("the key '{}'", key.to_uppercase()), "the key '[hidden]'"),
            ("?token=mlsn.4f%2F9%2bc2%20b7e1&x=1".to_owned(), "?token=[hidden]&x=1"),
            ("?token=mlsn.4f%2F9%2Bc2+b7e1&x=1".to_owned(), "?token=[hidden]&x=1"),
            (format!("the key {}", &key[..9]), "the key [hidden]"),
            (format!("the key ...{} is wrong", &key[8..]), "the key ...[hidden] is wrong"),
            ("no key in here, code 4f".to_owned(), "no key in here, code 4f"),
        ] {
            assert_eq!(without_secrets(&words, &known), expected, "{words}");
        }
        for user in ["", "a", "ab", "abc"] {
            let encoded = basic(user);
            let shown = without_secrets(&format!("Authorization: Basic {encoded}"), &known);
            assert!(shown.starts_with("Authorization: Basic ") && shown.contains(HIDDEN), "{shown}");
            let middle = &encoded[encoded.len() / 2 - 4..encoded.len() / 2 + 4];
            assert!(!shown.contains(middle), "{shown} of {encoded}");
        }
        let twice =
            |user: &str| base64::engine::general_purpose::STANDARD.encode(format!("Basic {}", basic(user)));
        for writing in [hex(key.as_bytes()), hex(key.as_bytes()).to_uppercase(), hex(basic("a").as_bytes())]
            .into_iter()
            .chain(["", "a", "ab", "abc"].map(twice))
            .chain([base64::engine::general_purpose::URL_SAFE.encode(hex(key.as_bytes()))])
        {
            let shown = without_secrets(&format!("received {writing}"), &known);
            let middle = &writing[writing.len() / 2 - 4..writing.len() / 2 + 4];
            assert!(shown.starts_with("received ") && !shown.contains(middle), "{shown} of {writing}");
        }
        assert_eq!(without_secrets("a pin, abc", &secrets(&["abc", ""])), "a pin, abc", "that is none");
        assert_eq!(without_secrets("the pin is s3cr", &secrets(&["s3cr"])), "the pin is [hidden]");
    }

    #[test]
    fn an_id_that_is_a_secret_or_holds_one_is_told_from_one_that_has_a_few_characters_of_it() {
        let key = "live_4f9c2b7e1d80a6";
        let known = secrets(&[key, "4711", "s3cret77"]);
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        for id in [
            key.to_owned(),
            format!("msg-{}", key.to_uppercase()),
            format!("x{}", &key[2..18]),
            hex(key.as_bytes()),
            base64(&format!("user:{key}")),
            base64(&base64(key)),
            "4711".to_owned(),
            "a-s3cret77-b".to_owned(),
        ] {
            assert!(holds_secret(&id, &known), "{id}");
        }
        for id in ["", "1", "live_77aa01b2c3d4e5", "live_4f9c2b-1", "124711", "47110", "s3cret7", "SM0123"] {
            assert!(!holds_secret(id, &known), "{id}");
        }
    }

    #[test]
    fn a_text_is_taken_out_and_the_reason_stays() {
        let text = "Your code is 48-21 93. Do not\n share it with Ann.";
        for (words, expected) in [
            ("spam: \"Your code is 48-21 93. Do not share it with Ann.\"", "spam: \"[hidden]\""),
            ("34 blocked (YOUR CODE is)", "34 blocked ([hidden])"),
            ("34 blocked, 482193 is no word", "34 blocked, [hidden] is no word"),
            ("code 4821 93 in it", "code [hidden] in it"),
            ("error 4821, billed", "error 4821, billed"),
            ("the code is refused", "the code is refused"),
            ("see it with Ann", "see [hidden]"),
            ("error 034 4821-93", "error 034 [hidden]"),
            ("invalid number", "invalid number"),
        ] {
            assert_eq!(without_texts(words, [text]), expected, "{words}");
        }
        let no_spaces = "您的验证码将在五分钟后失效请勿告诉他人";
        assert_eq!(without_texts(&format!("涉嫌诈骗：{no_spaces}"), [no_spaces]), "涉嫌诈骗：[hidden]");
        assert_eq!(
            without_texts("blocked: Hi Ann 4", ["Hi Ann 4"]),
            "blocked: [hidden]",
            "whole, though short"
        );
        assert_eq!(without_texts("rejected", ["OK", "", " "]), "rejected");
    }

    #[test]
    fn without_the_text_no_more_is_kept_than_can_hold_nothing_of_it() {
        for (words, expected) in [
            ("34", "34"),
            ("UNDELIV 034", "UNDELIV 034"),
            ("blocked: Your code is 4821", "blocked: Your [hidden]"),
            ("E77 key [hidden] is wrong", "E77 key [hidden]"),
            ("34 (error)", "34 (error)"),
            ("482193", "[hidden]"),
            ("x 48-21", "x [hidden] [hidden]"),
            ("您的验证码将在五分钟后失效请勿告诉他人", "[hidden]"),
            ("", ""),
        ] {
            assert_eq!(head(words), expected, "{words}");
        }
    }
}
