//! Whether a reply plainly asks for no more texts in words of its own: a long one with "please don't text me again" in
//! it, or "I no longer want to receive these".
//!
//! A word that is an order stops everything at once (see the module above). This is another thing: somebody has
//! to read it, and until then only marketing waits. So it is to be right rather than complete. A clause counts
//! where one of the [`PHRASES`] stands in it, nothing turns its sense round ("don't stop texting me", "you never
//! text me", "... until Monday"), and, where the phrase alone may be about one text ("don't text me the code"), it
//! ends there or says that it is meant for good ("again", "anymore").

use std::sync::LazyLock;

use crate::sms::fold::letters;

/// Longest reply that is looked at, in characters: several segments, and no letter that somebody pastes.
const MAX: usize = 1_000;

/// What ends a clause, behind a word.
const ENDS: [char; 11] = ['.', ',', '!', '?', ';', ':', ')', '\u{3002}', '\u{ff0c}', '\u{ff01}', '\u{2026}'];

/// How far before a phrase a word turns its sense round.
const NEAR: usize = 4;

/// The languages of the phrases, with what is the same for all of a language.
struct Language {
    /// A phrase a line: words with their alternatives (`a/b`), those that may be left out (`please?`), and `>` behind
    /// a phrase that must end its clause, or be said for good.
    phrases: &'static str,
    /// Words shortly before a phrase with which it is no order: who else it is said of, or a second "not". One with
    /// `~` counts where the phrase begins with "don't" alone: "could you stop" is an order, "you never" is none.
    before: &'static str,
    /// Words of a condition or a time: with one of them in its clause it is no order for good.
    turning: &'static str,
    /// Words that say that it is meant for good.
    for_good: &'static str,
}

