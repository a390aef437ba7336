//! The words of the command line: every command with its arguments, and which of them ask for a person. It
//! knows none that does one.

mod people;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::gate::Widening;
use super::proving::Proving;
use crate::config::{KINDS, LogFormat, LogLevel};
use crate::mcp::Toolset;
use crate::sms::purpose::Purpose;
use people::purpose;
pub(super) use people::{ConsentAction, ConsentAdd, OptOutAction, PendingAction};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "sms-mcp", version, about, max_term_width = 110)]
#[command(
    after_help = "Without a command it serves MCP over standard input and output, which is how MCP clients \
    start it.\n\
    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 outcome unknown (do not retry), 4 something to \
        look at (config check --strict)."
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Configuration file [default: config.toml in the user's config folder, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Ledger file [default: ledger.db in the user's data folder; sandbox.db where only the sandbox is
    /// configured]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) ledger: Option<PathBuf>,
    /// Whose messages and budgets a command sees and spends: `http` is the bearer token's [default: this
    /// user's]
    #[arg(long = "as", value_name = "PRINCIPAL", global = true)]
    pub(super) principal: Option<String>,
    /// What is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", global = true, hide_possible_values = true)]
    pub(super) log: Option<LogLevel>,
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT", global = true, hide_possible_values = true)]
    pub(super) log_format: Option<LogFormat>,
    #[command(flatten)]
    pub(super) proving: Proving,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve MCP over stdio, or over Streamable HTTP with --http
    Serve {
        /// Serve at http://ADDRESS/mcp [default address: http.listen of the configuration]
        #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
        http: Option<Option<String>>,
        /// Offer these sets of tools and no others [default: tools.toolsets of the configuration]
        #[arg(long, value_name = "SET", value_delimiter = ',')]
        toolsets: Vec<Toolset>,
        /// Offer only tools that neither send nor change anything
        #[arg(long)]
        read_only: bool,
    },
    /// Write a short configuration, and show how clients start this server
    Init(InitCommand),
    /// Show a conversation between an MCP client and this server, with the sandbox
    Demo,
    /// Send one message
    Send(SendCommand),
    /// Send one message to every line of a CSV file with a column `to`
    Bulk(BulkCommand),
    /// Show where a message or a bulk stands
    Status {
        /// msg_... or bat_...
        id: String,
        /// With --json: replies before those on the page with this `next_cursor`
        #[arg(long, requires = "json")]
        cursor: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take back what is still queued of a bulk, or one message that waits for its time
    Cancel {
        /// bat_... or msg_...
        id: String,
    },
    /// List messages, newest first
    List(ListCommand),
    /// Show the texts that the sandbox took, as a phone would
    Outbox {
        /// Go on with those that come, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// Print JSON, a text a line
        #[arg(long)]
        json: bool,
    },
    /// Show the provider's balance and what is left to spend
    Balance {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show every budget of the ledger, or unfreeze one
    Budget {
        #[command(subcommand)]
        action: Option<BudgetAction>,
        /// Also those of sessions that ended with their process
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the providers, or do something at one: its lists, numbers, webhooks
    Provider {
        /// The provider's name; alone it shows what can be done there. `try` shows what a text would be at one
        name: Option<String>,
        /// What to do; after `try` a provider's name, or a file with a [[provider]] table
        action: Option<String>,
        /// name=value
        arguments: Vec<String>,
        /// With `try`: a file with an answer, to be told what it would mean
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
    },
    /// Say what a vendor's code for a failure means, or list its codes
    Explain {
        /// The provider's kind, such as twilio
        kind: Option<String>,
        /// The code, as it stands in an answer or in the log
        code: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send one text to everybody on a list that the provider keeps
    Campaign(CampaignCommand),
    /// Show in which hours texts may reach a number, and who says so
    Rules {
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Show who wants no more texts, add somebody, or take somebody off
    OptOut {
        #[command(subcommand)]
        action: Option<OptOutAction>,
    },
    /// Show and record who agreed to which texts
    Consent {
        #[command(subcommand)]
        action: ConsentAction,
    },
    /// What waits for a person, and the decision about it
    Approvals {
        #[command(subcommand)]
        action: Option<ApprovalsAction>,
    },
    /// Show who decides what agents may not, add somebody, or remove somebody
    Approver {
        #[command(subcommand)]
        action: Option<ApproverAction>,
    },
    /// Ask providers about messages whose outcome is unknown, or settle one yourself
    Reconcile(ReconcileCommand),
    /// Stop everything that has not begun, in every process, or show what is stopped
    Pause(PauseCommand),
    /// End a pause; asks at a terminal
    Resume(ResumeCommand),
    /// Write a whole copy of the ledger to a new file, also while servers use it
    Backup {
        /// A file that does not exist yet
        file: PathBuf,
    },
    /// Put a backup in place of the ledger, which nobody may have open
    Restore {
        /// What `backup` wrote, or another copy of a ledger
        file: PathBuf,
    },
    /// Look after the ledger
    Ledger {
        #[command(subcommand)]
        action: LedgerAction,
    },
    /// Print the tool list as a client sees it (JSON)
    Tools,
    /// Look after the configuration
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print shell completions
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct InitCommand {
    /// The kind of provider [default: asked for at a terminal]
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(KINDS))]
    pub(super) provider: Option<String>,
    /// What would be asked, such as token=env:NAME from=ACME allow_destinations=US,CA
    #[arg(value_name = "NAME=VALUE")]
    pub(super) answers: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct SendCommand {
    /// Recipient, such as +12025550123
    pub(super) to: String,
    /// Text
    pub(super) message: String,
    /// Sender ID
    #[arg(long)]
    pub(super) from: Option<String>,
    /// Sent at most once under this key
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// The same text again is meant
    #[arg(long)]
    pub(super) allow_duplicate: bool,
    #[command(flatten)]
    pub(super) when: WhenFlags,
    /// Only quote
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// When texts leave, and what they are for.
#[derive(Debug, Args)]
pub(super) struct WhenFlags {
    /// transactional or marketing; the operator may take it for the stricter one
    #[arg(long, value_parser = purpose)]
    pub(super) purpose: Option<Purpose>,
    /// Leave then, such as 2026-12-01T09:00:00+01:00
    #[arg(long, value_name = "TIME", conflicts_with = "send_at_local")]
    pub(super) send_at: Option<String>,
    /// Leave when it is this time for the recipient, such as 2026-12-01T09:00
    #[arg(long, value_name = "TIME")]
    pub(super) send_at_local: Option<String>,
    /// Not sent after this
    #[arg(long, value_name = "TIME")]
    pub(super) deliver_by: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct BulkCommand {
    /// CSV file: a header line with a column `to`, and a column for each {{name}}
    pub(super) file: PathBuf,
    /// Text; {{name}} is filled from the column of that name
    #[arg(long)]
    pub(super) message: String,
    /// Sender ID
    #[arg(long)]
    pub(super) from: Option<String>,
    /// Sent at most once under this key
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// What to do about recipients that cannot be taken
    #[arg(long, value_name = "RULE", default_value = "refuse")]
    pub(super) on_invalid: OnInvalidRule,
    #[command(flatten)]
    pub(super) when: WhenFlags,
    /// Only quote
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnInvalidRule {
    Refuse,
    Skip,
}

#[derive(Debug, Args)]
pub(super) struct ListCommand {
    /// Only messages in this state
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Only messages to this number
    #[arg(long)]
    pub(super) to: Option<String>,
    /// Accepted at or after (2026-11-22 or RFC 3339)
    #[arg(long)]
    pub(super) since: Option<String>,
    /// Accepted before
    #[arg(long)]
    pub(super) until: Option<String>,
    /// Only messages of this bulk
    #[arg(long)]
    pub(super) batch: Option<String>,
    /// How many, 1 to 100
    #[arg(long)]
    pub(super) limit: Option<u32>,
    /// Go on where the page before ended: what it printed as `more`
    #[arg(long)]
    pub(super) cursor: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CampaignCommand {
    /// The provider's id of the list
    pub(super) list: String,
    /// Text
    #[arg(long)]
    pub(super) message: String,
    /// The provider, where there are several
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Send it then (RFC 3339, such as 2026-11-27T12:00:00Z) and not now
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// Sent at most once under this key
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Only quote
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReconcileCommand {
    /// One message (msg_...) to settle by your own word
    pub(super) id: Option<String>,
    /// It was sent
    #[arg(long, requires = "id", conflicts_with = "not_sent")]
    pub(super) sent: bool,
    /// It was not sent: its money comes back
    #[arg(long, requires = "id")]
    pub(super) not_sent: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PauseCommand {
    /// Only what goes by this provider
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Only what is this principal's, such as user:NAME or http
    #[arg(long = "principal", value_name = "PRINCIPAL")]
    pub(super) of: Option<String>,
    /// Show what is paused, and since when
    #[arg(long, conflicts_with_all = ["provider", "of"])]
    pub(super) list: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeCommand {
    /// The pause of this provider
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// The pause of this principal
    #[arg(long = "principal", value_name = "PRINCIPAL")]
    pub(super) of: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesAction {
    /// Show its zones, the rows that hold, whether it may be texted now, and when next
    Show {
        /// Phone number
        number: String,
        /// For texts of this purpose
        #[arg(long, value_parser = purpose, default_value = "marketing")]
        purpose: Purpose,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsAction {
    /// Show what waits, oldest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one whole
    Show {
        /// Its id (apv_...), or that of its message or bulk
        id: String,
        /// All messages, and not the first ten
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say yes, as an approver: what was shown leaves
    Approve {
        /// Its id (apv_...)
        id: String,
    },
    /// Say no: nothing of it leaves
    Refuse {
        /// Its id (apv_...)
        id: String,
        /// Why; its agent is told
        #[arg(long)]
        why: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ApproverAction {
    /// Show them
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Somebody decides from now on, by SSH signatures or one-time codes
    Add(AddApprover),
    /// Somebody decides no more
    Remove {
        /// Name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddApprover {
    /// Name: letters, digits, "-", "_" and "."
    pub(super) name: String,
    /// The public half of an SSH key, such as ~/.ssh/id_ed25519.pub
    #[arg(long, value_name = "FILE.pub", required_unless_present = "totp", conflicts_with = "totp")]
    pub(super) ssh_key: Option<PathBuf>,
    /// One-time codes of an app; shows a QR code for it
    #[arg(long)]
    pub(super) totp: bool,
    /// Phone number
    #[arg(long, value_name = "NUMBER")]
    pub(super) phone: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum BudgetAction {
    /// Let frozen budgets go on
    Unfreeze {
        /// Its name, as `budget` shows it; without a name, every frozen one
        name: Option<String>,
    },
    /// Take the machine's clock as it is, after it had been wrong
    AcceptClock,
}

#[derive(Debug, Subcommand)]
pub(super) enum LedgerAction {
    /// Say whether the ledger, or a copy of one, is whole and undamaged
    Check {
        /// A copy, such as a backup [default: the ledger itself]
        file: Option<PathBuf>,
    },
    /// Take a ledger in doubt as it is: an older one, another one, or one whose mark is gone. Asks a person
    /// at a terminal
    Accept,
    /// Show what operators did to budgets, the clock, opt-outs and unknown texts: when, who and what
    Acts {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget what is older than `[ledger] keep_for`; servers do it by themselves
    Prune {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigAction {
    /// Say whether the configuration can be used, and if not what to mend where
    Check {
        /// Also ask each provider what works there, and what texts cost; nothing is sent
        #[arg(long)]
        live: bool,
        /// Exit with 4 where something is to be looked at
        #[arg(long)]
        strict: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration file
    Schema,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    Pwsh,
    Zsh,
}

impl Command {
    /// What it widens of the rights of agents, if anything. Whoever adds a command decides here.
    pub(super) const fn widens(&self) -> Option<Widening> {
        match self {
            Self::Budget { action: Some(BudgetAction::Unfreeze { .. }), .. } => Some(Widening::Unfreeze),
            Self::Budget { action: Some(BudgetAction::AcceptClock), .. } => Some(Widening::AcceptClock),
            Self::Ledger { action: LedgerAction::Accept } => Some(Widening::AcceptLedger),
            Self::Restore { .. } => Some(Widening::Restore),
            Self::Resume(_) => Some(Widening::Resume),
            Self::OptOut { action: Some(OptOutAction::Remove { .. }) } => Some(Widening::RemoveOptOut),
            Self::OptOut {
                action: Some(OptOutAction::Pending { action: Some(PendingAction::Settle { .. }) }),
            } => Some(Widening::SettlePending),
            Self::OptOut {
                action: Some(OptOutAction::Pending { action: Some(PendingAction::Dismiss { .. }) }),
            } => Some(Widening::DismissPending),
            Self::Consent { action: ConsentAction::Add(_) } => Some(Widening::AddConsent),
            Self::Consent { action: ConsentAction::Import { .. } } => Some(Widening::ImportConsents),
            Self::Consent { .. } => None,
            Self::Reconcile(ReconcileCommand { not_sent: true, .. }) => Some(Widening::NotSent),
            Self::Approver { action: Some(ApproverAction::Add(_)) } => Some(Widening::AddApprover),
            Self::Approver { action: Some(ApproverAction::Remove { .. }) } => Some(Widening::RemoveApprover),
            Self::Approver { action: None | Some(ApproverAction::List { .. }) } => None,
            Self::Approvals { action: Some(ApprovalsAction::Approve { .. }) } => Some(Widening::Approve),
            Self::Approvals { .. } => None,
            Self::Budget { action: None, .. }
            | Self::Ledger {
                action: LedgerAction::Check { .. } | LedgerAction::Acts { .. } | LedgerAction::Prune { .. },
            }
            | Self::OptOut { action: None | Some(OptOutAction::List | OptOutAction::Add { .. }) }
            | Self::OptOut {
                action: Some(OptOutAction::Pending { action: None | Some(PendingAction::List) }),
            }
            | Self::Reconcile(ReconcileCommand { not_sent: false, .. }) => None,
            Self::Send(_)
            | Self::Bulk(_)
            | Self::Campaign(_)
            | Self::Cancel { .. }
            | Self::Pause(_)
            | Self::Backup { .. } => None,
            Self::Status { .. } | Self::List(_) | Self::Balance { .. } | Self::Provider { .. } => None,
            Self::Outbox { .. } | Self::Rules { .. } => None,
            Self::Serve { .. }
            | Self::Init(_)
            | Self::Demo
            | Self::Explain { .. }
            | Self::Tools
            | Self::Config { .. }
            | Self::Completions { .. } => None,
        }
    }

    pub(super) fn wants_json(&self) -> bool {
        match self {
            Self::Send(command) => command.json,
            Self::Bulk(command) => command.json,
            Self::List(command) => command.json,
            Self::Campaign(command) => command.json,
            Self::Reconcile(command) => command.json,
            Self::Outbox { json, .. }
            | Self::Status { json, .. }
            | Self::Balance { json }
            | Self::Budget { json, .. }
            | Self::Explain { json, .. }
            | Self::Rules { action: RulesAction::Show { json, .. } } => *json,
            Self::Approver { action: Some(ApproverAction::List { json }) } => *json,
            Self::Consent { action: ConsentAction::Show { json, .. } } => *json,
            Self::Approvals {
                action: Some(ApprovalsAction::List { json } | ApprovalsAction::Show { json, .. }),
            } => *json,
            Self::Provider { .. } | Self::OptOut { .. } | Self::Approver { .. } => false,
            Self::Approvals { .. } | Self::Consent { .. } => false,
            Self::Pause(_)
            | Self::Resume(_)
            | Self::Backup { .. }
            | Self::Restore { .. }
            | Self::Ledger { .. } => false,
            Self::Config { action: ConfigAction::Check { json, .. } } => *json,
            Self::Serve { .. }
            | Self::Init(_)
            | Self::Cancel { .. }
            | Self::Demo
            | Self::Tools
            | Self::Config { .. }
            | Self::Completions { .. } => false,
        }
    }
}
