//! The retry budgets of clients (`resilience.retry_budget.per_client`): one client's storm must not use up the
//! retries of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_resilience::budget::RetryBudget;
use gateway_resilience::settings::Budget;
use tokio::time::Instant;

/// By the client's name. There are as many as are configured.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<HashMap<Arc<str>, RetryBudget>>);

impl Budgets {
    /// A request of the client's feeds its budget.
    pub(crate) fn deposit(&self, client: &Arc<str>, settings: Budget) {
        self.with(client, settings, |budget| budget.deposit(Instant::now().into_std()));
    }

    /// Takes a retry out of the client's budget, if it has one left.
    pub(crate) fn withdraw(&self, client: &Arc<str>, settings: Budget) -> bool {
        self.with(client, settings, |budget| budget.withdraw(Instant::now().into_std()))
    }

    fn with<T>(
        &self,
        client: &Arc<str>,
        settings: Budget,
        act: impl FnOnce(&mut RetryBudget) -> T,
    ) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = match all.get_mut(client) {
            Some(budget) => budget,
            None => all.entry(client.clone()).or_insert_with(|| RetryBudget::new(settings)),
        };
        budget.set(settings);
        act(budget)
    }
}