const LANGUAGES: [Language; 8] = [
    // English
    Language {
        phrases: "dont/never ever? text/message/contact/sms me/us >
            do not ever? text/message/contact/sms me/us >
            not to ever? text/message/contact me/us >
            dont text/message/contact this number/phone >
            do not text/message/contact this number/phone >
            dont send me any? more? texts/messages/sms/text/spam/ads >
            do not send me any? more? texts/messages/sms/text/spam/ads >
            stop/quit texting/messaging/contacting/spamming/bothering/harassing me/us/people/this
            stop/quit sending me? these/this/your/any/all/more/texts/text/messages/sms/spam/ads/offers/promotions/stuff
            take/remove me off/from your/this/the/all mailing? contact? text? list/lists/database
            remove/delete/lose my number
            dont want any? more/your/these texts/messages/sms/ads/spam
            do not want any? more/your/these texts/messages/sms/ads/spam
            dont want to get/receive any? more? of? these/your/texts/messages/sms
            do not want to get/receive any? more? of? these/your/texts/messages/sms
            no longer want to get/receive/hear
            want no more texts/messages/sms
            unsubscribe me
            opt me out
            want/like to unsubscribe/optout
            want/like to opt out
            leave me alone",
        before: "~you ~u why they he she we it nobody cant cannot wont dont not never didnt did wouldnt hope",
        turning: "until till unless when while if before after yet tonight today tomorrow during because instead except",
        for_good: "again anymore ever more",
    },
    // German
    Language {
        phrases: "schreiben/kontaktieren sie mir/mich bitte? nicht mehr
            schreib/schreibt mir/mich bitte? nicht mehr
            schicken/senden sie mir bitte? keine sms/nachrichten/werbung mehr
            schick/schickt/sende/sendet mir bitte? keine sms/nachrichten/werbung mehr
            keine weiteren? sms/nachrichten/werbung mehr? erhalten/bekommen/empfangen
            keine sms/nachrichten/werbung mehr von ihnen/euch
            hören sie bitte? auf mir sms/nachrichten/werbung? zu schreiben/schicken/senden
            hört/hör bitte? auf mir sms/nachrichten/werbung? zu schreiben/schicken/senden
            löschen sie bitte? meine nummer/handynummer/daten
            nehmen/streichen sie mich bitte? aus/von dem/der/ihrem/ihrer/eurem verteiler/liste",
        before: "warum wieso nicht",
        turning: "bis wenn falls während bevor heute morgen ob sondern",
        for_good: "mehr",
    },
    // French
    Language {
        phrases: "ne m'écrivez/m'envoyez/m'écris/m'envoie plus de? ces? sms/messages/textos/pub/rien >
            ne me contactez/contacte/textez plus >
            arrêtez/arrête/cessez de m'écrire/m'envoyer/m'embêter/m'harceler
            arrêtez/arrête/cessez de me contacter/harceler/texter
            ne veux/souhaite plus recevoir de/vos/ces/aucun
            ne veux/souhaite plus de sms/messages/textos/pub
            retirez/enlevez/supprimez moi de votre/la/cette/vos liste/listes/fichier/fichiers
            supprimez/effacez/retirez mon numéro",
        before: "pourquoi vous tu ils",
        turning: "si quand avant jusqu jusqu'à jusqu'au aujourd'hui demain sauf pendant",
        for_good: "jamais",
    },
    // Spanish
    Language {
        phrases: "no me escriban/escriba/escribas/envíen/envíe/envíes/manden/mande/mandes/contacten/contacte más >
            no me manden/mande/envíen/envíe más mensajes/sms/publicidad
            no quiero recibir más mensajes/sms/publicidad
            no deseo recibir más mensajes/sms/publicidad
            ya no quiero recibir mensajes/sms/publicidad/sus
            dejen/deje/deja/paren/pare de enviarme/mandarme/escribirme/molestarme/contactarme
            bórrenme/bórreme/quítenme/quíteme/elimínenme/elimíneme/sáquenme/sáqueme de su/la/esta/sus lista/listas
            borren/borre/eliminen/elimine mi número",
        before: "qué ustedes",
        turning: "cuando hasta antes hoy mañana salvo excepto porque",
        for_good: "nunca",
    },
    // Portuguese
    Language {
        phrases: "não me envie/enviem/mande/mandem/contate/contatem mais >
            não me mande/mandem/envie/enviem mais mensagens/mensagem/sms/propaganda
            não quero mais? receber mais? mensagens/sms/propaganda/propagandas
            pare/parem de me enviar/mandar/escrever/incomodar
            pare/parem de enviar/mandar mensagens/mensagem/sms
            me tire/tirem/remova/removam da sua? lista
            apague/apaguem/remova/removam/exclua/excluam o? meu número",
        before: "que você vocês",
        turning: "quando até antes hoje amanhã exceto",
        for_good: "nunca",
    },
    // Italian
    Language {
        phrases: "non mi scrivete/mandate/inviate/contattate più >
            non scrivetemi/mandatemi/inviatemi/contattatemi più >
            non mandatemi/inviatemi più messaggi/sms/pubblicità
            non voglio più ricevere messaggi/sms/pubblicità/i/vostri
            non desidero più ricevere messaggi/sms/pubblicità/i/vostri
            smettetela/smettila/smettete di scrivermi/mandarmi/inviarmi/contattarmi
            cancellatemi/toglietemi/rimuovetemi dalla/dalle vostra? vostre? lista/liste
            cancellate/rimuovete/eliminate il mio numero",
        before: "perché",
        turning: "quando finché prima oggi domani tranne",
        for_good: "mai",
    },
    // Dutch
    Language {
        phrases: "stuur/sturen mij/me geen sms/sms'jes/berichten/reclame meer
            wil geen sms/sms'jes/berichten/reclame meer ontvangen/krijgen
            stop met mij/me berichten/sms/sms'jes/reclame te sturen
            haal/verwijder mij/me van/uit de/uw/jullie lijst/bestand
            verwijder/wis mijn nummer",
        before: "waarom",
        turning: "tot wanneer als voordat vandaag morgen tenzij",
        for_good: "meer",
    },
    // Russian
    Language {
        phrases: "не пишите/пиши/звоните мне больше
            больше не пишите/присылайте/шлите/отправляйте мне
            не присылайте/шлите/отправляйте мне больше
            перестаньте/прекратите мне? писать/присылать/слать/отправлять мне? сообщения/смс/рекламу
            удалите мой номер
            не хочу больше? получать ваши/эти/больше? сообщения/смс/рекламу",
        before: "почему",
        turning: "если когда пока до завтра сегодня кроме",
        for_good: "больше",
    },
];

/// What Chinese, which has no spaces, has for it; found within a reply.
const WITHOUT_SPACES: [&str; 10] = [
    "不要再给我发短信",
    "不要再給我發簡訊",
    "别再给我发短信",
    "別再給我發簡訊",
    "不要再发短信给我",
    "别再发短信给我",
    "请不要再发短信",
    "不要再给我发信息",
    "别再给我发信息",
    "不想再收到你们的短信",
];

