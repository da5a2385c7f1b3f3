//! What istiod's own Deployments say about it: settings that a root change has to reckon with, and when it was restarted.
//!
//! Sources: Istio, `manifests/charts/istio-control/istio-discovery/templates/deployment.yaml` (label, container),
//! `pilot/pkg/bootstrap/istio_ca.go` and `pilot/pkg/features/pilot.go` (settings), `pkg/env/var.go` (how they are read).

use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::mesh::deployment_list::{self, Listed, RESTARTED_AT, Setting};
use crate::mesh::go_duration;
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};

/// The label by which istiod's Deployments are found, those of all revisions.
pub const LABEL: &str = "app=istiod";

/// The name of istiod's Deployment where Istio was installed without a revision.
pub const ISTIOD: &str = "istiod";

/// More revisions than anybody runs in one namespace.
pub const MOST: u32 = 32;

const MAX_WORKLOAD_CERT_TTL: &str = "MAX_WORKLOAD_CERT_TTL";
const MULTI_ROOT: &str = "ISTIO_MULTIROOT_MESH";

/// How long a workload certificate lives at most where nothing is set: Istio, `security/pkg/cmd/constants.go`.
pub const DEFAULT_MAX_WORKLOAD_TTL: Duration = Duration::days(90);

/// What the Deployments of one istiod say, all revisions of its namespace together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IstiodDeployment {
    /// The longest life of a workload certificate that it signs (`MAX_WORKLOAD_CERT_TTL` of the discovery container), of
    /// several revisions the longest. `Ok(None)`: set nowhere, so that [`DEFAULT_MAX_WORKLOAD_TTL`] holds. An error
    /// (`istiod-settings-unknown`): it comes from elsewhere or is no duration, or there is no Deployment to tell it.
    pub max_workload_ttl: Result<Option<Duration>, Problem>,
    /// Whether multi-root is on (`ISTIO_MULTIROOT_MESH`): true only where every revision has it on. `None`: no revision
    /// says it in a way that can be read, so that Istio's default, off, is to be reckoned with.
    pub multi_root: Option<bool>,
    /// When it was last restarted as `kubectl rollout restart` does it, UTC; of several revisions the one that was
    /// restarted longest ago. `None`: one of them never was. That its replicas came up since is not said by it.
    pub restarted_at: Option<OffsetDateTime>,
    /// The names of the Deployments, in order; empty: the namespace has none.
    pub names: Vec<String>,
}

/// The Deployments of one istiod, as an API server listed them.
#[derive(Debug, Clone)]
pub struct Deployments {
    each: Vec<Listed>,
}

impl Deployments {
    /// Reads a `DeploymentList`, and of it only what matters. `None`: it is not one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut each = deployment_list::read(text)?;
        each.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self { each })
    }

    /// What they say together. `place` is how people call the target: `east/istio-system`.
    #[must_use]
    pub fn said(&self, place: &str) -> IstiodDeployment {
        IstiodDeployment {
            max_workload_ttl: self.max_workload_ttl(place),
            multi_root: self.multi_root(),
            restarted_at: self.each.iter().map(|it| it.restarted_at).min().flatten(),
            names: self.each.iter().map(|it| it.name.clone()).collect(),
        }
    }

    /// The names of those to restart: all.
    ///
    /// # Errors
    /// `istiod-not-restartable`: there is none, or one is paused, and would be marked as restarted without being it.
    pub fn to_restart(&self, place: &str) -> Result<Vec<String>, Problem> {
        if let Some(paused) = self.each.iter().find(|it| it.is_paused) {
            let name = &paused.name;
            return Err(Problem::new(
                Code::IstiodNotRestartable,
                format!("{place}: the Deployment {name} is paused, so that a restart would not come about"),
            )
            .hint(format!("kubectl rollout resume deployment/{name} -n {}   in that cluster", namespace(place))));
        }
        if self.each.is_empty() {
            let what = format!("{place}: no Deployment with the label {LABEL} is there to restart");
            let hint =
                format!("restart its istiod as it was installed; kubectl get deployments -n {}", namespace(place));
            return Err(Problem::new(Code::IstiodNotRestartable, what).hint(hint));
        }
        Ok(self.each.iter().map(|it| it.name.clone()).collect())
    }

    fn max_workload_ttl(&self, place: &str) -> Result<Option<Duration>, Problem> {
        let unknown = |what: String| {
            Problem::new(Code::IstiodSettingsUnknown, format!("{place}: {what}"))
                .hint(format!("set it as a plain value in Istio's values: env: {{ {MAX_WORKLOAD_CERT_TTL}: 24h }}"))
        };
        if self.each.is_empty() {
            let what = format!("no Deployment with the label {LABEL} tells what {MAX_WORKLOAD_CERT_TTL} is");
            return Err(unknown(what));
        }
        let mut longest = None;
        for listed in &self.each {
            let name = &listed.name;
            match listed.setting(MAX_WORKLOAD_CERT_TTL) {
                Setting::Unset => {}
                Setting::Elsewhere(why) => {
                    return Err(unknown(format!(
                        "what {MAX_WORKLOAD_CERT_TTL} is, is not known: the Deployment {name} {why}"
                    )));
                }
                Setting::Is(text) => {
                    let read = go_duration::parse(&text).filter(|length| length.is_positive());
                    let Some(length) = read else {
                        let shown = plain(&text, 64);
                        return Err(unknown(format!(
                            "the Deployment {name} sets {MAX_WORKLOAD_CERT_TTL} to `{shown}`, which is no duration"
                        )));
                    };
                    longest = longest.max(Some(length));
                }
            }
        }
        let is_unset = self.each.iter().any(|it| it.setting(MAX_WORKLOAD_CERT_TTL) == Setting::Unset);
        Ok(longest.map(|set| if is_unset { set.max(DEFAULT_MAX_WORKLOAD_TTL) } else { set }))
    }

    fn multi_root(&self) -> Option<bool> {
        let (mut on, mut off, mut unset) = (0_usize, 0_usize, 0_usize);
        for one in &self.each {
            match one.setting(MULTI_ROOT) {
                Setting::Is(text) if is_true(&text) => on += 1,
                // Whatever else it says, istiod takes as its default.
                Setting::Is(_) => off += 1,
                Setting::Unset => unset += 1,
                Setting::Elsewhere(_) => {}
            }
        }
        let all = self.each.len();
        match on {
            0 if off == 0 => None,
            on if on == all => Some(true),
            _ if off > 0 || on + unset == all => Some(false),
            _ => None,
        }
    }
}

