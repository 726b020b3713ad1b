//! Reads speedscope's JSON (<https://www.speedscope.app/file-format-schema.json>).
//!
//! Pitfalls: `shared.frames` may come after the profiles that refer to it; a profile is a list of samples with
//! weights or of open and close events; samples are outermost first; units are per profile, `none` counts samples;
//! weights follow one another in time order, but a converter may have sorted them; a file holds several profiles,
//! usually one a thread, and they must count alike to be shown together.

use super::json::Json;
use super::{BadInput, Content};
use crate::Nanos;
use crate::classify::AppScope;
use crate::symbol::{at_place, function_of_symbol, is_source_file};
use crate::tables::{FunctionId, Profile, StackId, Tier, WeightUnit};

/// Adds a speedscope file to `profile`.
pub(super) fn import(bytes: &[u8], profile: &mut Profile) -> Result<Content, BadInput> {
    let (mut frames, mut profiles_at) = (Vec::new(), None);
    Json::new(bytes).each_key(|json, key| match key {
        b"shared" => json.each_key(|json, key| match key {
            b"frames" => json.each_element(|json| {
                frames.push(read_frame(json, profile)?);
                Ok(())
            }),
            _ => json.skip().map(|_| ()),
        }),
        b"profiles" => {
            json.peek();
            profiles_at = Some(json.offset());
            json.skip().map(|_| ())
        }
        _ => json.skip().map(|_| ()),
    })?;
    let at = profiles_at.ok_or_else(|| BadInput::at(0, "no `profiles`"))?;
    let mut file = File { bytes, frames, content: Content::default(), unit: None };
    Json::at(bytes, at).each_element(|json| file.read_profile(json, profile))?;
    file.content.unit = file.unit.unwrap_or_default();
    Ok(file.content)
}

type Frame = (FunctionId, Option<Tier>);

fn read_frame(json: &mut Json<'_>, profile: &mut Profile) -> Result<Frame, BadInput> {
    let (mut name, mut file, mut line, mut column) = (None, None, 0, 0);
    json.each_key(|json, key| match key {
        b"name" => json.string_or_null().map(|text| name = text),
        b"file" => json.string_or_null().map(|text| file = text),
        b"line" => json.index_or_none().map(|number| line = number.unwrap_or(0)),
        b"col" => json.index_or_none().map(|number| column = number.unwrap_or(0)),
        _ => json.skip().map(|_| ()),
    })?;
    let (name, file) = (name.unwrap_or_default(), file.unwrap_or_default());
    // Native converters put a binary where others put a source file.
    let is_source = line > 0 || is_source_file(&file);
    let scope = AppScope::default();
    let (function, tier) = if is_source {
        (at_place(&scope, &name, &file, line, column), None)
    } else {
        function_of_symbol(&scope, &name, &file)
    };
    Ok((profile.functions.intern(function), tier))
}

/// A file whose frames are known.
struct File<'a> {
    bytes: &'a [u8],
    frames: Vec<Frame>,
    content: Content,
    unit: Option<WeightUnit>,
}

