//! The words themselves, in their usual spelling. They are compared by their letters (see [`letters`]), so
//! that case, marks, points, spaces and the script of a look-alike letter do not matter.
//!
//! English: CTIA Messaging Principles and Best Practices (2023), section 5.1.3, and 47 CFR 64.1200(a)(10),
//! which names stop, quit, end, revoke, opt out, cancel and unsubscribe. Other languages: the words that
//! carriers and senders there announce ("STOP au 36179", "BAJA", "SAIR", "RET yazin", "回T退订", "UNREG"), and
//! the verb and the noun beside them.
//!
//! Three lists, by how much else the word may say. A [`PLAIN`] word asks for one thing only, so it may stand
//! among courtesies, numbers and names. A word of [`ALONE`] is an ordinary answer too when it stands among
//! others ("cancel my order"), so it must be the whole reply. A word of [`LOCAL`] is one in its country
//! alone.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::sms::fold::letters;

/// Words that ask for no more texts and for nothing else.
pub(super) const PLAIN: &str = "
    stop|stopp|st0p|stop all|stopall|unsubscribe|unsuscribe|unsubcribe|unsub|opt out|optout|revoke|remove \
    me|take me off|no more texts|no more messages|don't text me|do not text me|don't contact me|do not \
    contact me|don't message me|lose my number
    do not contact|do not text|don't text|never text me|never contact me|do not message me|stop \
    sending|quit texting|quit texting me|quit messaging me|leave me alone|no more sms|delete my number
    ne m'écrivez plus|ne m'envoyez plus|plus de sms|plus de messages|arrêtez de m'écrire|arrêtez d'envoyer
    hör auf|hört auf|hören sie auf|keine weiteren sms|keine weiteren nachrichten|keine nachrichten \
    mehr|nicht mehr schreiben|schreib mir nicht mehr
    no quiero más mensajes|no quiero mensajes|no quiero recibir más mensajes|no quiero recibir mensajes|no \
    más sms|no me escriban|no me escriba más|deje de enviar|dejen de enviar|deja de enviarme|dejen de \
    escribirme|alto por favor
    não quero mais receber|não quero mais mensagens|não quero receber|não envie mais|pare de enviar|pare de \
    me enviar|parem de enviar|não me envie mais
    non scrivetemi più|basta messaggi|basta sms|non voglio più messaggi|geen berichten meer|geen sms \
    meer|stop met sms'en|nie pisz do mnie|nie piszcie|proszę nie pisać
    не пишите|не пиши|не пишите мне|больше не пишите|не пишите больше|не пишите мне больше|отказываюсь|не \
    присылайте|не пишіть|не пишіть мені|відписатись|не ми пишете
    무료수신거부|무료거부|بند کرو|भेजना बंद करो
    arrêt|arrêter|arrêtez|stopper|désabonner|se désabonner|me désabonner|désabonnez \
    moi|désabonnement|désinscription|désinscrire
    se désinscrire|me désinscrire|désinscrivez moi|résilier|résiliation
    stoppen|abmelden|abmeldung|abbestellen|abbestellung|austragen|keine sms mehr
    afmelden|afmelding|uitschrijven|uitschrijving|afmeld|frameld|avmeld|avmelding|avregistrera|avregistrering|avanmäl|avprenumerera|stoppa
    lopeta|lopettaa|hætta|afskrá|lõpeta|atteikties|atsisakyti
    baja|dar de baja|darse de baja|darme de baja|date de \
    baja|parar|pare|detener|detén|detenga|desuscribir|desuscribirme|desuscribirse
    cancelar suscripción|cancelar la suscripción|anular suscripción|no más \
    mensajes|sair|descadastrar|descadastro|desinscrever|cancelar inscrição
    cancelar assinatura|disiscrivi|disiscrivimi|disiscriviti|disiscrizione|disiscrivere|cancellami|cancella \
    iscrizione|aturar
    wypisz|wypisz mnie|wypisuję|rezygnuję|rezygnacja|odhlásit|odhlásiť|odhlásenie|odhlášení|leiratkozás|leiratkozom|leiratkozni|leiratkozik
    dezabonare|dezabonez|mă dezabonez|dezaboneaza|odjava|odjavi|odjavi me|odjavite me
    стоп|отписаться|отписка|отпишись|отпишите|отпишите \
    меня|отписать|відписатися|відписка|відпишіть|отписване|отпишете ме|одјава|одјави
    στοπ|διακοπή|διαγραφή|απεγγραφή|ret|durdur|abonelikten çık|dayandır|тоқтату|სტოპ|ստոպ
    توقف|إيقاف|أوقف|وقف|قف|إيقاف الاشتراك|إلغاء الاشتراك|الغاء اشتراك|ألغ الاشتراك|لغو|لغو اشتراک|בטל \
    מנוי|הסר|הסרה|הסירו|הסירו אותי|הסר אותי|להסיר|הפסק|הפסיקו|עצור
    बंद|बंद करें|बंद करो|रोकें|रोको|বন্ধ|বন্ধ করুন|நிறுத்து|ఆపు|थांबवा|બંધ|بند|بند کریں
    berhenti|berhenti langganan|henti|hentikan|unreg|stop langganan|huỷ|hủy|huỷ đăng ký|ngừng|từ chối \
    nhận|หยุด|เลิกรับ|ឈប់|ຢຸດ|itigil|sitisha
    td|退订|退訂|拒收|取消订阅|取消訂閱|停止订阅|停止訂閱|停止|停止发送|停止發送|不要再发|不要再发了|别再发了|別再傳|勿扰|停发
    配信停止|停止希望|解除|配信解除|登録解除|購読解除|受信拒否|着信拒否|退会|ストップ|止めて|やめて
    수신거부|거부|해지|중지|수신중지|수신 거부합니다|구독취소|구독해지|그만|스톱|중단";

