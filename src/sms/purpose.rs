//! What a text is for: the law treats what somebody waits for and what somebody sells differently.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a text is for. The later one is the stricter one: of several that speak of one text it counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Purpose {
    /// Its recipient waits for it, or needs it: a booking, a delivery, a code.
    #[default]
    Transactional,
    /// It sells or advertises.
    Marketing,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Transactional, Self::Marketing];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactional => "transactional",
            Self::Marketing => "marketing",
        }
    }

    /// The purpose of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }

    /// Its number in the ledger.
    pub const fn number(self) -> i64 {
        match self {
            Self::Transactional => 0,
            Self::Marketing => 1,
        }
    }

    /// The purpose of this number. A number that nobody knows is taken for the stricter one.
    pub const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Transactional,
            _ => Self::Marketing,
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_two_counts_and_an_unknown_number_is_the_strictest() {
        assert_eq!(Purpose::Transactional.max(Purpose::Marketing), Purpose::Marketing);
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_number(purpose.number()), purpose);
        }
        assert_eq!(Purpose::from_number(7), Purpose::Marketing);
    }
}
