//! The rules about clusters: names, who serves whom, how each is reached.

use std::collections::BTreeMap;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::mesh::access_rules::ByPlace;
use crate::mesh::fleet::{Cluster, ClusterName, Membership, Role, is_dns_label, is_label_value};
use crate::mesh::judge::Judge;
use crate::mesh::mesh_schema::{RoleWord, StateWord, WrittenCluster, WrittenMesh};
use crate::mesh::snippet::{Place, Placed};
use crate::problem::Code;

/// Who is in the file.
struct Roster<'a> {
    /// The clusters by their names as written, so that a name that breaks a rule is not called unknown as well.
    by_name: BTreeMap<&'a str, &'a WrittenCluster>,
    /// The first few control planes, for hints: found once, for thousands of remotes may need the hint.
    control_planes: String,
}

impl Judge<'_> {
    /// The clusters that can be made, in the order of the file. What is wrong with the others is noted.
    pub(crate) fn clusters(&mut self, written: &WrittenMesh) -> Vec<Cluster> {
        let list = &written.clusters;
        if list.value.0.is_empty() {
            let hint = "add one: `clusters: [{ name: east, role: primary, access: { directory: ./clusters/east } }]`";
            self.refuse(Code::NoClusters, list.place, "there is no cluster in the mesh file", hint);
        }
        let mut by_name = BTreeMap::new();
        let mut first_place = BTreeMap::new();
        let mut by_place = ByPlace::new();
        let mut clusters = Vec::new();
        for cluster in &list.value.0 {
            let Some(name) = &cluster.value.name else { continue };
            if let Some(first) = first_place.insert(name.value.as_str(), name.place)
                && !name.value.is_empty()
            {
                let what = format!("two clusters are named `{}`", name.value);
                let hint = "give each cluster a name of its own";
                self.refuse_beside(Code::DuplicateCluster, name.place, &what, ("the other one", first), hint);
            }
            by_name.entry(name.value.as_str()).or_insert(&cluster.value);
        }
        let roster = Roster { control_planes: control_planes(&by_name), by_name };
        for cluster in &list.value.0 {
            clusters.extend(self.cluster(cluster, &roster, &mut by_place));
        }
        self.canary(written, &roster);
        clusters
    }

    fn cluster(
        &mut self,
        placed: &Placed<WrittenCluster>,
        roster: &Roster<'_>,
        by_place: &mut ByPlace,
    ) -> Option<Cluster> {
        let written = &placed.value;
        let name = self.cluster_name(placed);
        let called = match &written.name {
            Some(name) if !name.value.is_empty() => format!("cluster `{}`", name.value),
            _ => "a cluster without a name".to_owned(),
        };
        let network = self.network(&called, written);
        let role = self.role(&called, placed, roster);
        let namespace = self.namespace(&called, written);
        let state = self.state(&called, written, placed.place);
        let access = self.access(&called, placed, namespace.as_deref(), by_place);
        let istiod = self.istiod(&called, &written.istiod);
        let trust_bundle = self.trust_bundle(&called, written);
        Some(Cluster {
            name: name?,
            network: network?,
            role: role?,
            namespace: namespace?,
            state: state?,
            access: access?,
            istiod: istiod?,
            trust_bundle: trust_bundle?,
        })
    }

    fn cluster_name(&mut self, placed: &Placed<WrittenCluster>) -> Option<ClusterName> {
        let Some(name) = placed.value.name.as_ref().filter(|name| !name.value.is_empty()) else {
            let place = placed.value.name.as_ref().map_or(placed.place, |name| name.place);
            self.refuse(Code::ClusterWithoutName, place, "a cluster has no name", "add `name: east`");
            return None;
        };
        if name.value == "unknown" {
            let what = "a cluster is named `unknown`, which the alert rule `cluster!=\"unknown\"` leaves out";
            self.refuse(Code::ClusterNamedUnknown, name.place, what, "give it its own name: `name: east`");
            return None;
        }
        let parsed = ClusterName::parse(&name.value);
        if parsed.is_none() {
            let what = format!("the name `{}` of a cluster is not a DNS label", name.value);
            let hint = "take at most 63 lower-case letters, digits and `-`, a letter or digit at both ends";
            self.refuse(Code::ClusterNameNotALabel, name.place, &what, hint);
        }
        parsed
    }

    fn network(&mut self, called: &str, written: &WrittenCluster) -> Option<Option<String>> {
        match &written.network {
            None => Some(None),
            Some(network) if is_label_value(&network.value) => Some(Some(network.value.clone())),
            Some(network) => {
                let what = format!("the network `{}` of {called} cannot be a network ID of Istio", network.value);
                let hint = "take at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends";
                self.refuse(Code::BadValue, network.place, &what, hint);
                None
            }
        }
    }

    fn role(&mut self, called: &str, placed: &Placed<WrittenCluster>, roster: &Roster<'_>) -> Option<Role> {
        let written = &placed.value;
        let Some(word) = &written.role else {
            let what = format!("the key `role` of {called} is missing");
            self.refuse(Code::MissingKey, placed.place, &what, "add `role: primary`, `remote` or `external`");
            return None;
        };
        let (primary, config) = (&written.primary, &written.config_cluster);
        let (role, foreign) = match word.value {
            RoleWord::Primary => (Some(Role::Primary), [("primary", primary), ("configCluster", config)]),
            RoleWord::Remote => (self.served_by(called, placed, roster), [("configCluster", config), ("", &None)]),
            RoleWord::External => (self.serves(called, placed, roster), [("primary", primary), ("", &None)]),
        };
        for (key, value) in foreign {
            if let Some(value) = value {
                let what =
                    format!("`{key}: {}` is given for {called}, whose role is {}", value.value, word.value.as_str());
                let hint = format!("remove `{key}`, or write the role that takes it");
                self.refuse(Code::KeyWithoutEffect, value.place, &what, hint);
            }
        }
        role
    }

    /// The role of a remote: its control plane is named, is there, and is not itself a remote.
    fn served_by(&mut self, called: &str, placed: &Placed<WrittenCluster>, roster: &Roster<'_>) -> Option<Role> {
        let Some(primary) = &placed.value.primary else {
            let what = format!("{called} is a remote, but does not say which control plane serves it");
            let hint = format!("add `primary:` with {}", roster.control_planes);
            self.refuse(Code::RemoteWithoutPrimary, placed.place, &what, hint);
            return None;
        };
        let name = &primary.value;
        let hint = || format!("write `primary:` with {}", roster.control_planes);
        match roster.by_name.get(name.as_str()) {
            None => {
                let what = format!("the primary `{name}` of {called} is not in the mesh file");
                self.refuse(Code::PrimaryUnknown, primary.place, &what, hint());
                None
            }
            Some(WrittenCluster { role: Some(Placed { value: RoleWord::Remote, place }), .. }) => {
                let what = format!("the primary `{name}` of {called} is itself a remote");
                self.refuse_beside(Code::PrimaryIsRemote, primary.place, &what, ("its role", *place), hint());
                None
            }
            Some(_) => ClusterName::parse(name).map(|primary| Role::Remote { primary }),
        }
    }

    /// The role of an external control plane: its configuration cluster is named, is there, and is its remote.
    fn serves(&mut self, called: &str, placed: &Placed<WrittenCluster>, roster: &Roster<'_>) -> Option<Role> {
        let own = placed.value.name.as_ref().map_or("", |name| name.value.as_str());
        let Some(config) = &placed.value.config_cluster else {
            let what = format!("{called} is an external control plane, but does not say whose configuration it reads");
            let hint = "add `configCluster:` with the name of its remote";
            self.refuse(Code::ExternalWithoutConfigCluster, placed.place, &what, hint);
            return None;
        };
        let name = &config.value;
        let Some(served) = roster.by_name.get(name.as_str()) else {
            let what = format!("the configCluster `{name}` of {called} is not in the mesh file");
            let hint = format!("add the cluster: `name: {name}`, `role: remote`, `primary: {own}`");
            self.refuse(Code::ConfigClusterUnknown, config.place, &what, hint);
            return None;
        };
        let role = served.role.as_ref();
        let is_remote = role.is_some_and(|role| role.value == RoleWord::Remote);
        if is_remote && served.primary.as_ref().is_some_and(|primary| primary.value == own) {
            return ClusterName::parse(name).map(|config_cluster| Role::External { config_cluster });
        }
        let (is, place) = match (is_remote, &served.primary) {
            (true, Some(primary)) => (format!("a remote of `{}`", primary.value), primary.place),
            (true, None) => ("a remote of nobody".to_owned(), role.and_then(|role| role.place)),
            (false, _) => {
                let word = role.map_or("of no role", |role| role.value.as_str());
                (word.to_owned(), role.and_then(|role| role.place))
            }
        };
        let what = format!("the configCluster `{name}` of {called} is {is}, not a remote of `{own}`");
        let hint = format!("write `role: remote` and `primary: {own}` for `{name}`");
        self.refuse_beside(Code::ConfigClusterNotItsRemote, config.place, &what, ("that stands", place), hint);
        None
    }

    fn namespace(&mut self, called: &str, written: &WrittenCluster) -> Option<String> {
        match &written.namespace {
            None => Some("istio-system".to_owned()),
            Some(namespace) if is_dns_label(&namespace.value) => Some(namespace.value.clone()),
            Some(namespace) => {
                let what = format!("the namespace `{}` of {called} is not a DNS label", namespace.value);
                let hint = "take at most 63 lower-case letters, digits and `-`: `namespace: istio-system`";
                self.refuse(Code::BadNamespace, namespace.place, &what, hint);
                None
            }
        }
    }

    fn state(&mut self, called: &str, written: &WrittenCluster, place: Option<Place>) -> Option<Membership> {
        let word = written.state;
        if word != StateWord::Excluded {
            for (key, value) in [("reason", &written.reason), ("until", &written.until)] {
                if let Some(value) = value {
                    let what = format!("`{key}` is given for {called}, whose state is {}", word.as_str());
                    let hint = format!("remove `{key}`, or write `state: excluded`");
                    self.refuse(Code::KeyWithoutEffect, value.place, &what, hint);
                }
            }
            return Some(if word == StateWord::Member { Membership::Member } else { Membership::Leaving });
        }
        let reason = written.reason.as_ref().filter(|reason| !reason.value.trim().is_empty());
        for (key, given, example) in [
            ("reason", reason.is_some(), "`reason: being moved to another region`"),
            ("until", written.until.is_some(), "`until: 2027-01-31T00:00:00Z`"),
        ] {
            if !given {
                let what = format!("{called} is excluded, but does not say `{key}`");
                self.refuse(Code::ExclusionIncomplete, place, &what, format!("add {example}"));
            }
        }
        let until = written.until.as_ref()?;
        let Some(moment) = moment(&until.value) else {
            let what = format!("until `{}` of {called} is not a moment", until.value);
            let hint = "write it in RFC 3339, with its offset: `until: 2027-01-31T00:00:00Z`";
            self.refuse(Code::BadValue, until.place, &what, hint);
            return None;
        };
        Some(Membership::Excluded { reason: reason?.value.clone(), until: moment })
    }

    fn canary(&mut self, written: &WrittenMesh, roster: &Roster<'_>) {
        let Some(canary) = &written.rotation.canary else { return };
        let hint = format!("write `canary:` with {}", roster.control_planes);
        let role = roster.by_name.get(canary.value.as_str()).map(|cluster| cluster.role.as_ref());
        let wrong = match role {
            None => "is not in the mesh file",
            Some(Some(Placed { value: RoleWord::Remote, .. })) => "is a remote, which gets no cacerts",
            Some(_) => return,
        };
        let what = format!("rotation.canary `{}` {wrong}", canary.value);
        self.refuse(Code::CanaryWithoutCacerts, canary.place, &what, hint);
    }
}

