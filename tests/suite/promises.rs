//! The promises, under a real `kill -9`, at every named crash point, and with many agents and processes at
//! once.
//!
//! The sandbox's outbox file is what was really sent: appending to it is the act of sending. Agents here are
//! raw JSON-RPC over the real transports, so that a test decides what is in flight when the process dies.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde_json::{Value, json};

use crate::support::{A_WHILE, Desk, LAST_RESORT, WIDE, ends, eventually, fictional, found};

/// A server process over stdio with its pipes, for tests that must see it die.
pub struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
}

impl Pipe {
    pub fn start(desk: &Desk, failpoints: &str) -> Self {
        let mut command = desk.command();
        command.args(["--log", "error"]).env("FAILPOINTS", failpoints);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let input = child.stdin.take();
        let mut pipe = Self { child, input, lines, next: 0 };
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name":
            "test", "version": "1" } });
        let id = pipe.request("initialize", hello);
        assert_eq!(pipe.wait_for(id).unwrap()["result"]["serverInfo"]["name"], "sms-mcp");
        pipe.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        pipe
    }

    fn write(&mut self, message: &Value) {
        // A process that was killed takes nothing more; the test looks at what it left.
        let _ = self.input.as_mut().unwrap().write_all(format!("{message}\n").as_bytes());
    }

    fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// The next answer, or nothing when the process has ended.
    fn next_answer(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(LAST_RESORT) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap()),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the server hangs"),
        }
    }

    fn wait_for(&mut self, id: u64) -> Option<Value> {
        loop {
            let answer = self.next_answer()?;
            if answer["id"] == id {
                return Some(answer);
            }
        }
    }

    /// Calls a tool and returns the JSON of its answer or refusal.
    pub fn ask(&mut self, tool: &str, arguments: &Value) -> Option<Value> {
        let id = self.call(tool, arguments);
        Some(said(&self.wait_for(id)?))
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends the input and waits for the process.
    fn finish(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The JSON text of a tool's answer.
fn said(answer: &Value) -> Value {
    serde_json::from_str(
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")),
    )
    .unwrap()
}

fn send_of(n: usize) -> Value {
    json!({ "to": fictional(n), "message": format!("intent {n}"), "idempotency_key": format!("key {n}") })
}

/// The intents that were sent, and how often.
fn sent_intents(desk: &Desk) -> HashMap<String, usize> {
    let mut sent = HashMap::new();
    for line in desk.sent() {
        *sent.entry(line["text"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    sent
}

/// Every message of the ledger by id, through the tool.
pub fn listed(pipe: &mut Pipe) -> HashMap<String, Value> {
    let mut all = HashMap::new();
    let mut cursor = Value::Null;
    loop {
        let page = pipe.ask("list_sms", &json!({ "limit": 100, "cursor": cursor })).unwrap();
        for message in page["messages"].as_array().unwrap() {
            all.insert(message["id"].as_str().unwrap().to_owned(), message.clone());
        }
        match page.get("next_cursor") {
            Some(next) => cursor = next.clone(),
            None => return all,
        }
    }
}

/// Settings for [`SENDS`] sends of which only [`FIT`] fit the day: the limit is under test too.
const SENDS: usize = 500;
const FIT: usize = 450;
const RUNS: usize = 50;

pub fn crash_settings() -> String {
    format!(
        "[guard]\nsession_spend = 1000000\nday_spend = 1000000\nsession_messages = 1000000\nday_messages = \
         {FIT}\n\
         sends_per_second = 1000000\nbulk_is_marketing_above = 100000\n[[provider]]\nkind = \"sandbox\"\nbalance = 1000000\ndelivery_delay = \
         \"5ms\"\n"
    )
}

/// How many texts have left, without reading them.
fn left(outbox: &Path) -> usize {
    std::fs::read(outbox).unwrap_or_default().iter().filter(|octet| **octet == b'\n').count()
}

/// Sends with 32 in flight and kills the process once so many texts have left; then a second process is asked
/// for all of it again.
fn one_crash(kill_after: usize, is_bulk: bool) -> Tally {
    let desk = Desk::new(&crash_settings());
    let mut acknowledged = HashSet::new();
    let mut pipe = Pipe::start(&desk, "");
    let pid = pipe.child.id();
    let outbox = desk.outbox();
    let killer = std::thread::spawn(move || {
        eventually("so many texts have left", || left(&outbox) >= kill_after);
        #[cfg(unix)]
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        #[cfg(not(unix))]
        std::process::Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).status().unwrap();
    });
    if is_bulk {
        let recipients: Vec<Value> =
            (0..FIT).map(|n| json!({ "to": fictional(n), "data": { "n": n.to_string() } })).collect();
        pipe.call(
            "send_bulk",
            &json!({ "recipients": recipients, "message": "intent {{n}}", "idempotency_key": "bulk" }),
        );
        while pipe.next_answer().is_some() {}
    } else {
        let mut started = 0;
        let mut ended = 0;
        while ended < SENDS {
            while started < SENDS && started - ended < 32 {
                pipe.call("send_sms", &send_of(started));
                started += 1;
            }
            let Some(answer) = pipe.next_answer() else { break };
            ended += 1;
            if answer["result"]["isError"] != true {
                acknowledged.insert(said(&answer)["id"].as_str().unwrap().to_owned());
            }
        }
    }
    killer.join().unwrap();
    drop(pipe);
    let before = desk.sent().len();
    again(&desk, is_bulk);
    tally(&desk, &acknowledged, before)
}

/// The agent comes back and repeats every call, as an agent that lost its answers does.
fn again(desk: &Desk, is_bulk: bool) {
    let mut pipe = Pipe::start(desk, "");
    if is_bulk {
        let recipients: Vec<Value> =
            (0..FIT).map(|n| json!({ "to": fictional(n), "data": { "n": n.to_string() } })).collect();
        let bulk = json!({ "recipients": recipients, "message": "intent {{n}}", "idempotency_key": "bulk" });
        let mut answer = pipe.ask("send_bulk", &bulk).unwrap();
        eventually("the bulk goes on to its end", || {
            if answer["status"] == "in_progress" {
                answer = pipe.ask("get_status", &json!({ "id": answer["batch"] })).unwrap()["bulk"].clone();
            }
            answer["status"] != "in_progress"
        });
        assert_eq!(answer["status"], "done", "{answer}");
    } else {
        let ids: Vec<u64> = (0..SENDS).map(|n| pipe.call("send_sms", &send_of(n))).collect();
        let mut open: HashSet<u64> = ids.into_iter().collect();
        while !open.is_empty() {
            let answer = pipe.next_answer().unwrap();
            open.remove(&answer["id"].as_u64().unwrap());
        }
    }
    pipe.finish();
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    sent: usize,
    twice: usize,
    acknowledged_missing: usize,
    over_limit: usize,
    not_in_ledger: usize,
    unsettled: usize,
    lost_states: usize,
    unknown: usize,
    killed_midway: usize,
}

fn tally(desk: &Desk, acknowledged: &HashSet<String>, sent_before: usize) -> Tally {
    let mut pipe = Pipe::start(desk, "");
    let ledger = listed(&mut pipe);
    pipe.finish();
    let sent = sent_intents(desk);
    let ids: HashSet<String> =
        desk.sent().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    let state = |id: &String| ledger.get(id).map(|message| message["status"].as_str().unwrap().to_owned());
    let in_state = |name: &str| ledger.values().filter(|message| message["status"] == name).count();
    let never_sent = |id: &&String| matches!(state(id).as_deref(), Some("rejected" | "queued" | "expired"));
    Tally {
        sent: ids.len(),
        twice: sent.values().filter(|count| **count > 1).count() + (desk.sent().len() - ids.len()),
        acknowledged_missing: acknowledged
            .iter()
            .filter(|id| !ids.contains(*id) || !matches!(state(id).as_deref(), Some("sent" | "delivered")))
            .count(),
        over_limit: ids.len().saturating_sub(FIT) + ledger.len().saturating_sub(FIT),
        not_in_ledger: ids.iter().filter(|id| !ledger.contains_key(*id)).count(),
        unsettled: in_state("attempting") + in_state("queued"),
        lost_states: ids.iter().filter(never_sent).count(),
        unknown: in_state("unknown"),
        killed_midway: usize::from(sent_before > 0 && sent_before < FIT),
    }
}

#[test]
fn fifty_kills_send_nothing_twice_lose_nothing_acknowledged_and_pass_no_limit() {
    let run = |n: usize| one_crash(n * 37 % (FIT - 40), n % 3 == 2);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| scope.spawn(move || (worker..RUNS).step_by(2).map(run).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let sum = |what: fn(&Tally) -> usize| tallies.iter().map(what).sum::<usize>();
    eprintln!(
        "{RUNS} kills x {SENDS} sends: {} sent, {} killed midway, {} sent twice, {} acknowledged missing, \
         {} over a limit, {} not in the ledger, {} unsettled, {} unknown",
        sum(|tally| tally.sent),
        sum(|tally| tally.killed_midway),
        sum(|tally| tally.twice),
        sum(|tally| tally.acknowledged_missing),
        sum(|tally| tally.over_limit),
        sum(|tally| tally.not_in_ledger),
        sum(|tally| tally.unsettled),
        sum(|tally| tally.unknown),
    );
    for tally in &tallies {
        let broken = (
            tally.twice,
            tally.acknowledged_missing,
            tally.over_limit,
            tally.not_in_ledger,
            tally.unsettled,
            tally.lost_states,
        );
        assert_eq!(broken, (0, 0, 0, 0, 0, 0), "{tally:?}");
    }
    assert!(sum(|tally| tally.killed_midway) >= RUNS / 2, "the kills do not hit the middle of the work");
}

#[test]
fn at_every_crash_point_a_message_ends_sent_once_or_not_at_all_and_its_state_says_which() {
    // The point, whether the message has left by then, and the state after the restart.
    let points = [
        ("after-reserve", false, "unknown"),
        ("before-provider", false, "unknown"),
        ("after-provider", true, "unknown"),
        ("after-settle", true, "delivered"),
    ];
    for (point, has_left, state) in points {
        let desk = Desk::new(&crash_settings());
        let mut pipe = Pipe::start(&desk, &format!("{point}=3*off->return"));
        let answers: Vec<Option<Value>> = (0..4).map(|n| pipe.ask("send_sms", &send_of(n))).collect();
        assert_eq!(
            answers.iter().filter(|answer| answer.is_some()).count(),
            3,
            "{point}: the fourth send dies"
        );
        drop(pipe);
        assert_eq!(
            sent_intents(&desk).get("intent 3").copied().unwrap_or(0),
            usize::from(has_left),
            "{point}"
        );

        let mut pipe = Pipe::start(&desk, "");
        let messages = listed(&mut pipe);
        assert_eq!(messages.len(), 4, "{point}: nothing accepted is lost");
        let last = messages.values().find(|message| message["to"] == fictional(3)).unwrap();
        eventually(&format!("{point}: it is {state}"), || {
            pipe.ask("get_status", &json!({ "id": last["id"] })).unwrap()["message"]["status"] == state
        });
        let repeated = pipe.ask("send_sms", &send_of(3)).unwrap();
        if state == "unknown" {
            assert_eq!(repeated["code"], "outcome_unknown", "{point}: {repeated}");
            assert_eq!(repeated["id"], last["id"]);
        } else {
            assert_eq!(repeated["replayed"], true, "{point}: {repeated}");
        }
        let budget = pipe.ask("get_balance", &json!({})).unwrap()["budgets"][0].clone();
        assert_eq!(budget["messages"], 4, "{point}: an unknown stays held: {budget}");
        pipe.finish();
        assert_eq!(sent_intents(&desk).values().filter(|count| **count > 1).count(), 0, "{point}");
        assert_eq!(desk.sent().len(), 3 + usize::from(has_left), "{point}: the repeated call sent nothing");
    }
}

#[test]
fn a_large_bulk_that_was_not_accepted_whole_when_the_process_died_is_not_there_and_goes_out_once_when_it_is_asked_for_again()
 {
    for point in ["bulk-between-parts=return", "bulk-between-parts=1*off->return", "bulk-before-last=return"]
    {
        let desk = Desk::new(&format!(
            "{WIDE}bulk_max = 3000\n[[provider]]\nkind = \"sandbox\"\nbalance = 1000000\n"
        ));
        let recipients: Vec<Value> = (0..2_100).map(|n| json!({ "to": fictional(n) })).collect();
        let bulk = json!({ "recipients": recipients, "message": "to all", "idempotency_key": "bulk" });
        let mut pipe = Pipe::start(&desk, point);
        assert!(pipe.ask("send_bulk", &bulk).is_none(), "{point}: the process dies");
        drop(pipe);
        let mut pipe = Pipe::start(&desk, "");
        assert!(listed(&mut pipe).is_empty(), "{point}: nothing of it is there");
        let budget = pipe.ask("get_balance", &json!({})).unwrap()["budgets"][0].clone();
        assert_eq!(budget["messages"], 0, "{point}: what it held came back: {budget}");
        assert_eq!(desk.sent().len(), 0, "{point}: nothing of it left");
        let mut answer = pipe.ask("send_bulk", &bulk).unwrap();
        assert_eq!(
            (&answer["accepted"], &answer["replayed"]),
            (&json!(2_100), &json!(false)),
            "{point}: {answer}"
        );
        if answer["status"] != "done" {
            answer = found(&format!("{point}: the bulk is done"), || {
                let answer = pipe.ask("send_bulk", &bulk).unwrap();
                (answer["status"] == "done").then_some(answer)
            });
        }
        pipe.finish();
        let to: HashSet<String> =
            desk.sent().iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            (to.len(), desk.sent().len()),
            (2_100, 2_100),
            "{point}: everybody once: {}",
            answer["counts"]
        );
    }
}

#[test]
fn at_every_crash_point_of_a_bulk_each_recipient_gets_it_once_or_is_unknown() {
    for point in [
        "after-bulk-reserve=return",
        "after-claim=1*off->return",
        "before-provider=7*off->return",
        "after-provider=7*off->return",
        "after-settle=7*off->return",
    ] {
        let desk = Desk::new(&crash_settings());
        let recipients: Vec<Value> = (0..60).map(|n| json!({ "to": fictional(n) })).collect();
        let bulk = json!({ "recipients": recipients, "message": "to all", "idempotency_key": "bulk" });
        let mut pipe = Pipe::start(&desk, point);
        assert!(pipe.ask("send_bulk", &bulk).is_none(), "{point}: the process dies");
        drop(pipe);
        let mut pipe = Pipe::start(&desk, "");
        let answer = found(&format!("{point}: the bulk is done"), || {
            let answer = pipe.ask("send_bulk", &bulk).unwrap();
            assert_eq!(answer["replayed"], true, "{point}: {answer}");
            (answer["status"] == "done").then_some(answer)
        });
        pipe.finish();
        let unknown = answer["counts"]["unknown"].as_u64().unwrap_or(0);
        let to: Vec<String> =
            desk.sent().iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
        assert_eq!(to.iter().collect::<HashSet<_>>().len(), to.len(), "{point}: nobody twice");
        assert!(
            to.len() as u64 + unknown >= 60,
            "{point}: everybody once, or unknown: {} sent, {unknown} unknown",
            to.len()
        );
        assert_eq!(answer["accepted"], 60, "{point}");
    }
}

#[test]
fn a_ledger_that_cannot_commit_sends_nothing_and_says_so() {
    let desk = Desk::new(&crash_settings());
    // The first commit says by which limits the server sends; without that it does not start.
    let mut pipe = Pipe::start(&desk, "ledger-before-commit=1*off->return");
    let refused = pipe.ask("send_sms", &send_of(1)).unwrap();
    assert_eq!(refused["code"], "ledger_unavailable", "{refused}");
    assert!(refused["next"].as_str().unwrap().contains("Nothing was sent"), "{refused}");
    drop(pipe);
    assert!(desk.sent().is_empty());
}

/// Posts one stateless tool call.
async fn post(client: &reqwest::Client, url: &str, arguments: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "send_sms",
        "arguments": arguments, "_meta": meta } });
    let request = client
        .post(url)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    let request = request
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "send_sms");
    let answer = request.body(call.to_string()).send().await.unwrap().text().await.unwrap();
    said(&serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}")))
}

