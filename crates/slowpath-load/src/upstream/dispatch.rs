//! From a request to the API to its answer: one that is given at once, or one that takes its time. Knows no socket.

use std::sync::Arc;

use super::answer::{Head, push_answer};
use super::api::{self, Endpoint, Exchange, Family, Route};
use super::call::{Call, error_text};
use super::counters::Counters;
use super::request::{BadRequest, Request};
use super::settings::Settings;

/// An answer that is known at once.
struct Given {
    status: u16,
    body: String,
    /// The method to use instead.
    allow: Option<&'static str>,
}

impl Given {
    fn new(status: u16, body: String) -> Self {
        Self { status, body, allow: None }
    }

    /// An error of the request's own.
    fn refusal(family: Family, status: u16, message: &str, counters: &mut Counters) -> Self {
        counters.n_refused += 1;
        Self::new(status, api::error_body(family, status, message, counters.n_requests))
    }
}

/// Returns the answer under way, or `None` if one was appended to `output` at once.
///
/// `route` is where the request goes, and not to the mock itself.
pub(super) fn dispatch(
    request: &Request,
    route: &Route<'_>,
    settings: &Arc<Settings>,
    now_ns: u64,
    output: &mut Vec<u8>,
    counters: &mut Counters,
) -> Option<Box<Call>> {
    counters.n_requests += 1;
    let given = match *route {
        Route::To { endpoint, model } => {
            counters.count_endpoint(endpoint);
            match ask(endpoint, model, request, settings, counters) {
                Ok(exchange) => {
                    return Some(Box::new(Call::new(exchange, request, Arc::clone(settings), now_ns)));
                }
                Err(given) => given,
            }
        }
        Route::WrongMethod { family, allowed } => {
            let message = format!("{} is not allowed here; use {allowed}.", request.method);
            Given { allow: Some(allowed), ..Given::refusal(family, 405, &message, counters) }
        }
        Route::Unknown { family } => unknown(family, request, counters),
        // The session answers these itself.
        Route::Control { .. } => unknown(Family::OpenAi, request, counters),
    };
    let head = Head::json(given.status, request.keeps_alive, Some(counters.n_requests));
    let head = Head { allow: given.allow, ..head };
    push_answer(output, head, &given.body, request.method == "HEAD");
    None
}

/// Reads what is asked of an endpoint. The error is an answer that needs no time: a list, a count, a refusal.
fn ask(
    endpoint: Endpoint,
    model: Option<&str>,
    request: &Request,
    settings: &Settings,
    counters: &mut Counters,
) -> Result<Exchange, Given> {
    let family = endpoint.family();
    let is_list =
        matches!(endpoint, Endpoint::OpenAiModels | Endpoint::ClaudeModels | Endpoint::GeminiModels);
    let is_count = matches!(endpoint, Endpoint::ClaudeCountTokens | Endpoint::GeminiCountTokens);
    if let Some(status) = settings.status.filter(|_| is_list || is_count) {
        counters.n_errors_made += 1;
        return Err(Given::new(status, error_text(endpoint, status, counters.n_requests)));
    }
    if is_list {
        return Err(Given::new(200, api::models_body(family, model)));
    }
    let number = counters.n_requests;
    let exchange = Exchange::read(endpoint, model, request.marks.asks_sse, &request.body, number)
        .map_err(|problem| Given::refusal(family, 400, &problem, counters))?;
    if is_count { Err(Given::new(200, exchange.count_body())) } else { Ok(exchange) }
}

fn unknown(family: Family, request: &Request, counters: &mut Counters) -> Given {
    let message = format!("The mock upstream has no {} {}.", request.method, request.path);
    Given::refusal(family, 404, &message, counters)
}

/// Appends the answer to what is no request; nothing that follows it can be read.
pub(super) fn refuse_bytes(bad: BadRequest, output: &mut Vec<u8>, counters: &mut Counters) {
    let given = Given::refusal(Family::OpenAi, bad.status, bad.reason, counters);
    push_answer(output, Head::json(given.status, false, None), &given.body, false);
}