impl RoleWord {
    const fn as_str(self) -> &'static str {
        match self {
            RoleWord::Primary => "primary",
            RoleWord::Remote => "remote",
            RoleWord::External => "external",
        }
    }
}

impl StateWord {
    const fn as_str(self) -> &'static str {
        match self {
            StateWord::Member => "member",
            StateWord::Leaving => "leaving",
            StateWord::Excluded => "excluded",
        }
    }
}

/// The control planes of the file for a hint: the first few.
fn control_planes(by_name: &BTreeMap<&str, &WrittenCluster>) -> String {
    let serves = |cluster: &WrittenCluster| cluster.role.as_ref().is_some_and(|role| role.value != RoleWord::Remote);
    let names = by_name.iter().filter(|(name, cluster)| is_dns_label(name) && serves(cluster));
    let shown: Vec<String> = names.take(4).map(|(name, _)| format!("`{name}`")).collect();
    if shown.is_empty() { "the name of a primary, which has to be added".to_owned() } else { shown.join(" or ") }
}

/// A moment in RFC 3339, in UTC.
fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_turned_to_utc_and_never_overflow() {
        assert_eq!(moment("2027-01-31T01:00:00+01:00"), moment("2027-01-31T00:00:00Z"));
        assert_eq!(moment("2027-01-31"), None);
        assert_eq!(moment("9999-12-31T23:59:59-23:59"), None);
    }
}
