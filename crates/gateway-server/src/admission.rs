//! Whether a caller's request is let in: what it may ask for, how much, and how many at once.

use std::time::Duration;

use gateway_resilience::places::Priority;
use gateway_types::{ApiError, Endpoint, Envelope, ErrorKind};
use http::header::HeaderMap;

use crate::clients::Client;
use crate::intake::Held;
use crate::pipeline::PICK;
use crate::places::Full;
use crate::record::{Exchange, LimitedBy};
use crate::runtime::Runtime;
use crate::seat::{self, Cost, Seat};

/// Before anything of the body is read: a place among the requests that are served at once.
///
/// # Errors
/// 503 where there is none.
pub(crate) fn begin(
    runtime: &Runtime,
    record: &mut Exchange,
    client: &Client,
) -> Result<(), ApiError> {
    let meters = &runtime.house.meters;
    client.meter.asked();
    meters.everyone.asked();
    let place = meters.served.enter_at_once().map_err(|Full| {
        record.limited_by = Some(LimitedBy::Server);
        let text = "the gateway serves as many requests as it may (server.max_concurrent_requests)";
        ApiError::new(ErrorKind::Overloaded, text).with_retry_after(Duration::from_secs(1))
    })?;
    record.place = Some(place);
    Ok(())
}

/// Once the request is read: its model, and its place within the limits of its caller and of everybody.
/// May wait for others to end.
///
/// # Errors
/// 403 for a model or a provider that the client may not ask for, 429 over a rate, 503 where too many
/// wait already or it has waited for too long.
pub(crate) async fn read(
    runtime: &Runtime,
    record: &mut Exchange,
    client: &Client,
    endpoint: Endpoint,
    headers: &HeaderMap,
    envelope: &Envelope<'_>,
    body: &Held,
) -> Result<(), ApiError> {
    permitted(record, client, client.check_model(&envelope.model))?;
    if headers.contains_key(PICK) {
        permitted(record, client, client.check_pick())?;
    }
    if endpoint == Endpoint::CountTokens {
        let counted = seat::count(client, &runtime.house.meters.everyone);
        return counted.map_err(|over| limited(runtime, record, client, over));
    }
    let limits = [&client.limits, &runtime.config.limits];
    let cost = if limits.iter().any(|limits| limits.tokens_per_minute.is_some()) {
        let family = || runtime.catalogue.facts(&envelope.model).family;
        Cost::of(&body.bytes, envelope.max_tokens, family)
    } else {
        Cost::default()
    };
    let everyone = &runtime.house.meters.everyone;
    let waits = client.meter.is_busy(&client.limits) || everyone.is_busy(&runtime.config.limits);
    // A body is looked through only where somebody may be let past somebody else.
    let priority = if waits && gateway_anthropic::facts(&body.bytes).background {
        Priority::Background
    } else {
        Priority::Interactive
    };
    seated(runtime, record, client, cost, priority).await
}

/// The same for a request that is passed on unread.
///
/// # Errors
/// As [`read`].
pub(crate) async fn unread(
    runtime: &Runtime,
    record: &mut Exchange,
    client: &Client,
) -> Result<(), ApiError> {
    permitted(record, client, client.check_unread())?;
    seated(runtime, record, client, Cost::default(), Priority::Interactive).await
}

async fn seated(
    runtime: &Runtime,
    record: &mut Exchange,
    client: &Client,
    cost: Cost,
    priority: Priority,
) -> Result<(), ApiError> {
    let everyone = &runtime.house.meters.everyone;
    let rates = [&client.limits, &runtime.config.limits];
    if rates.iter().any(|l| l.requests_per_minute.is_some() || l.tokens_per_minute.is_some()) {
        record.metered = Some(everyone.clone());
    }
    // No sign of life goes out while it waits.
    let patience = runtime.config.resilience.commit_after;
    match Seat::take(client, everyone, cost, priority, patience).await {
        Ok(seat) => {
            record.seat = Some(seat);
            Ok(())
        }
        Err(over) => Err(limited(runtime, record, client, over)),
    }
}

fn permitted(
    record: &mut Exchange,
    client: &Client,
    checked: Result<(), crate::clients::Denied>,
) -> Result<(), ApiError> {
    checked.map_err(|denied| {
        record.limited_by = Some(denied.by);
        client.meter.refused(None);
        denied.into()
    })
}

fn limited(
    runtime: &Runtime,
    record: &mut Exchange,
    client: &Client,
    over: seat::Over,
) -> ApiError {
    record.limited_by = Some(over.by);
    match over.by {
        LimitedBy::Client(limit) => client.meter.refused(Some(limit)),
        LimitedBy::Everyone(limit) => runtime.house.meters.everyone.refused(Some(limit)),
        _ => {}
    }
    over.into()
}
