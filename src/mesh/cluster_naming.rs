//! Names of clusters made from what others call them: contexts, keys of remote secrets.

use std::collections::BTreeSet;

use crate::mesh::fleet::ClusterName;

/// The longest DNS label.
const LONGEST: usize = 63;

/// The names that are taken, so that each is given once.
#[derive(Debug, Default)]
pub struct ClusterNaming {
    taken: BTreeSet<String>,
}

impl ClusterNaming {
    /// A valid name as close to what is wished as may be, that was not given before.
    pub fn name(&mut self, wished: &str) -> Option<ClusterName> {
        let label = label(wished);
        let numbered = (2_u32..).map(|number| {
            let tail = format!("-{number}");
            let head: String = label.chars().take(LONGEST - tail.len()).collect();
            format!("{}{tail}", head.trim_end_matches('-'))
        });
        let free = std::iter::once(label.clone()).chain(numbered).find(|name| !self.taken.contains(name))?;
        self.taken.insert(free.clone());
        ClusterName::parse(&free)
    }
}

/// The text as a DNS label: whatever a label does not take becomes a dash.
fn label(wished: &str) -> String {
    let mut label = String::new();
    for letter in wished.chars() {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            label.push(letter);
        } else if !label.ends_with('-') && !label.is_empty() {
            label.push('-');
        }
        if label.len() == LONGEST {
            break;
        }
    }
    match label.trim_end_matches('-') {
        "" => "cluster".to_owned(),
        // Alert rules in the field leave it out.
        "unknown" => "cluster-unknown".to_owned(),
        sound => sound.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(wished: &[&str]) -> Vec<String> {
        let mut naming = ClusterNaming::default();
        wished.iter().map(|it| naming.name(it).unwrap().to_string()).collect()
    }

    #[test]
    fn a_sound_name_stays_and_another_becomes_one() {
        let names = named(&["east", "gke_shop_europe-west1_East", "arn:aws:eks:eu-west-1:1:cluster/prod", "@", ""]);
        assert_eq!(
            names,
            ["east", "gke-shop-europe-west1-east", "arn-aws-eks-eu-west-1-1-cluster-prod", "cluster", "cluster-2"]
        );
    }

    #[test]
    fn unknown_is_never_a_name() {
        assert_eq!(
            named(&["unknown", "Unknown", "cluster-unknown"]),
            ["cluster-unknown", "cluster-unknown-2", "cluster-unknown-3"]
        );
    }

    #[test]
    fn a_name_is_given_once_and_keeps_its_length() {
        let long = "a".repeat(80);
        let names = named(&[&long, &long, "b", "b-2", "b"]);
        assert_eq!(names[0].len(), 63);
        assert_eq!(names[1], format!("{}-2", "a".repeat(61)));
        assert_eq!(names[2..], ["b", "b-2", "b-3"]);
    }

    proptest! {
        #[test]
        fn whatever_is_wished_becomes_a_name(wished in proptest::collection::vec(".{0,70}", 1..6)) {
            let mut naming = ClusterNaming::default();
            let names: Vec<_> = wished.iter().map(|it| naming.name(it).unwrap()).collect();
            let distinct: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(distinct.len(), names.len());
        }
    }
}
