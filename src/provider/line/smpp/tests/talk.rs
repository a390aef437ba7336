//! Carriers that do not keep to the order of a talk.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A frame of the carrier's.
fn frame(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let header: Vec<u8> =
        [length, command, status, sequence].iter().flat_map(|word| word.to_be_bytes()).collect();
    [&header, body].concat()
}

/// The other end of one connection.
struct Carrier(TcpStream);

impl Carrier {
    /// The next frame: its command and its number.
    async fn read(&mut self) -> (u32, u32) {
        let length = self.0.read_u32().await.unwrap();
        let mut rest = vec![0; usize::try_from(length).unwrap() - 4];
        self.0.read_exact(&mut rest).await.unwrap();
        let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
        (word(0), word(8))
    }

    async fn write(&mut self, command: u32, status: u32, sequence: u32, body: &[u8]) {
        self.0.write_all(&frame(command, status, sequence, body)).await.unwrap();
    }
}

/// An account at a carrier that does as it is told here.
async fn account(change: impl FnOnce(&mut Config)) -> (TcpListener, Arc<Smpp>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config {
        address: listener.local_addr().unwrap().to_string(),
        system_id: "acme".to_owned(),
        ..Config::default()
    };
    change(&mut config);
    let mut secrets = Secrets::default();
    secrets.insert("password", SecretText::new("secret08"));
    let smpp = Smpp::new(config, &Setup { clock: Arc::new(SystemClock), secrets, callback: None }).unwrap();
    (listener, smpp)
}

#[tokio::test]
async fn a_yes_to_another_command_is_no_yes_to_a_message() {
    let (listener, smpp) = account(|config| config.cancel = true).await;
    let serving = tokio::spawn(async move {
        let mut carrier = Carrier(listener.accept().await.unwrap().0);
        let (command, number) = carrier.read().await;
        carrier.write(command | 0x8000_0000, 0, number, b"\0").await;
        for wrong in [0x8000_0008, 0x8000_0004] {
            let (_, number) = carrier.read().await;
            carrier.write(wrong, 0, number, b"id-1\0").await;
        }
        carrier
    });
    let outcome = smpp.send(&submission(None, "hi")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let arguments =
        Arguments::from([("id".to_owned(), "id-1".to_owned()), ("to".to_owned(), "+33612345678".to_owned())]);
    assert_eq!(smpp.act("cancel", &arguments).await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    drop(serving);
}

#[tokio::test]
async fn a_message_of_a_person_may_come_before_the_answer_to_the_bind() {
    let (listener, smpp) = account(|_| {}).await;
    let mut notices = smpp.notices().unwrap();
    let mut carrier = Carrier(listener.accept().await.unwrap().0);
    let (command, number) = carrier.read().await;
    carrier.write(0x15, 0, 1, b"").await;
    carrier.write(0x05, 0, 2, b"\0\x01\x0133612345678\0\x03\x0036179\0\0\0\0\0\0\0\0\0\0\x02hi").await;
    carrier.write(command | 0x8000_0000, 0, number, b"\0").await;
    assert_eq!(carrier.read().await, (0x8000_0015, 1));
    let notice = notices.recv().await.unwrap();
    assert!(
        matches!(&notice.event, crate::provider::exchange::Event::Reply(reply) if reply.text == "hi"),
        "{notice:?}"
    );
    notice.recorded(true);
    assert_eq!(carrier.read().await, (0x8000_0005, 2));
}

#[tokio::test]
async fn a_check_tells_of_the_bind_that_is_not_up() {
    let (listener, smpp) = account(|config| config.mode = Mode::TransmitterAndReceiver).await;
    let serving = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let mut carrier = Carrier(listener.accept().await.unwrap().0);
            let (command, number) = carrier.read().await;
            carrier.write(command | 0x8000_0000, if command == 1 { 0x0D } else { 0 }, number, b"\0").await;
            kept.push(carrier);
        }
    });
    let findings = smpp.check().await.unwrap();
    assert!(
        findings.iter().any(|finding| finding.is_warning && finding.text.contains("0x0d")),
        "{findings:?}"
    );
    serving.abort();
}

#[test]
fn an_address_is_kept_as_far_as_one_can_be_long() {
    let body = [&b"\0\x05\0"[..], &[b'A'; 100_000], b"\0\x03\x0036179\0\0\0\0\0\0\0\0\0\0\x02hi"].concat();
    let deliver = pushed(&frame(5, 0, 7, &body));
    assert_eq!(
        (deliver.from.text.len(), deliver.to.text.as_str(), deliver.octets.as_slice()),
        (64, "36179", &b"hi"[..])
    );
}
