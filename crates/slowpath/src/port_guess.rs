//! Guesses the port that a program listens on, from its text.

/// Signs that may stand between a name such as `PORT` and its number.
const BETWEEN: &str = " |?=:'\"(),{}";

/// Longest run of them.
const MAX_BETWEEN: usize = 12;

/// Returns the first number that stands behind `listen(` or a word that ends in `port`, as in `PORT || 3000`, `"port": 8080`.
pub(crate) fn port_in(text: &str) -> Option<u16> {
    let lower = text.to_ascii_lowercase();
    let mut places: Vec<usize> = Vec::new();
    for word in ["port", "listen("] {
        places.extend(lower.match_indices(word).map(|(at, _)| at + word.len()));
    }
    places.sort_unstable();
    places.into_iter().find_map(|at| number_after(&lower[at..]))
}

fn number_after(text: &str) -> Option<u16> {
    let start = text.char_indices().take(MAX_BETWEEN).find(|(_, c)| !BETWEEN.contains(*c))?;
    let rest = &text[start.0..];
    let n_digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let port: u16 = rest[..n_digits].parse().ok()?;
    // Below are the ports that services seldom have: a version, a count.
    (n_digits >= 2 && port >= 80).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::port_in;

    #[test]
    fn finds_the_port_where_people_write_it() {
        let check = |text: &str, expected: Option<u16>| assert_eq!(port_in(text), expected, "{text}");
        check("const port = process.env.PORT || 3000;", Some(3000));
        check("server.listen(8080, '0.0.0.0')", Some(8080));
        check(r#"{ "SERVER_PORT": "4000" }"#, Some(4000));
        check("PORT=5000 node server.js", Some(5000));
        check("node server.js --port 6000", Some(6000));
        check("import { support } from './x'; const a = 7;", None);
        check("export 1234567", None);
        check("", None);
    }
}