/// What may stand behind a phrase that ends its clause.
const COURTESIES: &str = "please pls plz thanks thank you thx ty ok okay at all guys sir bitte danke merci svp s'il \
    vous plaît por favor gracias obrigado obrigada grazie per alstublieft dank u je пожалуйста спасибо";

/// What a phrase begins with that says "don't".
const NEGATED: [&str; 3] = ["dont", "never", "do"];

/// A word of a phrase.
struct Piece {
    words: Vec<String>,
    is_optional: bool,
}

struct Phrase {
    pieces: Vec<Piece>,
    must_close: bool,
    /// Whether it begins with "don't".
    is_negated: bool,
}

struct Read {
    phrases: Vec<Phrase>,
    /// Each with whether it counts before "don't" alone.
    before: Vec<(String, bool)>,
    turning: Vec<String>,
    for_good: Vec<String>,
}

fn folded(list: &str) -> Vec<String> {
    list.split_whitespace().map(letters).collect()
}

fn phrase(line: &str) -> Phrase {
    let (line, must_close) = line.strip_suffix('>').map_or((line, false), |line| (line, true));
    let piece = |word: &str| Piece {
        is_optional: word.ends_with('?'),
        words: word.trim_end_matches('?').split('/').map(letters).collect(),
    };
    let pieces: Vec<Piece> = line.split_whitespace().map(piece).collect();
    let is_negated =
        pieces.first().is_some_and(|first| first.words.iter().any(|word| NEGATED.contains(&&**word)));
    Phrase { pieces, must_close, is_negated }
}

static READ: LazyLock<Vec<Read>> = LazyLock::new(|| {
    let read = |language: &Language| Read {
        phrases: language.phrases.lines().map(|line| phrase(line.trim())).collect(),
        before: language
            .before
            .split_whitespace()
            .map(|word| (letters(word), word.starts_with('~')))
            .collect(),
        turning: folded(language.turning),
        for_good: folded(language.for_good),
    };
    LANGUAGES.iter().map(read).collect()
});

static AROUND: LazyLock<Vec<String>> = LazyLock::new(|| folded(COURTESIES));

/// Whether a reply plainly asks for no more texts, so that somebody has to read it.
pub fn objects(text: &str) -> bool {
    if text.chars().count() > MAX {
        return false;
    }
    let whole = letters(text);
    if WITHOUT_SPACES.iter().any(|phrase| whole.contains(&letters(phrase))) {
        return true;
    }
    clauses(text).iter().any(|clause| READ.iter().any(|language| language.objects(clause)))
}

/// The words of each clause, by their letters.
fn clauses(text: &str) -> Vec<Vec<String>> {
    let mut clauses = vec![Vec::new()];
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '\u{2013}' | '\u{2014}')) {
        let folded = letters(word);
        if let Some(clause) = clauses.last_mut().filter(|_| !folded.is_empty()) {
            clause.push(folded);
        }
        if word.ends_with(ENDS) {
            clauses.push(Vec::new());
        }
    }
    // A line that ends without a sign goes on in the next one: the screen was full.
    clauses
}

impl Read {
    fn objects(&self, clause: &[String]) -> bool {
        if clause.iter().any(|word| self.turning.contains(word)) {
            return false;
        }
        (0..clause.len()).any(|start| {
            let (before, rest) = clause.split_at_checked(start).unwrap_or_default();
            let near = before.get(before.len().saturating_sub(NEAR)..).unwrap_or_default();
            self.phrases.iter().any(|phrase| self.begins(phrase, near, rest))
        })
    }

    fn begins(&self, phrase: &Phrase, near: &[String], rest: &[String]) -> bool {
        let Some(behind) = after(&phrase.pieces, rest) else { return false };
        let turns = |word: &String| {
            self.before.iter().any(|(before, negated)| before == word && (phrase.is_negated || !negated))
        };
        let is_turned = near.iter().any(turns);
        let is_closed = !phrase.must_close
            || behind.iter().all(|word| AROUND.contains(word))
            || behind.iter().any(|word| self.for_good.contains(word));
        !is_turned && is_closed
    }
}