/// Runs `count` calls from `agents` agents, spread over the servers, and returns their answers.
async fn storm(
    urls: &[String],
    agents: usize,
    count: usize,
    arguments: impl Fn(usize) -> Value,
) -> Vec<Value> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for agent in 0..agents {
        let (client, url) = (client.clone(), urls[agent % urls.len()].clone());
        let calls: Vec<Value> = (agent..count).step_by(agents).map(&arguments).collect();
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for call in calls {
                answers.push(post(&client, &url, &call).await);
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_agents_in_two_processes_never_pass_one_budget() {
    let settings = WIDE.replace("day_messages = 1000000", "day_messages = 300");
    let desk = Desk::new(&settings);
    let servers = [desk.http(|_| {}), desk.http(|_| {})];
    let urls = servers.iter().map(crate::support::HttpServer::url).collect::<Vec<_>>();
    let answers =
        storm(&urls, 64, 3_000, |n| json!({ "to": fictional(n), "message": format!("intent {n}") })).await;
    let accepted = answers.iter().filter(|answer| answer["status"] == "sent").count();
    let refused = answers.iter().filter(|answer| answer["code"] == "budget_exceeded").count();
    assert_eq!((accepted, refused, desk.sent().len()), (300, 2_700, 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_never_over_the_limit_with_two_processes_either() {
    // 0.065 each: 46 fit into 3.00.
    let settings = WIDE.replace("day_spend = 1000000", "day_spend = 3");
    let desk = Desk::new(&settings);
    let servers = [desk.http(|_| {}), desk.http(|_| {})];
    let urls = servers.iter().map(crate::support::HttpServer::url).collect::<Vec<_>>();
    let answers =
        storm(&urls, 32, 200, |n| json!({ "to": fictional(n), "message": format!("intent {n}") })).await;
    assert_eq!(
        (answers.iter().filter(|answer| answer["status"] == "sent").count(), desk.sent().len()),
        (46, 46)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_a_thousand_times_at_once_sends_once() {
    let desk = Desk::new(&format!("{WIDE}[[provider]]\nkind = \"sandbox\"\nlatency = \"300ms\"\n"));
    let servers = [desk.http(|_| {}), desk.http(|_| {})];
    let urls = servers.iter().map(crate::support::HttpServer::url).collect::<Vec<_>>();
    let call = json!({ "to": fictional(1), "message": "once", "idempotency_key": "the one" });
    let answers = storm(&urls, 500, 1_000, |_| call.clone()).await;
    assert_eq!(desk.sent().len(), 1);
    let ids: HashSet<&str> = answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "all learn of the same message");
    assert!(
        answers.iter().all(|answer| matches!(answer["status"].as_str(), Some("sent" | "delivered"))),
        "and of its outcome"
    );
    assert_eq!(answers.iter().filter(|answer| answer["replayed"] == false).count(), 1);
}

/// Starts a slow send, asks the server to stop, and returns the answer. The stop must end, and in good order.
fn stop_midway(number: &str, ask_to_stop: impl FnOnce(&mut Pipe)) -> Option<Value> {
    let desk = Desk::new("[[provider]]\nkind = \"sandbox\"\nlatency = \"400ms\"\n");
    let mut pipe = Pipe::start(&desk, "");
    let mut watcher = Pipe::start(&desk, "");
    let id = pipe.call("send_sms", &json!({ "to": number, "message": "hello" }));
    eventually("it is on its way", || !listed(&mut watcher).is_empty());
    ask_to_stop(&mut pipe);
    let answer = pipe.wait_for(id);
    assert!(ends(&mut pipe.child).success());
    answer
}

#[test]
fn the_end_of_the_input_lets_a_send_in_flight_end_and_gives_up_one_that_never_will() {
    let answer = stop_midway(&fictional(1), |pipe| drop(pipe.input.take()));
    assert_eq!(said(&answer.unwrap())["status"], "sent");
    // The carrier never answers: that the stop ends at all says that it did not wait for that.
    assert!(stop_midway("+12025550105", |pipe| drop(pipe.input.take())).is_none());
}

#[cfg(unix)]
#[test]
fn a_termination_signal_lets_a_send_in_flight_end_and_answer() {
    let terminate = |pipe: &mut Pipe| {
        std::process::Command::new("kill").arg(pipe.child.id().to_string()).status().unwrap();
    };
    assert_eq!(said(&stop_midway(&fictional(1), terminate).unwrap())["status"], "sent");
}

#[test]
fn an_outcome_that_cannot_be_recorded_at_once_is_recorded_later_and_one_that_never_can_is_unknown() {
    // The first commit says by which limits the server sends, the second is the look into the queue at the
    // start, the third the intent; the fourth, the outcome, fails once.
    let desk = Desk::new(&crash_settings());
    let mut pipe = Pipe::start(&desk, "ledger-before-commit=3*off->1*return->off");
    let answer = pipe.ask("send_sms", &send_of(1)).unwrap();
    assert_eq!(answer["status"], "sent", "{answer}");
    pipe.finish();

    let desk = Desk::new(&crash_settings());
    let mut pipe = Pipe::start(&desk, "ledger-before-commit=3*off->return");
    let answer = pipe.ask("send_sms", &send_of(1)).unwrap();
    assert_eq!(answer["code"], "outcome_unknown", "{answer}");
    assert_eq!(desk.sent().len(), 1);
    drop(pipe);
    let mut pipe = Pipe::start(&desk, "");
    assert_eq!(
        pipe.ask("send_sms", &send_of(1)).unwrap()["code"],
        "outcome_unknown",
        "and stays so under its key"
    );
    pipe.finish();
    assert_eq!(desk.sent().len(), 1);
}

#[test]
fn a_bulk_in_progress_answers_with_its_id_when_the_server_stops() {
    let desk = Desk::new("");
    let mut pipe = Pipe::start(&desk, "");
    let recipients: Vec<Value> = (0..40).map(|n| json!({ "to": fictional(n) })).collect();
    let id = pipe.call("send_bulk", &json!({ "recipients": recipients, "message": "hello" }));
    eventually("the first ones have left", || !desk.sent().is_empty());
    drop(pipe.input.take());
    let answer = said(&pipe.wait_for(id).unwrap());
    assert!(answer["status"] == "in_progress" && answer["batch"].is_string(), "{answer}");
    assert!(ends(&mut pipe.child).success());
    assert!(desk.sent().len() < 40, "the stop did not wait for the rest");
}

#[test]
fn a_stop_ends_while_another_program_holds_the_ledger() {
    let desk = Desk::new("");
    let mut pipe = Pipe::start(&desk, "");
    pipe.ask("send_sms", &send_of(0)).unwrap();
    let holder = rusqlite::Connection::open(desk.ledger()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 1..6 {
        pipe.call("send_sms", &send_of(n));
    }
    // Long enough that they wait for the ledger; were they too late, the stop would refuse them.
    std::thread::sleep(A_WHILE);
    drop(pipe.input.take());
    assert!(ends(&mut pipe.child).success(), "it does not wait for a ledger that is not given back");
    drop(holder);
    assert_eq!(desk.sent().len(), 1, "what could not be recorded was not sent");
}