/// Words that ask for no more texts where they are the whole reply.
pub(super) const ALONE: &str = "
    cancel|end|quit|remove|exit|no more|annuler|annulation|beenden|kündigen|kündigung|abbrechen|ende|opzeggen|stop \
    ermee
    avbryt|avsluta|avslutt|slutt|sluta|peruuta|poista|de \
    baja|alto|anular|cancela|cancelar|cancele|eliminar|salir|basta
    remover|baixa|annulla|annullare|cancella|cancellare|cancellazione|fermare|ferma|rimuovi|anuluj|koniec|zrušit|zrušiť|lemond|lemondom
    oprește|prekini|отмена|отменить|отказ|отказаться|прекратить|хватит|откажи|спри|відмова|скасувати|τέλος|ακύρωση|iptal|dur|çıkış|ləğv
    إلغاء|الغ|حذف|ביטול|בטל|batal|keluar|取消|終止|终止|中止|解約|キャンセル|취소|정지|탈퇴|ยกเลิก|เลิก";

/// Words that ask for no more texts in one country, by its calling code. There they are what every sender
/// announces (China: a letter, for Latin and Chinese keyboards alike; Turkey and Vietnam: by law), elsewhere
/// they may say anything.
pub(super) const LOCAL: [(u16, &str); 3] = [(86, "t|n|r"), (90, "red"), (84, "tc|từ chối")];

/// Words for texts again. Only these two: a "yes" may answer anything.
pub(super) const START: &str = "start|unstop";

/// Courtesies, and what a plain word is told of: with these around it, it is still the whole reply. No word
/// that turns a sense round ("not", "until", "when") may ever stand here.
const AROUND: &str = "
    please|pls|plz|kindly|just|now|immediately|ok|okay|yes|hi|hello|hey|thanks|thank|you|thx|ty|sir|re|reply|send|to
    spam|spamming|contacting|bothering|writing|from|your|list|texting|text|texts|messaging|message|messages|msg|msgs|sms|sending|me|my|all|these|this
    again|anymore|any|more|ever|wrong|number|person|phone|asap|mensagens|mensaje|nachrichten|больше
    au|svp|stp|s'il vous \
    plaît|s'il|vous|te|plaît|merci|les|moi|bitte|danke|an|alle|mich|por|favor|gracias|al|los|mensajes|obrigado|obrigada
    per|favore|grazie|lütfen|пожалуйста|спасибо|спс|proszę|dziękuję|tack|takk|tak|kiitos|من|فضلك|شكرا|לי|בבקשה|תודה
    köszönöm|kérem|prosím|prosim|děkuji|ďakujem|dík|díky|hvala|molim|mulțumesc|vă|rog|palun|aitäh|ačiū|prašau|paldies|lūdzu|dank|dankjewel|alstublieft|alsjeblieft|aub
    дякую|будь|ласка|прошу|благодаря|моля|хвала|молим|ευχαριστώ|παρακαλώ|teşekkürler|teşekkür|ederim|terima|kasih|tolong|mohon|cảm|ơn|xin|vui|lòng
    kiitti|vänligen|venligst|vennligst|ممنون|لطفا|متشکرم|شکریہ|مہربانی|धन्यवाद|कृपया|ধন্যবাদ|salamat|asante|감사합니다|ขอบคุณ";

