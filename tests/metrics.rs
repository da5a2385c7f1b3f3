//! The catalogue of metrics and its reference page are the same.

use meshca::mesh::metrics::FAMILIES;

const PAGE: &str = include_str!("../docs/reference/metrics.md");

#[test]
fn the_page_lists_every_family_and_no_other_in_the_order_of_the_exposition() {
    let wanted: Vec<String> = FAMILIES
        .iter()
        .map(|family| {
            let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            format!("| `{}` | {} | {labels} | {} |", family.name, family.kind.as_str(), family.help)
        })
        .collect();
    let listed: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(listed, wanted, "docs/reference/metrics.md should have these lines:\n{}", wanted.join("\n"));
}

/// The rules that promlint has for names, as far as they concern gauges and counters.
#[test]
fn every_name_keeps_the_conventions() {
    for family in FAMILIES {
        let name = family.name;
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(!["_count", "_sum", "_bucket"].iter().any(|reserved| name.ends_with(reserved)), "{name}");
        assert!(!name.split('_').any(|part| ["gauge", "days", "ms", "s", "h", "d"].contains(&part)), "{name}");
        assert!(!family.labels.iter().any(|label| ["namespace", "pod", "service", "job", "instance"].contains(label)));
    }
}
