//! How metrics are sent: as OpenMetrics to who asks for that, and otherwise in the classic text format of Prometheus, which everything
//! that reads metrics takes.

use std::fmt;

use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a reader. The text is that of `prometheus_client`, without the mark of its end.
pub fn answer(headers: &HeaderMap, text: Result<String, fmt::Error>) -> Response {
    let Ok(mut text) = text else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let kind = match wants_open_metrics(&accept.join(",")) {
        true => {
            text.push_str("# EOF\n");
            OPEN_METRICS
        }
        false => {
            text = classic(&text);
            CLASSIC
        }
    };
    ([(CONTENT_TYPE, kind), (VARY, "Accept")], text).into_response()
}

/// Whether a reader names OpenMetrics, and likes nothing better that it names.
fn wants_open_metrics(accept: &str) -> bool {
    let quality = |wanted: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().filter(|kind| kind.eq_ignore_ascii_case(wanted))?;
            let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
        });
        ranges.fold(0.0_f32, f32::max)
    };
    let open = quality("application/openmetrics-text");
    open > 0.0 && open >= quality("text/plain")
}

/// The same metrics in the classic format: there the name of a counter ends as those of its samples do, and there are no units, no
/// types `info` and `unknown`, and no mark of the end.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, words)) = help.take() {
                // Quotes are escaped in OpenMetrics only.
                out += &format!("# HELP {name}{ending} {}\n", words.replace("\\\"", "\""));
            }
            out += &format!("# TYPE {name}{ending} {kind}\n");
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            out += line;
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    fn text() -> String {
        let mut registry = Registry::default();
        let counter = Counter::<u64>::default();
        counter.inc_by(3);
        registry.register("a", "Bytes of \"files\"", counter);
        registry.register_with_unit("b", "How long", Unit::Seconds, Gauge::<i64>::default());
        registry.register("c", "What", Info::new([("version", "1")]));
        let histogram = Histogram::new([1.0]);
        histogram.observe(0.5);
        registry.register("d", "Times", histogram);
        let mut text = String::new();
        encode_registry(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn the_classic_text_names_counters_as_their_samples_are_named() {
        assert_eq!(
            classic(&text()),
            "# HELP a_total Bytes of \"files\".\n# TYPE a_total counter\na_total 3\n\
             # HELP b_seconds How long.\n# TYPE b_seconds gauge\nb_seconds 0\n\
             # HELP c_info What.\n# TYPE c_info gauge\nc_info{version=\"1\"} 1\n\
             # HELP d Times.\n# TYPE d histogram\nd_sum 0.5\nd_count 1\nd_bucket{le=\"1.0\"} 1\nd_bucket{le=\"+Inf\"} 1\n"
        );
    }

    #[test]
    fn open_metrics_are_for_who_names_them() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, open) in [
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            (prometheus, true),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text; q=0", false),
            ("text/plain;version=0.0.4;q=0.5, Application/OpenMetrics-Text ; version=1.0.0 ; q=0.4", false),
            ("application/openmetrics-text;q=x", false),
            (",;,q=1;;", false),
        ] {
            assert_eq!(wants_open_metrics(accept), open, "{accept}");
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            let answer = answer(&headers, Ok(String::new()));
            assert_eq!(answer.headers()[CONTENT_TYPE], if open { OPEN_METRICS } else { CLASSIC }, "{accept}");
        }
    }
}
