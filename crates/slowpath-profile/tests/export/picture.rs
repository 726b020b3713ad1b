//! The flame graph as a picture: well-formed, its widths the shares, nothing in it runs but its own script.

use crate::drawn::{Drawn, drawn};
use crate::round_trip::written;
use proptest::prelude::*;
use slowpath_profile::export::{ExportFormat, Selection};
use slowpath_profile::tables::{Profile, WeightUnit};

fn picture(profile: &Profile) -> String {
    String::from_utf8(written(profile, &Selection::default(), ExportFormat::Svg)).unwrap()
}

fn one(name: &str) -> Profile {
    let place = (name.to_owned(), "src/a.js".to_owned(), 1, 0);
    let other = ("f".to_owned(), "src/a.js".to_owned(), 9, 0);
    let stacks = vec![vec![0], vec![1]];
    Drawn { functions: vec![place, other], stacks, threads: vec![vec![(0, 75, 0), (0, 25, 1)]] }
        .profile(WeightUnit::Nanoseconds)
}

#[test]
fn widths_are_shares_of_the_weight() {
    let picture = picture(&one("hot"));
    let widths: Vec<f64> = picture
        .split("</g>\n<text")
        .next()
        .unwrap()
        .split("<rect x=")
        .skip(1)
        .map(|rect| rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths, [1180.0, 885.0, 295.0]);
    assert!(picture.contains("hot: 0.00 ms (75.0 %), own 0.00 ms (75.0 %)\nsrc/a.js:1</title>"), "{picture}");
}

#[test]
fn markup_in_names_is_text() {
    let harmless = picture(&one("abc"));
    for name in [
        "</script><script>alert(1)</script>",
        "]]><script>",
        "<img onerror=alert(1)>",
        "\"/><a href=\"x",
        "\u{0}\u{1b}",
    ] {
        let picture = picture(&one(name));
        for markup in ["<script", "</", "<img", "<a", "]]>", "onerror=alert(1)>"] {
            assert_eq!(picture.matches(markup).count(), harmless.matches(markup).count(), "{name}: {markup}");
        }
        assert!(!picture.contains(['\u{0}', '\u{1b}']));
    }
}

proptest! {
    #[test]
    fn elements_are_closed_and_samples_in_any_order_give_the_same_bytes(drawn in drawn(2)) {
        let profile = drawn.profile(WeightUnit::Nanoseconds);
        let picture = picture(&profile);
        prop_assert_eq!(picture.matches("<g").count(), picture.matches("</g>").count());
        prop_assert_eq!(picture.matches("<title>").count(), picture.matches("</title>").count());
        prop_assert_eq!(picture.clone(), self::picture(&drawn.profile(WeightUnit::Nanoseconds)));
        let mut turned = profile;
        turned.threads.reverse();
        prop_assert_eq!(picture, self::picture(&turned));
    }
}
