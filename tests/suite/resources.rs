//! Messages as resources: read, listed, watched; both eras over both transports.

use std::process::Command;
use std::time::Duration;

use rmcp::ClientServiceExt as _;
use rmcp::model::{
    ErrorCode, ReadResourceRequestParams, ResourceContents, ResourceUpdatedNotificationParam,
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RoleClient, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use rmcp::{ClientHandler, Peer};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::Report;
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::sms::message::State;

use crate::support::{Desk, Era, HttpServer, WIDE, ends, fictional, within};

/// A client that passes on what it is told.
struct Listener(mpsc::UnboundedSender<String>);

impl ClientHandler for Listener {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.0.send(params.uri);
    }
}

struct Session {
    era: Era,
    client: RunningService<RoleClient, Listener>,
    told: mpsc::UnboundedReceiver<String>,
    tell: mpsc::UnboundedSender<String>,
}

async fn stdio(desk: &Desk, era: Era) -> Session {
    let (tell, told) = mpsc::unbounded_channel();
    let transport = TokioChildProcess::new(tokio::process::Command::from(desk.command())).unwrap();
    let client = Listener(tell.clone()).serve_with_lifecycle(transport, era.lifecycle()).await.unwrap();
    Session { era, client, told, tell }
}

async fn http(server: &HttpServer, era: Era, token: Option<&str>) -> Session {
    let (tell, told) = mpsc::unbounded_channel();
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.url());
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = Listener(tell.clone()).serve_with_lifecycle(transport, era.lifecycle()).await.unwrap();
    Session { era, client, told, tell }
}

async fn everywhere(settings: &str) -> Vec<(String, Desk, Option<HttpServer>, Session)> {
    let mut all = Vec::new();
    for era in Era::BOTH {
        let desk = Desk::new(settings);
        let session = stdio(&desk, era).await;
        all.push((format!("stdio {era:?}"), desk, None, session));
        let desk = Desk::new(settings);
        let server = desk.http(|_| {});
        let session = http(&server, era, None).await;
        all.push((format!("http {era:?}"), desk, Some(server), session));
    }
    all
}

