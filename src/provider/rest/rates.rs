//! Prices by country, as a vendor's price list has them: kept, and brought up to date every hour.
//!
//! What a vendor's list says of a country is the vendor's own to read. Where it cannot be read, nobody knows
//! the most that a text there costs, and nothing is said of it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::sms::money::Money;
use crate::sms::number::Number;

/// Most countries whose prices are asked for: each is a request, every hour.
const MOST_COUNTRIES: usize = 60;

/// The price of one segment by country; nothing where the list cannot be read.
#[derive(Default)]
pub struct Rates(RwLock<BTreeMap<String, Option<Money>>>);

impl Rates {
    /// Notes the most that a segment to a country costs; nothing where its list cannot be read. Returns whether
    /// it could be.
    pub fn note(&self, country: &str, price: Option<Money>) -> bool {
        let mut rates = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rates.insert(country.to_owned(), price);
        price.is_some()
    }

    /// How many countries have one.
    pub fn count(&self) -> usize {
        let rates = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rates.values().filter(|price| price.is_some()).count()
    }

    /// The most that a text of so many segments to this number costs.
    pub fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        let region = to.region()?;
        let rates = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let price = *rates.get(region.as_str())?;
        price?.times(segments.max(1))
    }
}

/// Checks `prices_for`, the countries whose prices an operator wants to be asked for.
///
/// # Errors
/// What is wrong with it.
pub fn check_countries(countries: &[String]) -> Result<(), String> {
    if countries.len() > MOST_COUNTRIES {
        return Err(format!("prices_for names more than {MOST_COUNTRIES} countries"));
    }
    let is_country =
        |country: &&String| country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    match countries.iter().find(|country| !is_country(country)) {
        Some(wrong) => {
            Err(format!("prices_for: \"{wrong}\" is no country; write two letters such as \"US\""))
        }
        None => Ok(()),
    }
}
