//! Writes a flame graph as an SVG that any browser shows: outermost calls at the top, the widest at the left, every frame with
//! its numbers as a tooltip; a click zooms, a search marks and counts. Colours are those of the page, by category.
//!
//! It is a picture: threads are merged, moments, tiers and frames narrower than a tenth of a pixel are left out (the
//! picture says how many). Its script reads nothing but the picture, loads nothing, and is all the script there is: names
//! are text.

use super::ExportError;
use super::tree::Tree;
use super::view::View;
use crate::classify::Category;
use crate::tables::{Function, WeightUnit};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;

/// Size in pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: usize = 18;
const TOP: usize = 64;

/// Narrower frames are left out.
const MIN_WIDTH: f64 = 0.1;

/// Deeper frames are left out: browsers draw no picture that is taller than some 30,000 pixels.
const MAX_DEPTH: usize = 1500;

/// Width of a character of the font below, in pixels.
const CHARACTER: f64 = 6.6;

const STYLE: &str = include_str!("svg/style.css");
const SCRIPT: &str = include_str!("svg/script.js");

/// A frame to draw.
struct Frame {
    node: u32,
    depth: usize,
    /// Weight to the left of it.
    before: u64,
}

pub(super) fn write(view: &View<'_>, title: &str, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut tree = Tree::of(view);
    let weights: Vec<u64> = tree.nodes.iter().map(|node| node.total_weight).collect();
    let names =
        |node: u32, tree: &Tree| view.profile.functions.get(tree.nodes[node as usize].function).name.clone();
    // The order must not depend on that of the samples.
    let sort = |nodes: &mut Vec<u32>, tree: &Tree| {
        nodes.sort_by_cached_key(|node| {
            (std::cmp::Reverse(weights[*node as usize]), names(*node, tree), *node)
        });
    };
    let mut roots = std::mem::take(&mut tree.roots);
    sort(&mut roots, &tree);
    let total: u64 = roots.iter().fold(0, |sum, root| sum.saturating_add(weights[*root as usize]));
    let scale = (WIDTH - 2.0 * MARGIN) / (total.max(1) as f64);
    let (mut frames, mut n_left_out) = (Vec::new(), 0_usize);
    let mut to_do = Vec::new();
    place(&roots, 1, 0, &weights, &mut to_do);
    while let Some(frame) = to_do.pop() {
        if frame.depth > MAX_DEPTH || weights[frame.node as usize] as f64 * scale < MIN_WIDTH {
            n_left_out += 1;
            continue;
        }
        let mut children = std::mem::take(&mut tree.nodes[frame.node as usize].children);
        sort(&mut children, &tree);
        place(&children, frame.depth + 1, frame.before, &weights, &mut to_do);
        frames.push(frame);
    }
    let depth = frames.iter().map(|frame| frame.depth).max().unwrap_or(0);
    let height = TOP + (depth + 1) * ROW + 34;
    let samples: u64 = tree.nodes.iter().map(|node| node.self_count).sum();
    let quantity = Quantity { unit: view.profile.unit, total };
    let mut text = head(title, height, &quantity, samples);
    let all = format!("all: {}", quantity.of(total));
    draw(&mut text, (0, 0.0, WIDTH - 2.0 * MARGIN), "all", "all", &all);
    let mut categories = BTreeSet::new();
    for frame in frames {
        let weight = weights[frame.node as usize];
        let node = &tree.nodes[frame.node as usize];
        let function = view.profile.functions.get(node.function);
        categories.insert(category_class(function.category));
        let place = (frame.depth, frame.before as f64 * scale, weight as f64 * scale);
        draw(
            &mut text,
            place,
            category_class(function.category),
            &function.name,
            &tooltip(function, node.self_weight, weight, &quantity),
        );
        if text.len() > 1 << 20 {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    let note = match n_left_out {
        0 => String::new(),
        n => format!("{n} call paths too narrow to see are left out"),
    };
    let _ = write!(
        text,
        "</g>\n<text class=\"quiet\" x=\"{MARGIN}\" y=\"{}\">{note}</text>\n{}</svg>\n",
        height - 12,
        legend(&categories, height - 12)
    );
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Adds `nodes`, which are in order, side by side; the leftmost comes off the stack first.
fn place(nodes: &[u32], depth: usize, mut before: u64, weights: &[u64], to_do: &mut Vec<Frame>) {
    let start = to_do.len();
    for node in nodes {
        to_do.push(Frame { node: *node, depth, before });
        before = before.saturating_add(weights[*node as usize]);
    }
    to_do[start..].reverse();
}

fn head(title: &str, height: usize, quantity: &Quantity, samples: u64) -> String {
    let title = escaped(title);
    let (amount, right) = (quantity.amount(quantity.total), WIDTH - MARGIN);
    let what = match quantity.unit {
        WeightUnit::Nanoseconds => {
            format!("{amount} in {samples} samples · width is share of time, not order")
        }
        WeightUnit::Bytes => format!("{amount} · width is share of bytes"),
        WeightUnit::Samples => format!("{amount} · width is share of samples, not order"),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <title>{title}</title>\n<style><![CDATA[\n{STYLE}]]></style>\n<script><![CDATA[\n{SCRIPT}]]></script>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n\
         <text class=\"quiet\" x=\"{MARGIN}\" y=\"46\" id=\"detail\">{what}</text>\n\
         <text class=\"button\" x=\"{right}\" y=\"26\" id=\"search\" role=\"button\" tabindex=\"0\">search</text>\n\
         <text class=\"button\" x=\"{}\" y=\"26\" id=\"reset\" role=\"button\" tabindex=\"0\">whole picture</text>\n\
         <text class=\"quiet end\" x=\"{right}\" y=\"46\" id=\"found\"></text>\n\
         <g id=\"frames\">\n",
        right - 64.0,
    )
}

/// Draws one frame: a row, its left edge and width in pixels.
fn draw(text: &mut String, (depth, x, width): (usize, f64, f64), class: &str, name: &str, tooltip: &str) {
    let (x, y) = (MARGIN + x, TOP + depth * ROW);
    let shade =
        name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % 4;
    let _ = write!(
        text,
        "<g class=\"{class} s{shade}\"><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\"/>",
        escaped(tooltip),
        ROW - 1
    );
    // What has no room says its name when it is zoomed into, from its tooltip.
    let n_fitting = ((width - 6.0) / CHARACTER).max(0.0) as usize;
    if n_fitting >= 3 {
        let _ = write!(
            text,
            "<text x=\"{:.2}\" y=\"{}\">{}</text>",
            x + 3.0,
            y + 13,
            escaped(&shortened(name, n_fitting))
        );
    }
    text.push_str("</g>\n");
}

/// Says which colour is what, from the right.
fn legend(categories: &BTreeSet<&str>, y: usize) -> String {
    let (mut text, mut x) = (String::new(), WIDTH - MARGIN);
    for category in categories.iter().rev() {
        let name = match *category {
            "app" => "application",
            "node" => "Node.js core",
            "wasm" => "WebAssembly",
            "gc" => "GC",
            other => other,
        };
        x -= name.len() as f64 * CHARACTER + 26.0;
        let _ = writeln!(
            text,
            "<g class=\"{category}\"><rect x=\"{x:.1}\" y=\"{}\" width=\"10\" height=\"10\"/><text x=\"{:.1}\" y=\"{y}\">{name}</text></g>",
            y - 9,
            x + 14.0
        );
    }
    text
}

fn shortened(name: &str, n_fitting: usize) -> String {
    if name.chars().count() <= n_fitting {
        return name.to_owned();
    }
    name.chars().take(n_fitting - 1).chain(['…']).collect()
}

fn tooltip(function: &Function, own: u64, total: u64, quantity: &Quantity) -> String {
    let place = match (function.file.as_str(), function.line) {
        ("", _) => String::new(),
        (file, 0) => format!("\n{file}"),
        (file, line) => format!("\n{file}:{line}"),
    };
    format!("{}: {}, own {}{place}", function.name, quantity.of(total), quantity.of(own))
}

/// Weights in words.
struct Quantity {
    unit: WeightUnit,
    total: u64,
}

impl Quantity {
    fn of(&self, weight: u64) -> String {
        let share = weight as f64 / self.total.max(1) as f64 * 100.0;
        format!("{} ({share:.1} %)", self.amount(weight))
    }

    fn amount(&self, weight: u64) -> String {
        let n = weight as f64;
        match self.unit {
            WeightUnit::Nanoseconds | WeightUnit::Bytes if weight == 0 => "0".into(),
            WeightUnit::Nanoseconds if n >= 1e9 => format!("{:.2} s", n / 1e9),
            WeightUnit::Nanoseconds => format!("{:.2} ms", n / 1e6),
            WeightUnit::Bytes if n >= 1e6 => format!("{:.1} MB", n / 1e6),
            WeightUnit::Bytes if n >= 1e3 => format!("{:.1} kB", n / 1e3),
            WeightUnit::Bytes => format!("{weight} bytes"),
            WeightUnit::Samples => format!("{weight} samples"),
        }
    }
}

fn category_class(category: Category) -> &'static str {
    match category {
        Category::App => "app",
        Category::Dependency => "dependency",
        Category::Node => "node",
        Category::Native => "native",
        Category::Kernel => "kernel",
        Category::Wasm => "wasm",
        Category::Gc => "gc",
        Category::Program => "program",
        Category::Idle => "idle",
    }
}

/// Makes text of anything: XML has no place for most control characters, however they are written.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                escaped.push(char::REPLACEMENT_CHARACTER);
            }
            c => escaped.push(c),
        }
    }
    escaped
}
