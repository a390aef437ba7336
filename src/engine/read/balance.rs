//! What is left: at the providers' accounts, and of the budgets.

use std::time::Duration;

use super::room::Read;
use crate::engine::caller::Caller;
use crate::engine::carriers::asked::recent_balance;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::contract::{BalanceAnswer, BalanceArgs, BudgetView, Price, ProviderBalance};
use crate::error::Result;
use crate::policy::Assumed;
use crate::provider::Balance;
use crate::sms::facts::Scope;
use crate::sms::message::Realm;
use crate::sms::money::Amount;

/// How long a look at the provider may take; the ledger's own answer follows then.
const LOOK: Duration = Duration::from_secs(5);

/// What is said of a balance where its provider's requests are kept for sends.
const BUSY: &str = "not asked now: the provider's requests are kept for sends; ask again in a minute";

impl Read {
    /// What the provider's account holds, and what is left of each budget.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`] or [`ErrorKind::LedgerUnavailable`]. A provider that cannot be asked is
    /// part of the answer.
    pub async fn balance(&self, caller: &Caller, args: BalanceArgs) -> Result<BalanceAnswer> {
        let realm = self.carriers.realm();
        let payer = self.answers.payer(caller, args.session, realm)?;
        let budgets = self.ledger.budgets(payer, self.life.now()).await?;
        let mut warnings = self.answers.warnings([]);
        warnings.extend(self.stricter_others(realm).await?);
        warnings.extend(self.answers.halt_warning(&caller.principal));
        let currency = self.policy.settings().currency;
        Ok(BalanceAnswer {
            balances: futures::future::join_all(
                self.carriers.all().iter().map(|carrier| self.balance_at(carrier)),
            )
            .await,
            // The ledger's total is always kept, and only worth showing where it has a limit.
            budgets: budgets
                .iter()
                .filter(|budget| {
                    budget.scope != Scope::Total || budget.limits.spend_micros.is_some() || budget.frozen
                })
                .map(|budget| BudgetView::of(budget, currency))
                .collect(),
            warnings,
        })
    }

    /// Whose limits hold here beside our own, because they are stricter.
    async fn stricter_others(&self, realm: Realm) -> Result<Vec<String>> {
        let own = self.policy.rules(false);
        let others = self.ledger.others(realm).await?;
        let told = others.iter().filter_map(|peer| {
            let stricter = own.differences(&peer.rules).into_iter().filter(|one| one.is_stricter);
            let limits: Vec<String> = stricter.map(|one| format!("{} {}", one.setting, one.there)).collect();
            (!limits.is_empty()).then(|| {
                format!(
                    "Another process on this ledger has stricter limits, which hold here too: {} ({}).",
                    limits.join(", "),
                    peer.name()
                )
            })
        });
        Ok(told.collect())
    }

    /// Real providers that tell no prices before they send, and how far the budgets go at the assumed one;
    /// nothing where all of them tell some, or `[rates]` has one for each destination that is allowed.
    pub fn unpriced(&self) -> Option<(Vec<String>, Assumed)> {
        let tells_none =
            |carrier: &&Carrier| carrier.realm() == Realm::Live && !carrier.capabilities().prices;
        let names: Vec<String> =
            self.carriers.all().iter().filter(tells_none).map(|carrier| carrier.name().to_owned()).collect();
        if names.is_empty() { None } else { Some((names, self.policy.assumed()?)) }
    }

    async fn balance_at(&self, carrier: &Carrier) -> ProviderBalance {
        let mut known = carrier.asked.balance.lock().await;
        if let Some(recent) = recent_balance(known.as_ref(), self.life.now()) {
            return recent;
        }
        let can_tell = carrier.capabilities().balance;
        if can_tell && !carrier.has_room(&*self.ledger, self.life.now(), 1).await.unwrap_or(false) {
            let none = || ProviderBalance {
                provider: carrier.name().to_owned(),
                unavailable: Some(BUSY.to_owned()),
                ..ProviderBalance::default()
            };
            return known
                .as_ref()
                .map_or_else(none, |(_, balance)| ProviderBalance { fresh: false, ..balance.clone() });
        }
        let (money, credits, unavailable) =
            match carrier.ask(&self.life, LOOK, |provider| provider.balance()).await {
                Ok(Balance::Money(money)) => (Some(money.into()), None, None),
                Ok(Balance::Credits { micros, worth }) => {
                    (worth.map(Price::from), Some(Amount(micros).to_string()), None)
                }
                Err(error) => (None, None, Some(error.message().to_owned())),
            };
        let balance = ProviderBalance {
            provider: carrier.name().to_owned(),
            fresh: unavailable.is_none(),
            money,
            credits,
            unavailable,
        };
        if can_tell && carrier.realm() == Realm::Live {
            *known = Some((self.life.now(), balance.clone()));
        }
        balance
    }
}
