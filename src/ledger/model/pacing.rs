//! How fast a provider may be asked for anything.

/// How many requests a provider may be sent. None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    /// In one second.
    pub per_second: Option<u32>,
    /// In any minute.
    pub per_minute: Option<u32>,
    /// In one UTC day.
    pub per_day: Option<u32>,
}

impl Pacing {
    /// The smallest of the limits; without any, the largest number.
    pub fn smallest(&self) -> u32 {
        [self.per_second, self.per_minute, self.per_day].into_iter().flatten().min().unwrap_or(u32::MAX)
    }

    /// Half of each limit, and one in any case.
    #[must_use]
    pub fn half(&self) -> Self {
        let half = |most: Option<u32>| most.map(|most| most.div_ceil(2));
        Self {
            per_second: half(self.per_second),
            per_minute: half(self.per_minute),
            per_day: half(self.per_day),
        }
    }

    /// Whether there is any limit.
    pub const fn is_limited(&self) -> bool {
        self.per_second.is_some() || self.per_minute.is_some() || self.per_day.is_some()
    }
}
