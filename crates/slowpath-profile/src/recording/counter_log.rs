//! The counter log: what the counters recorder of one Node process counted, about one line a second and thread, and the
//! calls of functions of the calls phase, and what V8 optimised in the deopts phase.

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// Number of the place of calls whose place is not known.
pub const UNKNOWN_SITE: u32 = 0;

/// What one thread counted between two moments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// When the counts were taken.
    pub t: Nanos,
    /// Since when they count.
    pub from: Nanos,
    /// Node's `threadId`, 0 for the main thread.
    pub thread: u32,
    /// Exact numbers by kind and key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<Total>,
    /// The places of a sample of the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceShare>,
    /// Places that are new since the line before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<CallSite>,
    /// One in so many calls had its place read, on average.
    #[serde(default)]
    pub stride: u32,
    /// What counting cost the thread, ms; estimated from the number of calls.
    #[serde(default)]
    pub cost_ms: f64,
    /// Calls of functions, in the one line of the calls phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallCounts>,
    /// What V8 optimised and threw away, in the one line of the deopts phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deopts: Option<DeoptCounts>,
}

/// All calls of one kind and key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Total(
    /// Kind, such as `json.parse`; `docs/recording-format.md` lists them.
    pub String,
    /// What of that kind: a function, a host, a command; may be empty.
    pub String,
    /// Calls.
    pub u64,
    /// Bytes (or characters of strings) in all.
    pub f64,
    /// Time in them, ms.
    pub f64,
    /// Bytes of the largest.
    pub f64,
);

/// The calls of one kind and key from one place, estimated from a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceShare(
    /// Kind.
    pub String,
    /// Key.
    pub String,
    /// Number of the place within the thread; [`UNKNOWN_SITE`] where it is not known.
    pub u32,
    /// Calls that the sampled ones stand for.
    pub u64,
    /// Calls sampled.
    pub u64,
    /// Bytes that they stand for.
    pub f64,
    /// Time that they stand for, ms.
    pub f64,
);

/// A place that calls were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSite(
    /// Its number within the thread.
    pub u32,
    /// Frames from the innermost outside of Node to the first outside of `node_modules`.
    pub Vec<SiteFrame>,
    /// Whether Node's module loader made the call.
    pub bool,
);

/// One frame of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFrame(
    /// Name of the function.
    pub String,
    /// URL of its script.
    pub String,
    /// Line of the call, from 1.
    pub u32,
    /// Column of the call, from 1.
    pub u32,
);

/// How often functions were called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Length of the window, ms.
    pub ms: f64,
    /// By script.
    pub scripts: Vec<ScriptCalls>,
}

/// Calls of the functions of one script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScriptCalls {
    /// URL.
    pub url: String,
    /// `(name, start, end, calls)`; offsets in UTF-16 units.
    pub functions: Vec<(String, u32, u32, u64)>,
}

/// Functions that V8 optimised, and threw the code of away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeoptCounts {
    /// Length of the window, ms.
    pub ms: f64,
    /// What was left out for want of room.
    #[serde(default)]
    pub n_other: u64,
    /// Those optimised or thrown away most often first.
    pub functions: Vec<OptimisedFunction>,
}

/// How often V8 optimised one function in one thread, and threw its code away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimisedFunction {
    /// Its name; empty where it has none.
    pub name: String,
    /// A place in it, where V8 tells one.
    pub at: Option<DeoptPosition>,
    /// How often it was optimised, to run from its next call on.
    pub optimised: u64,
    /// How often it was optimised, to go on in the middle of a loop.
    pub replaced: u64,
    /// How often that was given up, because what the code would have relied on had changed.
    pub aborted: u64,
    /// What optimising took of the thread's own time, ms; the rest of it goes on beside.
    pub held_ms: f64,
    /// First time that anything of this happened, ms since the start of the window.
    pub first_ms: f64,
    /// Last time.
    pub last_ms: f64,
    /// Why its code was thrown away while it ran, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<DeoptCause>,
}

/// One reason why code was thrown away while it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeoptCause(
    /// `eager`, `soft` (both: an assumption failed), `lazy` (another piece of code changed what it relied on).
    pub String,
    /// V8's words for the assumption.
    pub String,
    /// Where it failed: in the function or in one inlined into it; where V8 tells.
    pub Option<DeoptPosition>,
    /// Times.
    pub u64,
);

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeoptPosition(
    /// URL.
    pub String,
    /// Line, from 1.
    pub u32,
    /// Column, from 1.
    pub u32,
);
