//! Bounds what is told: a file with thousands of equal faults gives one finding of each kind, with a count.

use std::collections::BTreeMap;

use crate::problem::{Code, Finding};

/// The most findings of one judgement. Kinds times files are fewer in any set that is meant well.
pub(super) const MOST_FINDINGS: usize = 200;
/// So many others of a kind are quoted in the facts of the first.
const MOST_QUOTED: usize = 4;

/// The findings of one kind in one file as one, the worst of them first; then the worst of all, as many as are told.
/// Also how many were left out for that.
pub(super) fn told_once(findings: Vec<Finding>) -> (Vec<Finding>, usize) {
    let mut groups: Vec<Vec<Finding>> = Vec::new();
    let mut known: BTreeMap<(Code, String), usize> = BTreeMap::new();
    for finding in findings {
        let name = (finding.problem.code(), finding.place.clone());
        let at = *known.entry(name).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    let mut told: Vec<Finding> = groups.into_iter().filter_map(one).collect();
    let untold = told.len().saturating_sub(MOST_FINDINGS);
    if untold > 0 {
        // Stable, so that the order of the checks stays among equals.
        told.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        told.truncate(MOST_FINDINGS);
    }
    (told, untold)
}

fn one(mut group: Vec<Finding>) -> Option<Finding> {
    group.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut rest = group.into_iter();
    let mut first = rest.next()?;
    let mut said = vec![first.problem.what().to_owned()];
    let mut more = 0_usize;
    for other in rest {
        let what = other.problem.what();
        if said.len() <= MOST_QUOTED && !said.iter().any(|known| known == what) {
            said.push(what.to_owned());
        } else {
            more += 1;
        }
    }
    for what in said.iter().skip(1) {
        first.problem = first.problem.fact(format!("also: {what}"));
    }
    if more > 0 {
        first.problem = first.problem.fact(format!("and {more} more"));
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::checks::parts::{critical, warning};
    use crate::problem::Problem;

    #[test]
    fn findings_of_one_kind_and_file_are_one_and_the_worst_of_them_speaks() {
        let problem = |what: &str| Problem::new(Code::WeakSignature, what).hint("look");
        let findings = vec![
            warning("a", problem("one")),
            warning("b", problem("elsewhere")),
            critical("a", problem("two")),
            warning("a", Problem::new(Code::SerialOdd, "of another kind")),
            warning("a", problem("one")),
        ];
        let (told, untold) = told_once(findings);
        let said: Vec<_> = told.iter().map(|it| (it.place.as_str(), it.problem.what(), it.problem.facts())).collect();
        let facts = ["also: one".to_owned(), "and 1 more".to_owned()];
        assert_eq!(said, [("a", "two", &facts[..]), ("b", "elsewhere", &[]), ("a", "of another kind", &[])]);
        assert_eq!((untold, told[0].problem.advice()), (0, Some("look")));
    }

    #[test]
    fn a_few_are_quoted_and_the_rest_is_counted() {
        let findings = (0..6000).map(|number| warning("a", Problem::new(Code::SerialOdd, format!("number {number}"))));
        let (told, _) = told_once(findings.collect());
        let facts = told[0].problem.facts();
        assert_eq!((told.len(), facts.len(), facts[4].as_str()), (1, MOST_QUOTED + 1, "and 5995 more"));
    }

    #[test]
    fn of_too_many_the_worst_are_told_and_the_rest_is_counted() {
        let findings = |count: usize| -> Vec<Finding> {
            let last = critical("last", Problem::new(Code::ExtraFile, "the worst"));
            let others = (1..count).map(|number| warning(&number.to_string(), Problem::new(Code::ExtraFile, "odd")));
            others.chain([last]).collect()
        };
        let (told, untold) = told_once(findings(MOST_FINDINGS));
        assert_eq!((told.len(), untold, told[0].place.as_str()), (MOST_FINDINGS, 0, "1"));
        let (told, untold) = told_once(findings(MOST_FINDINGS + 1));
        assert_eq!((told.len(), untold, told[0].place.as_str()), (MOST_FINDINGS, 1, "last"));
    }
}