impl File<'_> {
    fn read_profile(&mut self, json: &mut Json<'_>, profile: &mut Profile) -> Result<(), BadInput> {
        json.peek();
        let start = json.offset();
        let (mut name, mut unit, mut start_value) = (String::new(), String::new(), 0.0);
        let (mut samples_at, mut weights, mut events_at) = (None, Vec::new(), None);
        json.each_key(|json, key| {
            json.peek();
            let at = json.offset();
            match key {
                b"name" => json.string().map(|text| name = text.into_owned()),
                b"unit" => json.string().map(|text| unit = text.into_owned()),
                b"startValue" => json.number().map(|number| start_value = number),
                b"weights" => json.numbers().map(|numbers| weights = numbers),
                b"samples" => json.skip().map(|_| samples_at = Some(at)),
                b"events" => json.skip().map(|_| events_at = Some(at)),
                _ => json.skip().map(|_| ()),
            }
        })?;
        let (weight_unit, scale) = match unit.as_str() {
            "nanoseconds" => (WeightUnit::Nanoseconds, 1.0),
            "microseconds" => (WeightUnit::Nanoseconds, 1e3),
            "milliseconds" => (WeightUnit::Nanoseconds, 1e6),
            "seconds" => (WeightUnit::Nanoseconds, 1e9),
            "bytes" => (WeightUnit::Bytes, 1.0),
            _ => (WeightUnit::Samples, 1.0),
        };
        if *self.unit.get_or_insert(weight_unit) != weight_unit {
            let note = format!("profile `{name}` was left out: it counts {unit}, unlike those before it");
            self.content.notes.push(note);
            return Ok(());
        }
        let index = self.content.threads.len();
        self.content.new_thread(0, &name);
        let clock = Clock { scale, start: start_value };
        match (samples_at, events_at) {
            (Some(at), _) => self.read_samples(at, &weights, (index, clock), profile),
            (None, Some(at)) => self.read_events(at, (index, clock), profile),
            _ => Err(BadInput::at(start, "a profile without `samples` and without `events`")),
        }
    }

    fn frame(&self, json: &mut Json<'_>) -> Result<Frame, BadInput> {
        let index = json.index()?;
        let frame = self.frames.get(index as usize).copied();
        frame.ok_or_else(|| {
            let n = self.frames.len();
            BadInput::at(json.offset(), format!("frame {index} does not exist, there are {n}"))
        })
    }

    fn read_samples(
        &mut self,
        at: usize,
        weights: &[f64],
        (thread, clock): (usize, Clock),
        profile: &mut Profile,
    ) -> Result<(), BadInput> {
        let (mut now, mut row) = (clock.start, 0);
        let mut json = Json::at(self.bytes, at);
        json.each_element(|json| {
            let mut stack = None;
            json.each_element(|json| {
                let (function, tier) = self.frame(json)?;
                stack = Some(profile.stacks.intern_at(stack, function, tier));
                Ok(())
            })?;
            let weight = weights.get(row).copied().unwrap_or(1.0);
            row += 1;
            self.add(thread, clock, (now, weight), stack);
            now += weight.max(0.0);
            Ok(())
        })
    }

    fn read_events(
        &mut self,
        at: usize,
        (thread, clock): (usize, Clock),
        profile: &mut Profile,
    ) -> Result<(), BadInput> {
        let mut open: Vec<(Frame, StackId)> = Vec::new();
        let mut now = clock.start;
        let mut json = Json::at(self.bytes, at);
        json.each_element(|json| {
            json.peek();
            let start = json.offset();
            let (mut is_open, mut frame, mut time) = (None, None, now);
            json.each_key(|json, key| match key {
                b"type" => json.raw_string().map(|kind| is_open = Some(kind == b"O")),
                b"frame" => self.frame(json).map(|found| frame = Some(found)),
                b"at" => json.number().map(|number| time = number),
                _ => json.skip().map(|_| ()),
            })?;
            let (Some(is_open), Some(frame)) = (is_open, frame) else {
                return Err(BadInput::at(start, "an event without `type` or `frame`"));
            };
            if time > now {
                self.add(thread, clock, (now, time - now), open.last().map(|(_, stack)| *stack));
                now = time;
            }
            if is_open {
                let parent = open.last().map(|(_, stack)| *stack);
                open.push((frame, profile.stacks.intern_at(parent, frame.0, frame.1)));
            } else if open.pop().is_none_or(|(opened, _)| opened != frame) {
                return Err(BadInput::at(start, "an event closes another frame than the innermost open one"));
            }
            Ok(())
        })
    }

    fn add(&mut self, thread: usize, clock: Clock, (now, weight): (f64, f64), stack: Option<StackId>) {
        let Some(stack) = stack.filter(|_| weight > 0.0) else { return };
        let weight = (weight * clock.scale).round() as u64;
        let thread = &mut self.content.threads[thread];
        if self.unit == Some(WeightUnit::Nanoseconds) {
            thread.push(Nanos((now * clock.scale).max(0.0).round() as u64), Nanos(weight), stack);
        } else {
            let is_count = self.unit == Some(WeightUnit::Samples);
            thread.push_sum(
                weight,
                if is_count { u32::try_from(weight).unwrap_or(u32::MAX) } else { 1 },
                stack,
            );
        }
    }
}

/// How a profile's numbers become ours.
#[derive(Clone, Copy)]
struct Clock {
    scale: f64,
    start: f64,
}
