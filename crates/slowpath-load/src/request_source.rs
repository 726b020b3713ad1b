//! The requests of a load: which one comes when, and its bytes. Everything follows from the seed and the request's
//! number in the whole load, so that shards together send exactly the requests of the whole. Sends nothing.

use std::collections::BTreeSet;

use crate::error::LoadError;
use crate::plan::{LoadPlan, RequestPlan};
use crate::prepared::{Length, Preparation, Prepared};
use crate::random::Random;
use crate::redact::Redactor;
use crate::response::Answers;
use crate::template::{Filling, Template};

/// Writes the requests of one plan.
#[derive(Debug)]
pub(crate) struct RequestSource {
    seed: u64,
    requests: Vec<Prepared>,
    urls: Vec<UrlTexts>,
    order: Order,
    /// The bytes of the only request on each URL, if it is always the same.
    constant: Option<Vec<Vec<u8>>>,
}

/// What a URL gives to a request.
#[derive(Debug)]
struct UrlTexts {
    authority: String,
    path: String,
    /// The path for requests that are templates.
    filled_path: Template,
}

/// Which request comes next.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    /// One after the other, over and over: all weigh the same.
    InTurn { n: u64 },
    /// Drawn by weight; `sums[i]` is the weight of the requests up to `i`.
    Drawn { sums: Vec<u64> },
}

/// A request in the parts that HTTP/2 sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestParts {
    pub(crate) method: String,
    /// For `:authority`: the plan's `host` header, or host and port of the URL.
    pub(crate) authority: String,
    /// For `:path`.
    pub(crate) path: String,
    /// Names in lower case; nothing that HTTP/2 forbids.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which of the plan's requests it is.
    pub(crate) index: usize,
}

impl RequestSource {
    /// Prepares the requests of a valid plan; reads the files that templates name.
    ///
    /// # Errors
    /// For a template that cannot be understood, a path that cannot be sent, or weights that are all 0.
    pub(crate) fn new(plan: &LoadPlan) -> Result<Self, LoadError> {
        Self::prepare(plan, Preparation::default())
    }

