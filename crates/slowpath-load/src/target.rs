//! A plan made ready to run: names resolved, requests prepared, rules for answers laid out. Sends nothing.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::checks::Checker;
use crate::error::LoadError;
use crate::http2::Http2Request;
use crate::outbox::Copies;
use crate::plan::{ApiChecks, LoadPlan, Objectives};
use crate::redact::Redactor;
use crate::request_source::RequestSource;
use crate::response::Answers;
use crate::socket::Address;
use crate::stream::is_llm_path;
use crate::tls::{self, Protocol};
use crate::url::{Scheme, Url};

/// What a load sends, and to whom; the same for all connections.
pub(crate) struct Target {
    /// One per URL of the plan.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) source: RequestSource,
    pub(crate) checker: Checker,
    pub(crate) api: ApiChecks,
    pub(crate) objectives: Objectives,
    /// Of all URLs.
    pub(crate) scheme: Scheme,
    pub(crate) protocol: Protocol,
    /// Requests under way at once on a connection.
    pub(crate) pipelining: usize,
    pub(crate) timeout_ns: u64,
    /// `u64::MAX` if requests may take for ever.
    pub(crate) total_timeout_ns: u64,
    /// Takes the secrets of all requests out of error samples.
    pub(crate) redactor: Arc<Redactor>,
}

/// What connections to one URL have in common.
pub(crate) struct Endpoint {
    /// Where it listens, at least one.
    pub(crate) addresses: Vec<Address>,
    /// For `https:` URLs.
    pub(crate) tls: Option<EndpointTls>,
    /// The one request that is always sent here; `None` if requests are put together one by one.
    pub(crate) constant: Option<Copies>,
    /// The same for HTTP/2.
    pub(crate) http2_constant: Option<Http2Request>,
    /// One per request of the plan.
    pub(crate) requests: Vec<RequestFacts>,
}

/// How to set up TLS.
pub(crate) struct EndpointTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

/// What must be known of a request when its answer comes.
pub(crate) struct RequestFacts {
    /// `POST /path`, for error samples.
    pub(crate) name: String,
    pub(crate) answers: Answers,
    /// The request itself asks for `connection: close`.
    pub(crate) asks_to_close: bool,
    /// It goes to an LLM API.
    pub(crate) is_llm: bool,
    /// Its answer may be a stream although it is JSON: Gemini streams one array.
    pub(crate) streams_json: bool,
}

impl Target {
    /// Resolves names and reads the files that the plan refers to. The plan is valid.
    pub(crate) fn new(plan: &LoadPlan) -> Result<Self, LoadError> {
        let source = RequestSource::new(plan)?;
        let is_https = plan.urls.iter().any(|url| url.scheme == Scheme::Https);
        let config = if is_https { Some(tls::client_config(plan)?) } else { None };
        let endpoints = (0..plan.urls.len())
            .map(|url_index| Endpoint::new(plan, url_index, &source, config.as_ref()))
            .collect::<Result<Vec<_>, LoadError>>()?;
        let redactor = Arc::new(source.redactor());
        Ok(Self {
            endpoints,
            source,
            checker: Checker::new(&plan.checks),
            api: plan.checks.api,
            objectives: plan.objectives,
            scheme: plan.urls[0].scheme,
            protocol: if plan.transport.http2 { Protocol::Http2 } else { Protocol::Http1 },
            pipelining: plan.pipelining as usize,
            timeout_ns: nanoseconds(plan.timeout),
            total_timeout_ns: plan.total_timeout.map_or(u64::MAX, nanoseconds),
            redactor,
        })
    }

    pub(crate) fn facts(&self, endpoint: usize, request: usize) -> &RequestFacts {
        &self.endpoints[endpoint].requests[request]
    }
}

impl Endpoint {
    fn new(
        plan: &LoadPlan,
        url_index: usize,
        source: &RequestSource,
        config: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, LoadError> {
        let url = &plan.urls[url_index];
        let tls = match config {
            Some(config) => Some(EndpointTls {
                config: Arc::clone(config),
                server_name: tls::server_name(&plan.transport.tls, url)?,
            }),
            None => None,
        };
        let constant = source.constant(url_index).map(|bytes| Copies::new(bytes, plan.pipelining as usize));
        let http2_constant = if plan.transport.http2 && constant.is_some() {
            let request = Http2Request::new(source.parts(0, url_index), url.scheme);
            Some(request.map_err(|_| LoadError::BadPlan {
                field: "request",
                value: source.name(0, url_index),
                problem: "it holds characters that HTTP does not allow",
            })?)
        } else {
            None
        };
        let facts = plan.requests.iter().enumerate().map(|(index, request)| {
            let path = request.path.as_deref().unwrap_or(&url.path_and_query);
            RequestFacts {
                name: source.name(index, url_index),
                answers: source.answers(index),
                asks_to_close: source.asks_to_close(index),
                is_llm: is_llm_path(path),
                streams_json: path.contains(":streamGenerateContent"),
            }
        });
        let addresses = resolve(plan, url)?;
        Ok(Self { addresses, tls, constant, http2_constant, requests: facts.collect() })
    }

    /// Returns all addresses, for error samples.
    pub(crate) fn listed_addresses(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    }
}

fn resolve(plan: &LoadPlan, url: &Url) -> Result<Vec<Address>, LoadError> {
    if let Some(path) = &plan.transport.unix_socket {
        return Ok(vec![Address::unix(path)?]);
    }
    let unknown = |source| LoadError::UnknownHost { host: url.host.clone(), source };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (url.host.as_str(), url.port).to_socket_addrs().map_err(unknown)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unknown(io::Error::other("the name has no address")));
    }
    Ok(addresses.into_iter().map(Address::Tcp).collect())
}

/// Returns whole nanoseconds; what exceeds 584 years counts as that.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
