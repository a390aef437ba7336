//! Texts of the operator's own: those that the program itself sends, and no agent asks for.
//!
//! Each kind has a principal of its own, so that its budgets and its messages are nobody else's. No agent, no
//! token and no user of this machine can be called so: their principals begin otherwise, and whoever comes
//! under such a name is refused.

/// What a text of the operator's own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The answer to HELP.
    Help,
    /// The answer to STOP: the one text that may reach somebody who has just opted out.
    Stop,
    /// The question whether somebody wants texts.
    Consent,
    /// That something waits for an approver.
    Approval,
}

/// What the principals of these texts begin with.
const RESERVED: &str = "operator:";

/// What the ledger compares principals with, to tell whose messages they are.
pub const RESERVED_GLOB: &str = "operator:*";

impl Own {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Help, Self::Stop, Self::Consent, Self::Approval];

    /// Whose messages and budgets they are. What answers HELP and STOP is paid from one budget.
    pub const fn principal(self) -> &'static str {
        match self {
            Self::Help | Self::Stop => "operator:answers",
            Self::Consent => "operator:consent",
            Self::Approval => "operator:approval",
        }
    }

    /// Its word in the log and in keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Stop => "stop",
            Self::Consent => "consent",
            Self::Approval => "approval",
        }
    }

    /// Whether it may go to somebody who wants no more texts.
    pub const fn reaches_opted_out(self) -> bool {
        matches!(self, Self::Stop)
    }

    /// Whether the limits of how many texts one person gets hold for it. Nobody asked for this one.
    pub const fn counts_for_recipient(self) -> bool {
        matches!(self, Self::Consent)
    }
}

/// Whether no caller may have this principal.
pub fn is_reserved(principal: &str) -> bool {
    // However it is written: a database, a shell or a person may not tell them apart.
    let principal = principal.trim_start();
    principal.get(..RESERVED.len()).is_some_and(|head| head.eq_ignore_ascii_case(RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_principals_of_own_texts_are_reserved_in_every_spelling_and_those_of_callers_are_not() {
        for own in Own::ALL {
            assert!(is_reserved(own.principal()), "{own:?}");
            assert!(own.principal().starts_with(RESERVED) && RESERVED_GLOB.starts_with(RESERVED));
        }
        for spelled in ["operator:x", "Operator:answers", " operator:answers", "OPERATOR:"] {
            assert!(is_reserved(spelled), "{spelled}");
        }
        for caller in ["user:operator", "http", "user:operator:answers", "operator", "", "op\u{e9}rator:"] {
            assert!(!is_reserved(caller), "{caller}");
        }
    }
}
