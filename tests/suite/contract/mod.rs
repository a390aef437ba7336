//! The contracts of the two traits. Each case takes the trait, so the next backend only adds a line to its
//! list.
//!
//! `cargo test contract::` lists a test for each provider and each case, and `cargo test contract::smpp::`
//! runs those of one.

mod ledger;
mod ledger_approvers;
mod ledger_assumed;
mod ledger_bulk;
mod ledger_consent;
mod ledger_long_reply;
mod ledger_proposals;
mod ledger_prune;
mod ledger_queue;
mod ledger_realms;
mod ledger_reports;
mod ledger_reposts;
mod ledger_scheduled;
mod ledger_segments;
mod ledger_told;
mod ledger_views;
mod provider;

/// The tests of one provider: a line for each case.
macro_rules! cases {
    ($provider:ident) => {
        cases! { $provider:
            an_accepted_message_left_exactly_once_has_an_id_and_costs_no_more_than_was_quoted,
            messages_that_leave_together_leave_once_each_and_are_told_apart,
            several_messages_of_one_request_have_an_outcome_each_in_their_order,
            the_balance_falls_by_what_was_charged,
            a_delivery_is_reported_by_receipt_and_by_look_up,
            a_list_shows_each_message_once_over_all_its_pages,
            a_refused_connection_is_a_certain_no,
            what_is_throttled_was_not_sent,
            a_request_that_was_cut_is_unknown,
            a_lost_answer_is_unknown,
            an_answer_that_cannot_be_read_is_unknown,
            a_servers_error_is_unknown,
            a_refusal_is_rejected,
            a_2xx_that_does_not_clearly_say_that_it_took_a_message_is_never_told_as_sent,
            a_send_that_is_given_up_was_made_at_most_once,
            a_question_that_is_not_answered_is_an_error_that_says_whose_problem_it_is,
            what_a_provider_cannot_do_it_says,
            a_garbled_webhook_is_read_without_harm_and_never_believed,
        }
    };
    ($provider:ident: $($case:ident,)+) => {
        $(
            #[tokio::test]
            async fn $case() {
                super::provider::$case(super::provider::$provider).await;
            }
        )+
    };
}

/// Every provider, with each way of it that is another one to callers. Each is a function that makes it
/// before the fake of its vendor.
macro_rules! providers {
    ($($provider:ident,)+) => {
        const ENTRIES: &[provider::Build] = &[$(provider::$provider,)+];

        $(
            mod $provider {
                cases!($provider);
            }
        )+
    };
}

providers! {
    sandbox,
    sms_for_ai,
    a2p_pro,
    a2p_pro_bulk,
    infobip,
    mailersend,
    mailpro,
    mailpro_history,
    plivo,
    sinch,
    sms_gateway,
    sms_gateway_local,
    telnyx,
    twilio,
    aws,
    vonage,
    vonage_messages,
    http_gateway,
    http_46elks,
    http_bandwidth,
    http_clicksend,
    http_httpsms,
    http_kannel,
    http_messagebird,
    smpp,
    cmpp,
    cmpp_many,
}