impl Session {
    fn peer(&self) -> &Peer<RoleClient> {
        self.client.peer()
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Value {
        let mut request = rmcp::model::CallToolRequestParams::new(tool);
        request.arguments = arguments.as_object().cloned();
        let result = self.client.call_tool(request).await.unwrap();
        assert_ne!(result.is_error, Some(true), "{result:?}");
        result.structured_content.unwrap()
    }

    async fn send(&self, to: &str, text: &str) -> Value {
        self.call("send_sms", json!({ "to": to, "message": text })).await
    }

    async fn read(&self, uri: &str) -> Result<Value, ServiceError> {
        let result = self.client.read_resource(ReadResourceRequestParams::new(uri)).await?;
        let [ResourceContents::TextResourceContents { uri: shown, mime_type, text, .. }] =
            result.contents.as_slice()
        else {
            panic!("{:?}", result.contents)
        };
        assert_eq!((shown.as_str(), mime_type.as_deref()), (uri, Some("application/json")));
        Ok(serde_json::from_str(text).unwrap())
    }

    /// Asks to be told, in the way of the session's era. Returns what was granted.
    async fn subscribe(&self, uris: &[String]) -> Result<usize, ServiceError> {
        if self.era == Era::Legacy {
            for uri in uris {
                #[expect(deprecated, reason = "the older era has no other way")]
                self.peer().subscribe(SubscribeRequestParams::new(uri.clone())).await?;
            }
            return Ok(uris.len());
        }
        let mut subscription = self
            .peer()
            .listen(SubscriptionFilter::builder().resource_subscriptions(uris.iter().cloned()).build())
            .await?;
        let granted = subscription.acknowledged().resource_subscriptions.as_ref().map_or(0, Vec::len);
        let tell = self.tell.clone();
        tokio::spawn(async move {
            while let Ok(Some(notification)) = subscription.next().await {
                if let ServerNotification::ResourceUpdatedNotification(update) = notification {
                    let _ = tell.send(update.params.uri);
                }
            }
        });
        Ok(granted)
    }

    async fn told(&mut self, whose: &str) -> String {
        within(&format!("{whose}: something is told"), self.told.recv()).await.unwrap()
    }

    /// Nothing comes in the time of nearly two looks into the ledger.
    async fn is_told_nothing(&mut self, whose: &str) {
        let told = tokio::time::timeout(Duration::from_millis(1_800), self.told.recv()).await;
        assert!(told.is_err(), "{whose}: {told:?}");
    }

    /// Nothing comes but what is still to be said of this one.
    async fn is_told_nothing_else(&mut self, whose: &str, uri: &str) {
        while let Ok(told) = tokio::time::timeout(Duration::from_millis(1_800), self.told.recv()).await {
            assert_eq!(told.as_deref(), Some(uri), "{whose}");
        }
    }
}

fn uri(message: &Value) -> String {
    format!("sms://messages/{}", message["id"].as_str().unwrap())
}

/// A delivery that another process records in the ledger.
async fn deliver_elsewhere(desk: &Desk, sent: &Value) {
    let store = SqliteLedger::open(&desk.ledger(), SystemClock.now(), [9; 8]).unwrap();
    let report = Report {
        provider: "sandbox".into(),
        vendor_id: sent["provider_message_id"].as_str().unwrap().into(),
        to: None,
        state: State::Delivered,
        at: SystemClock.now(),
        why: None,
        price_micros: None,
    };
    assert_eq!(store.record_receipt(report, SystemClock.now()).await.unwrap().len(), 1);
    store.close().await.unwrap();
}

fn code_of(error: ServiceError) -> ErrorCode {
    match error {
        ServiceError::McpError(error) => error.code,
        other => panic!("{other:?}"),
    }
}

const SLOW: &str = "[[provider]]\nkind = \"sandbox\"\ndelivery_delay = \"2s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reads_as_get_status_answers() {
    for (whose, _desk, _server, session) in everywhere(WIDE).await {
        let capabilities = session.client.peer_info().unwrap().capabilities.clone();
        assert_eq!(capabilities.resources.and_then(|resources| resources.subscribe), Some(true), "{whose}");
        let templates =
            serde_json::to_value(session.client.list_all_resource_templates().await.unwrap()).unwrap();
        assert_eq!(templates[0]["uriTemplate"], "sms://messages/{id}", "{whose}");
        for text in ["title", "description", "mimeType"] {
            assert!(templates[0][text].is_string(), "{whose}: {templates}");
        }
        let sent = session.send("+12025550111", "canary-text").await;
        let read = session.read(&uri(&sent)).await.unwrap();
        let status = session.call("get_status", json!({ "id": sent["id"] })).await;
        assert_eq!(read, status, "{whose}");
        assert!(!read.to_string().contains("canary"), "{read}");
        let missing = if session.era == Era::Legacy {
            ErrorCode::RESOURCE_NOT_FOUND
        } else {
            ErrorCode::INVALID_PARAMS
        };
        for wrong in [
            "sms://messages/msg_0",
            "sms://messages/bat_0",
            "sms://messages/",
            "sms://messages/msg_1/x",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(code_of(session.read(wrong).await.unwrap_err()), missing, "{whose}: {wrong}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_twenty_latest() {
    for (whose, _desk, _server, session) in everywhere(WIDE).await {
        let recipients: Vec<Value> = (0..25).map(|index| json!({ "to": fictional(index) })).collect();
        session.call("send_bulk", json!({ "recipients": recipients, "message": "canary-text" })).await;
        let listed = session.client.list_all_resources().await.unwrap();
        let latest = session.call("list_sms", json!({ "limit": 20 })).await;
        let wanted: Vec<String> = latest["messages"].as_array().unwrap().iter().map(uri).collect();
        assert_eq!(listed.iter().map(|resource| resource.uri.clone()).collect::<Vec<_>>(), wanted, "{whose}");
        let shown = serde_json::to_string(&listed).unwrap();
        assert!(!shown.contains("canary") && shown.contains("application/json"), "{whose}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_message_is_told_when_it_changes() {
    for (whose, _desk, _server, mut session) in everywhere(&format!("{WIDE}{SLOW}")).await {
        let (watched, other) =
            (session.send(&fictional(1), "a").await, session.send(&fictional(2), "b").await);
        session.subscribe(&[uri(&watched)]).await.unwrap();
        loop {
            assert_eq!(session.told(&whose).await, uri(&watched), "{whose}: and not {other}");
            if session.read(&uri(&watched)).await.unwrap()["message"]["status"] == "delivered" {
                break;
            }
        }
        session.is_told_nothing_else(&whose, &uri(&watched)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_another_process_makes_is_told_too() {
    for (whose, desk, _server, mut session) in everywhere(WIDE).await {
        let watched = session.send("+12025550111", "a").await;
        // Long enough ago that nobody is told of it as of something that happened just now.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        session.subscribe(&[uri(&watched)]).await.unwrap();
        deliver_elsewhere(&desk, &watched).await;
        assert_eq!(session.told(&whose).await, uri(&watched));
        session.is_told_nothing_else(&whose, &uri(&watched)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_no_more_is_told_no_more() {
    let desk = Desk::new(WIDE);
    let mut session = stdio(&desk, Era::Legacy).await;
    let watched = session.send("+12025550111", "a").await;
    session.subscribe(&[uri(&watched), uri(&watched)]).await.unwrap();
    for _ in 0..2 {
        #[expect(deprecated, reason = "the older era has no other way")]
        session.peer().unsubscribe(UnsubscribeRequestParams::new(uri(&watched))).await.unwrap();
    }
    deliver_elsewhere(&desk, &watched).await;
    session.is_told_nothing("stdio").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_watches_a_hundred_messages_at_most() {
    for (whose, _desk, _server, session) in everywhere(&format!("{WIDE}bulk_max = 101\n")).await {
        let recipients: Vec<Value> = (0..101).map(|index| json!({ "to": fictional(index) })).collect();
        session.call("send_bulk", json!({ "recipients": recipients, "message": "x" })).await;
        let mut page = session.call("list_sms", json!({ "limit": 100 })).await;
        let mut uris: Vec<String> = page["messages"].as_array().unwrap().iter().map(uri).collect();
        page = session.call("list_sms", json!({ "limit": 100, "cursor": page["next_cursor"] })).await;
        uris.extend(page["messages"].as_array().unwrap().iter().map(uri));
        assert_eq!(uris.len(), 101);
        if session.era == Era::Stateless {
            assert_eq!(session.subscribe(&uris).await.unwrap(), 100, "{whose}");
        } else {
            #[expect(deprecated, reason = "the older era has no other way")]
            let all =
                uris.iter().map(|uri| session.peer().subscribe(SubscribeRequestParams::new(uri.clone())));
            let refused: Vec<ServiceError> =
                futures::future::join_all(all).await.into_iter().filter_map(Result::err).collect();
            assert_eq!(refused.len(), 1, "{whose}: asked for all at once");
            assert_eq!(
                code_of(session.subscribe(&uris).await.unwrap_err()),
                ErrorCode::INVALID_PARAMS,
                "{whose}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_or_watches_anothers_message() {
    let desk = Desk::new(&format!("{WIDE}[http]\ntoken = \"s3cret\"\n"));
    let server = desk.http(|_| {});
    let owner = stdio(&desk, Era::Stateless).await;
    let theirs = owner.send("+12025550111", "a").await;
    for era in Era::BOTH {
        let mut stranger = http(&server, era, Some("s3cret")).await;
        let missing =
            if era == Era::Legacy { ErrorCode::RESOURCE_NOT_FOUND } else { ErrorCode::INVALID_PARAMS };
        assert_eq!(code_of(stranger.read(&uri(&theirs)).await.unwrap_err()), missing);
        assert!(stranger.client.list_all_resources().await.unwrap().is_empty());
        let subscribed = stranger.subscribe(&[uri(&theirs)]).await;
        if era == Era::Legacy {
            assert_eq!(code_of(subscribed.unwrap_err()), missing);
        } else {
            subscribed.unwrap();
        }
        stranger.is_told_nothing("stranger").await;
        if era == Era::Stateless {
            deliver_elsewhere(&desk, &theirs).await;
            stranger.is_told_nothing("stranger").await;
        }
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_watches_holds_up_no_stop() {
    for era in Era::BOTH {
        let desk = Desk::new(WIDE);
        let mut server = desk.http(|_| {});
        let session = http(&server, era, None).await;
        let watched = session.send("+12025550111", "a").await;
        session.subscribe(&[uri(&watched)]).await.unwrap();
        Command::new("kill").arg(server.child.id().to_string()).status().unwrap();
        let ended = tokio::task::spawn_blocking(move || ends(&mut server.child)).await.unwrap();
        assert!(ended.success(), "{era:?}");
    }
}