/// Words that are an order in capitals before a few others ("STOP Acme", "BAJA Acme").
const STRONG: &str = "
    stop|stopp|stopall|unsubscribe|unsub|optout|arrêt|arrêter|arrêtez|désabonner|désabonnement|abmelden|abbestellen|afmelden|uitschrijven|afmeld
    avmeld|baja|sair|descadastrar|disiscrivi|cancellami|wypisz|odhlásit|odhlásiť|leiratkozás|dezabonare|odjava|стоп|отписаться|відписатися|στοπ|berhenti|unreg|huỷ";

/// Words behind which a strong word is an ordinary one: "STOP by at eight", "STOP it".
const GOING_ON: [&str; 11] =
    ["by", "at", "in", "over", "off", "it", "near", "between", "around", "is", "was"];

/// What is written before a word, and behind it, without a space: "help", "help me", "please", "I want to", "reply with";
/// "messages", "thanks", "please do", "I ask for it".
pub(super) const BEFORE: [&str; 15] = [
    "帮助", "幫助", "帮我", "幫我", "请", "請", "我要", "我想", "立即", "马上", "麻烦", "全部", "短信",
    "簡訊", "信息",
];
pub(super) const BEHIND: [&str; 26] = [
    "谢谢",
    "謝謝",
    "短信",
    "簡訊",
    "信息",
    "服务",
    "吧",
    "了",
    "してください",
    "して下さい",
    "を希望します",
    "希望します",
    "希望",
    "お願いします",
    "おねがいします",
    "です",
    "해주세요",
    "해 주세요",
    "부탁드립니다",
    "바랍니다",
    "합니다",
    "해요",
    "요",
    "ครับ",
    "ค่ะ",
    "คะ",
];

/// "Reply with" in Chinese. The letter behind it is an order in every country.
pub(super) const REPLY_WITH: [&str; 8] = ["回复", "回覆", "回復", "回", "发送", "發送", "发", "發"];

/// The letters and figures that Chinese senders announce beside the word ("TD退订", "回复0000退订").
pub(super) const SIGNS: [&str; 5] = ["td", "t", "n", "r", "0000"];

/// Plain words of scripts without spaces, to be found within a sentence.
pub(super) const HAN_STOPS: [&str; 8] =
    ["退订", "退訂", "拒收", "取消订阅", "取消訂閱", "配信停止", "수신거부", "수신 거부"];

/// Most letters of a word that is drawn long.
const MAX_DRAWN: usize = 400;

pub(super) type Words = LazyLock<HashSet<String>>;

pub(super) fn read(list: &str) -> HashSet<String> {
    list.split(['|', '\n']).map(letters).filter(|word| !word.is_empty()).collect()
}

static PLAIN_WORDS: Words = LazyLock::new(|| read(PLAIN));
static ALONE_WORDS: Words = LazyLock::new(|| read(ALONE));
static START_WORDS: Words = LazyLock::new(|| read(START));
static STRONG_WORDS: Words = LazyLock::new(|| read(STRONG));
static AROUND_WORDS: Words = LazyLock::new(|| read(AROUND));
static LOCAL_WORDS: LazyLock<Vec<(u16, HashSet<String>)>> =
    LazyLock::new(|| LOCAL.map(|(code, list)| (code, read(list))).into());

pub(super) fn is_plain(letters: &str) -> bool {
    PLAIN_WORDS.contains(letters) || is_drawn(letters)
}

/// Whether these letters are "stop", however long it is drawn and how often it is said in one: "STOOOOP!",
/// "STOPSTOP".
fn is_drawn(letters: &str) -> bool {
    let mut drawn: Vec<char> = letters.chars().take(MAX_DRAWN).collect();
    drawn.dedup();
    !drawn.is_empty() && drawn.chunks(4).all(|word| word.iter().copied().eq("stop".chars()))
}

pub(super) fn is_strong(letters: &str) -> bool {
    STRONG_WORDS.contains(letters) || is_drawn(letters)
}

pub(super) fn is_going_on(letters: &str) -> bool {
    GOING_ON.contains(&letters)
}

pub(super) fn is_alone(letters: &str) -> bool {
    ALONE_WORDS.contains(letters)
}

pub(super) fn is_start(letters: &str) -> bool {
    START_WORDS.contains(letters)
}

pub(super) fn is_around(letters: &str) -> bool {
    AROUND_WORDS.contains(letters)
}

pub(super) fn is_local(letters: &str, calling_code: u16) -> bool {
    LOCAL_WORDS.iter().any(|(code, words)| *code == calling_code && words.contains(letters))
}

/// Whether it is one in any country.
pub(super) fn is_local_somewhere(letters: &str) -> bool {
    LOCAL_WORDS.iter().any(|(_, words)| words.contains(letters))
}