/// What stands behind these words where a clause begins with them.
fn after<'a>(pieces: &[Piece], clause: &'a [String]) -> Option<&'a [String]> {
    let Some((piece, more)) = pieces.split_first() else { return Some(clause) };
    let taken = clause.split_first().filter(|(word, _)| piece.words.contains(word));
    let with = taken.and_then(|(_, rest)| after(more, rest));
    if piece.is_optional { with.or_else(|| after(more, clause)) } else { with }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_plainly_asks_for_no_more_texts_is_found() {
        for text in [
            "Please don't text me again",
            "please do not contact me anymore, thank you",
            "Hi, I already bought one. Please don't message me again!",
            "I told you not to text me again",
            "Never text me again.",
            "Who is this? Stop texting me",
            "Can you stop sending me these messages please",
            "I'm not interested, quit messaging me",
            "stop sending your ads to my phone",
            "Please take me off your list, I never signed up",
            "remove me from this mailing list please",
            "I don't want any more texts from your company",
            "I do not want to receive your messages",
            "I no longer want to receive these",
            "Could you unsubscribe me from this, thanks",
            "I would like to opt out of this program",
            "delete my number from your system",
            "You have the wrong person. Please don\u{2019}t text me",
            "don't contact this number again",
            "Bitte schreiben Sie mir nicht mehr, ich habe kein Interesse",
            "Ich m\u{f6}chte keine weiteren Nachrichten erhalten",
            "H\u{f6}ren Sie bitte auf, mir zu schreiben. L\u{f6}schen Sie meine Nummer!",
            "Bonjour, ne m'\u{e9}crivez plus de messages s'il vous pla\u{ee}t",
            "Arr\u{ea}tez de m'envoyer vos pubs",
            "Je ne veux plus recevoir de messages de votre part",
            "Buenas, no me escriban m\u{e1}s por favor",
            "Dejen de mandarme mensajes, no me interesa",
            "No quiero recibir m\u{e1}s publicidad de ustedes",
            "Por favor parem de me mandar mensagens",
            "N\u{e3}o quero mais receber mensagens de voc\u{ea}s",
            "Non voglio pi\u{f9} ricevere messaggi da voi",
            "Basta, smettetela di scrivermi",
            "Ik wil geen berichten meer ontvangen van jullie",
            "Пожалуйста, не пишите мне больше",
            "Я не хочу больше получать ваши сообщения",
            "\u{8bf7}\u{4e0d}\u{8981}\u{518d}\u{7ed9}\u{6211}\u{53d1}\u{77ed}\u{4fe1}\u{4e86}\u{ff0c}\u{8c22}\u{8c22}",
        ] {
            assert!(objects(text), "{text}");
        }
    }

    #[test]
    fn what_says_something_else_is_not_taken_for_it() {
        for text in [
            "don't stop texting me",
            "Please don't ever stop sending me these!",
            "stop by at 5",
            "Can you stop by at 5 and text me",
            "you never text me anymore",
            "Why don't you text me again tomorrow",
            "If you don't text me I will call",
            "don't text me the code, I have it",
            "Don't text me now",
            "please do not text me until Monday",
            "Don't message me while I am driving",
            "please don't contact me before ten",
            "I can't stop texting you",
            "He said he would stop texting me but he did not",
            "don't forget to text me again",
            "Please text me again when it is there",
            "I hope you never stop sending these offers",
            "The bus will stop sending people at nine",
            "Do not send me to voicemail please",
            "stop messaging and drive",
            "no more messages on my phone, the storage is full",
            "take me off speaker",
            "Remove me from the group chat please",
            "I want to receive your messages",
            "did you stop texting me?",
            "Schreiben Sie mir bitte wieder",
            "Schreiben Sie mir nicht mehr bis Montag",
            "Warum schreiben Sie mir nicht mehr",
            "Ne m'\u{e9}crivez plus avant lundi",
            "Pourquoi vous ne m'\u{e9}crivez plus",
            "No me escriban hasta ma\u{f1}ana",
            "Por qu\u{e9} no me escriben m\u{e1}s",
            "N\u{e3}o me mande mais at\u{e9} amanh\u{e3}",
            "Non mi scrivete prima di lunedi",
            "Почему вы не пишете мне больше",
            "",
            "Yes please",
        ] {
            assert!(!objects(text), "{text}");
        }
        assert!(
            !objects(&format!("{} please don't text me again", "word ".repeat(300))),
            "nobody reads so far"
        );
    }
}
