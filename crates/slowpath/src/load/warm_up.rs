//! The load before the load: `-W [ -c 1 -d 2 ]`. Reads what stands in the brackets.

use super::counts::parse_connections;
use crate::durations::parse_duration;
use crate::exit_code::usage;
use std::time::Duration;

/// How a warm-up differs from the load itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WarmUp {
    pub(crate) connections: Option<u32>,
    pub(crate) duration: Option<Duration>,
}

/// Parses the words after `-W`, the closing bracket left out.
pub(crate) fn parse_warm_up(words: &[String]) -> anyhow::Result<WarmUp> {
    let wrong = |problem: String| {
        usage(
            problem,
            "write it as `-W [ -c 1 -d 2 ]`, with blanks around the brackets: connections and duration",
        )
    };
    let Some(("[", options)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Err(wrong(format!("cannot read the warm-up `{}`", words.join(" "))));
    };
    let mut warm_up = WarmUp::default();
    for pair in options.chunks(2) {
        let [name, value] = pair else {
            return Err(wrong(format!("the warm-up's option `{}` has no value", pair[0])));
        };
        match name.as_str() {
            "-c" | "--connections" => warm_up.connections = Some(parse_connections(value).map_err(wrong)?),
            "-d" | "--duration" => warm_up.duration = Some(parse_duration(value).map_err(wrong)?),
            _ => return Err(wrong(format!("a warm-up has no option `{name}`"))),
        }
    }
    Ok(warm_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<WarmUp> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parse_warm_up(&words)
    }

    #[test]
    fn reads_connections_and_duration() {
        let duration = Some(Duration::from_secs(2));
        assert_eq!(parse("[ -c 1 -d 2").unwrap(), WarmUp { connections: Some(1), duration });
        assert_eq!(parse("[ --duration 2s").unwrap(), WarmUp { connections: None, duration });
        assert_eq!(parse("[").unwrap(), WarmUp::default());
    }

    #[test]
    fn says_how_it_is_written() {
        for bad in ["-c 1", "[-c 1 -d 3] http://h", "[ -c", "[ -c x", "[ -p 2", "[ -d x"] {
            let error = parse(bad).expect_err(bad);
            let explained = error.downcast_ref::<crate::exit_code::Explained>().unwrap();
            assert!(explained.hint.as_ref().unwrap().contains("-W [ -c 1 -d 2 ]"), "{bad}");
        }
    }
}
