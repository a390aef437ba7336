//! What an operator can do at a gateway besides sending. Few gateways allow either.

use super::gateway::Gateway;
use super::protocol::{Answer, Request};
use super::time;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};

/// What there is.
pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "query",
        about: "shows the gateway's counts of a day (2026-11-22; China's today unless given)",
        required: &[],
        optional: &["day", "service"],
    },
    Action {
        name: "cancel",
        about: "takes back a message that was not delivered yet, by its vendor id",
        required: &["id"],
        optional: &[],
    },
];

/// Longest `Query_Code`.
const MAX_SERVICE: usize = 10;

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

impl Gateway {
    /// [`Provider::act`](crate::provider::Provider::act)
    pub(super) async fn do_action(&self, name: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        let action =
            ACTIONS.iter().find(|action| action.name == name).ok_or_else(|| no_such_action(name, ACTIONS))?;
        action.check(arguments)?;
        let request = if name == "query" { self.query(arguments)? } else { cancel(arguments)? };
        self.account.start();
        let answer = self.account.ask(0, &request).await.map_err(|lost| lost.error(&self.config.name))?;
        let refused =
            || Error::new(ErrorKind::ProviderRejected, format!("{} did not take it back", self.config.name));
        match (&request, answer) {
            (Request::Query { day, .. }, Answer::Counted(counts)) => Ok(serde_json::json!({
                "day": day,
                "taken": counts.taken,
                "phones": counts.phones,
                "passed_on": counts.passed_on,
                "waiting": counts.waiting,
                "failed": counts.failed,
                "replies": counts.replies,
                "replies_waiting": counts.replies_waiting,
                "replies_failed": counts.replies_failed,
            })),
            (Request::Cancel(_), Answer::Canceled(0)) => Ok(serde_json::json!({ "canceled": true })),
            (Request::Cancel(_), Answer::Canceled(_)) => Err(refused()),
            _ => Err(Error::new(
                ErrorKind::ProviderUnavailable,
                format!("{} gave the answer to another question", self.config.name),
            )),
        }
    }

    fn query(&self, arguments: &Arguments) -> Result<Request> {
        let day = match arguments.get("day") {
            Some(day) => time::day(day).ok_or_else(|| invalid("day is a date, such as 2026-11-22"))?,
            None => time::today(self.clock.now()),
        };
        let service = arguments.get("service").cloned().unwrap_or_default();
        if service.len() > MAX_SERVICE || !service.is_ascii() {
            return Err(invalid("service has at most 10 ASCII characters"));
        }
        Ok(Request::Query { day, service })
    }
}

fn cancel(arguments: &Arguments) -> Result<Request> {
    let id = arguments.get("id").filter(|id| id.len() == 16).and_then(|id| u64::from_str_radix(id, 16).ok());
    id.map(Request::Cancel).ok_or_else(|| invalid("id is the message's vendor id, 16 hexadecimal digits"))
}