/// The body of a patch that restarts a Deployment as `kubectl rollout restart` does: its pods get a new template.
#[must_use]
pub fn restart_patch(now: OffsetDateTime) -> Vec<u8> {
    let annotations = json!({ RESTARTED_AT: utc(now) });
    json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } }).to_string().into_bytes()
}

/// Go's `strconv.ParseBool`.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn namespace(place: &str) -> &str {
    place.rsplit_once('/').map_or(place, |(_, namespace)| namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use time::macros::datetime;

    /// A Deployment as Istio's chart makes one, with this environment of its container.
    fn deployment(name: &str, env: &Value) -> Value {
        let containers = json!([{ "name": "istio-proxy" }, { "name": "discovery", "env": env }]);
        let annotations = json!({ "prometheus.io/port": "15014" });
        json!({ "metadata": { "name": name }, "spec": { "replicas": 1, "template": {
            "metadata": { "annotations": annotations }, "spec": { "containers": containers } } } })
    }

    fn read(items: &[Value]) -> Option<Deployments> {
        let list = json!({ "kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": items });
        Deployments::read(list.to_string().as_bytes())
    }

    fn said(items: &[Value]) -> IstiodDeployment {
        read(items).unwrap().said("east/istio-system")
    }

    fn ttl(values: &[Option<&str>]) -> Result<Option<Duration>, Code> {
        let env = |value: &Option<&str>| {
            value.map_or(json!([]), |it| json!([{ "name": "MAX_WORKLOAD_CERT_TTL", "value": it }]))
        };
        let items: Vec<Value> = values.iter().map(|it| deployment("istiod", &env(it))).collect();
        said(&items).max_workload_ttl.map_err(|problem| problem.code())
    }

    fn multi_root(values: &[Value]) -> Option<bool> {
        let items: Vec<Value> = values.iter().map(|it| deployment("istiod", it)).collect();
        said(&items).multi_root
    }

    #[test]
    fn the_longest_life_of_a_workload_certificate_is_that_of_all_revisions() {
        assert_eq!(ttl(&[None]), Ok(None));
        assert_eq!(ttl(&[Some("24h0m0s")]), Ok(Some(Duration::days(1))));
        assert_eq!(ttl(&[Some("24h"), Some("48h"), Some("1h")]), Ok(Some(Duration::days(2))));
        assert_eq!(ttl(&[Some("24h"), None]), Ok(Some(DEFAULT_MAX_WORKLOAD_TTL)));
        assert_eq!(ttl(&[Some("2161h"), None]), Ok(Some(Duration::hours(2161))));
    }

    #[test]
    fn what_cannot_be_told_is_never_the_default() {
        for bad in ["", "24", "-24h", "0s", "0", "1d", "$(TTL)", "\u{1b}[31m"] {
            assert_eq!(ttl(&[Some("24h"), Some(bad)]), Err(Code::IstiodSettingsUnknown), "{bad}");
        }
        let by_reference =
            json!({ "name": "MAX_WORKLOAD_CERT_TTL", "valueFrom": { "configMapKeyRef": { "name": "c" } } });
        let mut of_a_map = deployment("istiod", &json!([]));
        of_a_map["spec"]["template"]["spec"]["containers"][1]["envFrom"] = json!([{ "configMapRef": { "name": "c" } }]);
        let mut other = deployment("istiod", &json!([]));
        other["spec"]["template"]["spec"]["containers"][1]["name"] = json!("pilot");
        for unknown in [deployment("istiod", &json!([by_reference])), of_a_map.clone(), other] {
            let said = said(&[unknown]);
            assert_eq!(said.max_workload_ttl.unwrap_err().code(), Code::IstiodSettingsUnknown);
            assert_eq!(said.multi_root, None);
        }
        // What is named outweighs what comes in a bundle, and of two entries of one name the later one counts.
        let named = |value: &str| json!({ "name": "MAX_WORKLOAD_CERT_TTL", "value": value });
        of_a_map["spec"]["template"]["spec"]["containers"][1]["env"] = json!([by_reference, named("9h"), named("8h")]);
        assert_eq!(said(&[of_a_map]).max_workload_ttl, Ok(Some(Duration::hours(8))));
        let none = said(&[]);
        assert_eq!(none.max_workload_ttl.unwrap_err().code(), Code::IstiodSettingsUnknown);
        assert_eq!((none.multi_root, none.restarted_at, none.names.len()), (None, None, 0));
    }

    #[test]
    fn multi_root_is_on_only_where_every_revision_has_it_on() {
        let set = |value: &str| json!([{ "name": "ISTIO_MULTIROOT_MESH", "value": value }]);
        let unset = || json!([]);
        let elsewhere = || json!([{ "name": "ISTIO_MULTIROOT_MESH", "valueFrom": {} }]);
        assert_eq!(multi_root(&[unset()]), None);
        assert_eq!(multi_root(&[set("true"), set("1"), set("T")]), Some(true));
        assert_eq!(multi_root(&[set("true"), set("false")]), Some(false));
        assert_eq!(multi_root(&[set("yes")]), Some(false), "istiod takes it for its default");
        assert_eq!(multi_root(&[set("true"), unset()]), Some(false));
        assert_eq!(multi_root(&[set("true"), elsewhere()]), None);
        assert_eq!(multi_root(&[set("false"), elsewhere()]), Some(false));
        assert_eq!(multi_root(&[unset(), elsewhere()]), None);
    }

    #[test]
    fn restarted_means_that_every_revision_was() {
        let mut items = ["istiod-b", "istiod-a"].map(|name| deployment(name, &json!([])));
        let mark = |item: &mut Value, text: &str| {
            item["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = json!(text);
        };
        mark(&mut items[0], "2026-11-23T12:00:00+01:00");
        assert_eq!(said(&items).restarted_at, None);
        mark(&mut items[1], "2026-11-23T11:30:00Z");
        let both = said(&items);
        assert_eq!(both.restarted_at, Some(datetime!(2026-11-23 11:00 UTC)));
        assert_eq!(both.names, ["istiod-a", "istiod-b"]);
        mark(&mut items[1], "yesterday");
        assert_eq!(said(&items).restarted_at, None);
        let patch: Value = serde_json::from_slice(&restart_patch(datetime!(2026-11-23 12:00:00.9 +1))).unwrap();
        let marked = &patch["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
        assert_eq!(marked, "2026-11-23T11:00:00Z");
    }

    #[test]
    fn none_is_restarted_where_one_is_paused_or_none_is_there() {
        let mut items = ["istiod-a", "istiod-b"].map(|name| deployment(name, &json!([])));
        let place = "east/istio-system";
        assert_eq!(read(&items).unwrap().to_restart(place).unwrap(), ["istiod-a", "istiod-b"]);
        items[1]["spec"]["paused"] = json!(true);
        let refused = read(&items).unwrap().to_restart(place).unwrap_err();
        assert_eq!(refused.code(), Code::IstiodNotRestartable);
        assert!(refused.what().contains("the Deployment istiod-b is paused"), "{}", refused.what());
        assert_eq!(read(&[]).unwrap().to_restart(place).unwrap_err().code(), Code::IstiodNotRestartable);
    }

    #[test]
    fn what_is_no_list_of_deployments_is_none() {
        assert!(read(&[]).is_some());
        for name in ["", "../../../api/v1/namespaces/x/secrets/cacerts", "a/b", "a?b", "A", "-a", "a.", "ä"] {
            assert!(read(&[deployment(name, &json!([]))]).is_none(), "{name}");
        }
        for text in ["", "{}", "[]", r#"{"kind":"DeploymentList"}"#, r#"{"kind":"SecretList","items":[]}"#] {
            assert!(Deployments::read(text.as_bytes()).is_none(), "{text}");
        }
        let mut odd = deployment("istiod", &json!("none"));
        assert!(read(&[odd.clone()]).is_none());
        odd["spec"] = json!({});
        assert!(read(&[odd]).is_none());
    }
}