    /// As [`RequestSource::new`], with files that may have been read already.
    pub(crate) fn prepare<'a>(
        plan: &'a LoadPlan,
        mut preparation: Preparation<'a>,
    ) -> Result<Self, LoadError> {
        let order = Order::of(&plan.requests)?;
        let mut requests = Vec::with_capacity(plan.requests.len());
        for (index, request) in plan.requests.iter().enumerate() {
            let prepared = preparation.prepare(request);
            requests.push(prepared.map_err(|error| of_request(error, index, plan.requests.len()))?);
        }
        let needs_filled_path =
            requests.iter().any(|request| request.is_template && request.target.is_none());
        let mut urls = Vec::with_capacity(plan.urls.len());
        for url in &plan.urls {
            let path = url.path_and_query.clone();
            let filled_path = preparation.target(&path, needs_filled_path)?;
            urls.push(UrlTexts { authority: url.authority(), path, filled_path });
        }
        let mut source = Self { seed: plan.seed, requests, urls, order, constant: None };
        let has_constant_paths = source.urls.iter().all(|url| url.filled_path.as_text().is_some());
        if source.requests.len() == 1 && source.requests[0].is_constant() && has_constant_paths {
            source.constant =
                Some((0..source.urls.len()).map(|url_index| source.rendered(0, url_index)).collect());
        }
        Ok(source)
    }

    /// Returns the bytes of every request on this URL, if they are always the same.
    pub(crate) fn constant(&self, url_index: usize) -> Option<&[u8]> {
        self.constant.as_ref().map(|of_urls| &of_urls[url_index][..])
    }

    /// Appends the bytes of request `number` of the whole load. Returns which of the plan's requests it is.
    pub(crate) fn render(&self, number: u64, url_index: usize, into: &mut Vec<u8>) -> usize {
        let (index, mut filling) = self.draw(number);
        let (request, url) = (&self.requests[index], &self.urls[url_index]);
        into.extend_from_slice(request.method.as_bytes());
        into.push(b' ');
        self.render_path(request, url_index, &mut filling, into);
        into.extend_from_slice(b" HTTP/1.1\r\n");
        if !request.fields.has_host {
            into.extend_from_slice(b"host: ");
            into.extend_from_slice(url.authority.as_bytes());
            into.extend_from_slice(b"\r\n");
        }
        request.fields.lines.render(&mut filling, into);
        if request.length != Length::Unsaid {
            into.extend_from_slice(b"content-length: ");
        }
        let digits_at = into.len();
        match request.length {
            Length::Known(length) => into.extend_from_slice(format!("{length}\r\n\r\n").as_bytes()),
            Length::Counted => into.extend_from_slice(b"\r\n\r\n"),
            Length::Unsaid => into.extend_from_slice(b"\r\n"),
        }
        let body_at = into.len();
        request.body.render(&mut filling, into);
        if request.length == Length::Counted {
            let length = into.len() - body_at;
            into.splice(digits_at..digits_at, length.to_string().into_bytes());
        }
        index
    }

    /// Returns request `number` of the whole load, the same as [`RequestSource::render`] writes, for HTTP/2.
    pub(crate) fn parts(&self, number: u64, url_index: usize) -> RequestParts {
        let (index, mut filling) = self.draw(number);
        let request = &self.requests[index];
        let mut path = Vec::new();
        self.render_path(request, url_index, &mut filling, &mut path);
        let mut authority = self.urls[url_index].authority.clone();
        let mut headers = Vec::with_capacity(request.fields.list.len() + 1);
        for field in &request.fields.list {
            // Every field is filled in, also one that is not sent, so that what follows is drawn as in HTTP/1.1.
            let value = field.render(&mut filling);
            if field.is_host {
                authority = value;
            } else if !field.is_of_connection {
                headers.push((field.name.clone(), value));
            }
        }
        let mut body = Vec::new();
        request.body.render(&mut filling, &mut body);
        if request.length != Length::Unsaid {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        let path = String::from_utf8_lossy(&path).into_owned();
        RequestParts { method: request.method.clone(), authority, path, headers, body, index }
    }

    /// Returns method and path of one of the plan's requests to a URL, for messages; secrets redacted.
    pub(crate) fn name(&self, index: usize, url_index: usize) -> String {
        self.requests[index].name(&self.urls[url_index].path)
    }

    /// Returns how answers to one of the plan's requests are read.
    pub(crate) fn answers(&self, index: usize) -> Answers {
        self.requests[index].answers()
    }

    /// Tells whether one of the plan's requests asks the server to close the connection.
    pub(crate) fn asks_to_close(&self, index: usize) -> bool {
        self.requests[index].asks_to_close()
    }

    /// Returns what removes the values of all secret headers from messages.
    pub(crate) fn redactor(&self) -> Redactor {
        let mut headers = BTreeSet::new();
        for request in &self.requests {
            request.fields.each_text(|name, text| {
                headers.insert((name.to_owned(), String::from_utf8_lossy(text).into_owned()));
            });
        }
        Redactor::for_headers(&headers.into_iter().collect::<Vec<_>>())
    }

    fn draw(&self, number: u64) -> (usize, Filling) {
        let mut random = Random::new(self.seed, number);
        let (index, turn) = match &self.order {
            Order::InTurn { n } => ((number % n) as usize, number / n),
            Order::Drawn { sums } => {
                let drawn = random.below(sums[sums.len() - 1]);
                (sums.partition_point(|sum| *sum <= drawn), number)
            }
        };
        (index, Filling { seed: self.seed, number, turn, random })
    }

    fn render_path(&self, request: &Prepared, url_index: usize, filling: &mut Filling, into: &mut Vec<u8>) {
        let url = &self.urls[url_index];
        match &request.target {
            Some(target) => target.render(filling, into),
            None if request.is_template => url.filled_path.render(filling, into),
            None => into.extend_from_slice(url.path.as_bytes()),
        }
    }

    fn rendered(&self, number: u64, url_index: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.render(number, url_index, &mut bytes);
        bytes
    }
}

impl Order {
    fn of(requests: &[RequestPlan]) -> Result<Self, LoadError> {
        let sums: Vec<u64> = requests
            .iter()
            .scan(0, |sum, request| {
                *sum += u64::from(request.weight);
                Some(*sum)
            })
            .collect();
        if sums.last().is_none_or(|sum| *sum == 0) {
            let problem = "at least one request must weigh something";
            return Err(LoadError::BadPlan { field: "weight", value: "0".to_owned(), problem });
        }
        let weighs_like_first = |request: &RequestPlan| request.weight == requests[0].weight;
        if requests.iter().all(weighs_like_first) {
            Ok(Self::InTurn { n: requests.len() as u64 })
        } else {
            Ok(Self::Drawn { sums })
        }
    }
}

/// Says which of several requests an error is about.
fn of_request(error: LoadError, index: usize, n_requests: usize) -> LoadError {
    match error {
        LoadError::BadText { what, text, problem, hint } if n_requests > 1 => {
            LoadError::BadText { what, text, problem: format!("{problem} of request {}", index + 1), hint }
        }
        error => error,
    }
}

#[cfg(test)]
#[path = "request_source_tests.rs"]
mod tests;
