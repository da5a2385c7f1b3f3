//! The two forms in which metrics are written: Prometheus text exposition 0.0.4, and OpenMetrics 1.0 for who asks for it.

/// A form of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exposition {
    /// Prometheus text exposition 0.0.4: what scrapes, textfile collectors, push gateways and promtool all take.
    #[default]
    Text,
    /// OpenMetrics 1.0: for a scraper that names it.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Exposition {
    /// The `Content-Type`. Prometheus 3 fails a scrape without one.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Exposition::Text => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What the lines before a family's samples call it. The samples of a counter are called as in its own name.
    #[must_use]
    pub fn family_name(self, name: &str) -> &str {
        match self {
            Exposition::Text => name,
            // OpenMetrics 1.0, "Counter": `_total` belongs to the sample, not to the family.
            Exposition::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        }
    }

    /// The last line.
    #[must_use]
    pub const fn end(self) -> &'static str {
        match self {
            Exposition::Text => "",
            Exposition::OpenMetrics => "# EOF\n",
        }
    }

    /// What a client gets that says this in `Accept`: OpenMetrics, if it names that, in version 1.0.0 or in none, and does
    /// not like plain text better. Nobody is refused: who accepts neither gets plain text.
    #[must_use]
    pub fn for_accept(accept: &str) -> Self {
        let ranges: Vec<Range<'_>> = accept.split(',').map(Range::of).collect();
        let best = |is_meant: fn(&Range<'_>) -> bool| ranges.iter().filter(|it| is_meant(it)).map(|it| it.weight).max();
        let open = best(|it| it.is_named(OPEN_METRICS) && it.version.is_none_or(|version| version == "1.0.0"));
        let plain = best(|it| it.is_named("text/plain"));
        match open {
            Some(open) if open > 0 && open >= plain.unwrap_or(0) => Exposition::OpenMetrics,
            _ => Exposition::Text,
        }
    }
}

/// One range of `Accept`.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// Thousandths; what cannot be read counts as nothing.
    weight: u16,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { name: parts.next().unwrap_or_default(), version: None, weight: 1000 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => range.weight = weight(value).unwrap_or(0),
                "version" => range.version = Some(value),
                _ => {}
            }
        }
        range
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// `0.25` as 250: at most three digits behind the point, and at most 1.
fn weight(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_number =
        !whole.is_empty() && rest.len() <= 3 && [whole, rest].iter().all(|it| it.bytes().all(|b| b.is_ascii_digit()));
    let thousandths = format!("{whole}{rest:0<3}").parse::<u16>().ok().filter(|_| is_number)?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_open_metrics_and_who_asks_for_nothing_gets_plain_text() {
        // What Prometheus 2.4x and 3 send.
        for accept in [
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"",
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(Exposition::for_accept(accept), Exposition::OpenMetrics, "{accept}");
        }
        for accept in ["", "*/*", "text/plain", "text/html,*/*;q=0.8", "text/plain;version=0.0.4"] {
            assert_eq!(Exposition::for_accept(accept), Exposition::Text, "{accept}");
        }
    }

    #[test]
    fn what_is_liked_less_is_not_refused_or_not_readable_is_not_chosen() {
        for accept in [
            "text/plain;q=0.501, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.000",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=much",
            "application/openmetrics-text;q=1.001",
            "application/openmetrics-text;q=-1",
            "application/openmetrics-text;q=0.5000",
            "application/openmetrics-texts",
            ";;;,,,=;q=;",
        ] {
            assert_eq!(Exposition::for_accept(accept), Exposition::Text, "{accept}");
        }
    }

    #[test]
    fn a_weight_has_three_digits_behind_the_point_and_ends_at_one() {
        let read = |texts: &[&str]| texts.iter().map(|text| weight(text)).collect::<Vec<_>>();
        assert_eq!(read(&["1", "0", "0.2", "0.25", "1.000", "0.001"]), [1000, 0, 200, 250, 1000, 1].map(Some));
        assert_eq!(read(&["", ".5", "1.001", "2", "0.0001", "+1", "99999999", "0.-1"]), [None; 8]);
    }
}
