//! Input rounds (MCP 2026-07-28, SEP-2322): a client that can open an address for its user is asked to open the
//! page on which a person decides, and repeats the call once that was done or declined.
//!
//! A round lets nothing out. What the client says of it proves nothing: scripts and drivers answer in a person's
//! place. The repeated call is answered as the message stands, and sends nothing, whatever it says; the proposal's
//! row alone decides. The state that a client hands back is sealed with a key of the ledger, holds for one principal,
//! one tool and the same arguments, and counts once.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, ElicitRequest, ElicitRequestParams, InputRequest, InputRequiredResult, InputResponses,
    JsonObject, ProtocolVersion, RequestStateCodec, SealOptions,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::render;
use crate::engine::contract::{Answered, ApprovalView};
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};

/// What the page is called among the requests of a round.
const APPROVE: &str = "approve";

/// The name of the key in the ledger.
const KEY: &str = "input rounds";

/// What a round is bound to: who calls which tool with which arguments.
pub(super) struct Call<'a> {
    engine: &'a Engine,
    caller: Caller,
    bound: [u8; 32],
}

impl<'a> Call<'a> {
    pub(super) fn new(engine: &'a Engine, caller: Caller, tool: &str, arguments: &JsonObject) -> Self {
        let mut digest = Sha256::new();
        // The map is in the order of its names, however the client wrote it.
        let arguments = serde_json::to_vec(arguments).unwrap_or_default();
        for part in [caller.principal.as_bytes(), tool.as_bytes(), &arguments] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        Self { engine, caller, bound: digest.finalize().into() }
    }

    async fn codec(&self) -> Result<RequestStateCodec> {
        let codec = RequestStateCodec::try_new(self.engine.key(KEY).await?);
        codec.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
    }

    /// The round for this answer; nothing where nobody is asked, or there is no page that a client may open.
    pub(super) async fn asks(&self, answer: &CallToolResult, is_near: bool) -> Option<InputRequiredResult> {
        let shown = answer.structured_content.as_ref()?;
        let id = shown.pointer("/approval/id").and_then(Value::as_str)?;
        // Where this fails the client has its plain answer all the same.
        let round = self.engine.round(&self.caller, id, is_near).await.ok()??;
        let bound = SealOptions::new().associated_data(&self.bound).ttl(round.left);
        let state = self.codec().await.ok()?.seal_with(id.as_bytes(), &bound);
        let params = ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: round.message,
            url: round.url,
            elicitation_id: String::new(),
        };
        let asked = InputRequest::Elicitation(ElicitRequest::new(params));
        Some(InputRequiredResult::new(Some(BTreeMap::from([(APPROVE.to_owned(), asked)])), Some(state)))
    }

    /// The answer to a call that was repeated after a round. Nothing is sent by it. Clients repeat it as soon as the
    /// page is open, so it waits at most so long for the person.
    ///
    /// # Errors
    /// A protocol error for a state that is none of this call, in one and the same words.
    pub(super) async fn answered(
        &self,
        state: Option<&str>,
        responses: Option<InputResponses>,
        patience: Duration,
    ) -> std::result::Result<CallToolResult, ErrorData> {
        let unknown = || {
            ErrorData::invalid_params(
                "`requestState` is none of this call, or its time is over: this call has sent nothing, and the one before may have. \
                 Look with list_sms first; call again only with the idempotency_key of before, without `requestState` and \
                 `inputResponses`",
                None,
            )
        };
        let internal = |_| ErrorData::internal_error("the ledger could not be read; nothing was sent", None);
        let codec = self.codec().await.map_err(internal)?;
        let opened = codec.open_with(state.ok_or_else(unknown)?, &self.bound).map_err(|_| unknown())?;
        let id = String::from_utf8(opened).map_err(|_| unknown())?;
        let is_opened = responses.as_ref().and_then(|all| all.get(APPROVE)).and_then(|one| one.get("action"))
            == Some(&Value::from("accept"));
        let patience = if is_opened { patience } else { Duration::ZERO };
        let answer = self.engine.after_round(&self.caller, &id, patience).await;
        Ok(match answer {
            Ok(Some(Answered::Message(mut answer))) => {
                answer.warnings.extend(said(is_opened, answer.approval.as_ref()));
                render::success(&answer)
            }
            Ok(Some(Answered::Bulk(mut answer))) => {
                answer.warnings.extend(said(is_opened, answer.approval.as_ref()));
                render::success(&answer)
            }
            Ok(None) => return Err(unknown()),
            Err(error) => render::error(&error),
        })
    }
}

/// Whether the client of this request can be asked to open an address for its user.
pub(super) fn may_open(context: &RequestContext<RoleServer>) -> bool {
    let knows_rounds =
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    let elicits = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    knows_rounds && elicits.is_some_and(|elicitation| elicitation.url.is_some())
}

/// What to know of an answer after a round.
fn said(is_opened: bool, approval: Option<&ApprovalView>) -> Option<String> {
    let is_open = approval.is_some_and(|approval| approval.decision.is_none());
    let said = if is_opened {
        "Nobody has decided yet. Do not send it again: get_status follows it."
    } else {
        "The page was not opened. It waits for an approver all the same: do not send it again; cancel_sms takes it back."
    };
    is_open.then(|| said.to_owned())
}
