//! What a tick says about a target where people look first: as an Event on its Secret (Kubernetes, `events.k8s.io/v1`).
//!
//! An Event's name is made of what it says, so that the same is said once for as long as the API server keeps it (an
//! hour, unless it is told otherwise), however many ticks say it.

use std::collections::BTreeMap;

use serde_json::json;
use time::OffsetDateTime;

use crate::mesh::cacerts::SECRET_NAME;
use crate::mesh::change::Change;
use crate::mesh::fleet::{Cluster, ClusterName};
use crate::mesh::lease::micro;
use crate::mesh::observed::Observed;
use crate::mesh::plan::Plan;
use crate::mesh::stage::Stage;
use crate::mesh::step::{Act, Step};
use crate::pki::plain_text::plain;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// The one who reports.
const CONTROLLER: &str = "meshca.io/meshca";

/// The longest note that is written, in characters; Kubernetes takes 1 KiB.
const LONGEST: usize = 250;

/// Something to say about one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which target.
    pub cluster: ClusterName,
    /// What it is about, as Kubernetes wants it: one word in Pascal case.
    pub reason: &'static str,
    /// The same in words.
    pub note: String,
    /// What makes it the same as one that was told before.
    pub name: String,
    is_warning: bool,
}

/// What a tick has to say: rotated, refused, or due and waiting. About targets of which nothing can be seen it says
/// nothing, since nobody could be told there.
#[must_use]
pub fn events(
    plan: &Plan,
    done: &BTreeMap<ClusterName, Result<Change, Problem>>,
    observed: &BTreeMap<ClusterName, Observed>,
) -> Vec<Event> {
    let seen = |step: &&Step| observed.get(&step.cluster).is_some_and(|it| it.secret.is_ok());
    plan.steps.iter().filter(seen).filter_map(|step| event(step, done.get(&step.cluster), observed)).collect()
}

fn event(
    step: &Step,
    done: Option<&Result<Change, Problem>>,
    observed: &BTreeMap<ClusterName, Observed>,
) -> Option<Event> {
    let present = observed.get(&step.cluster).map_or(0, Observed::generation);
    let told = |reason: &'static str, generation: u32, more: &str, words: &str| Event {
        cluster: step.cluster.clone(),
        reason,
        note: plain(words, LONGEST),
        name: format!("{SECRET_NAME}.{}{more}.g{generation}", reason.to_ascii_lowercase()),
        is_warning: matches!(reason, REFUSED | DUE),
    };
    let refused = |problem: &Problem| told(REFUSED, present, &format!(".{}", problem.code()), &problem.to_string());
    match (&step.act, done) {
        (Act::Mint { generation, .. } | Act::Activate { generation }, Some(Ok(change))) => {
            let is_new = matches!(change, Change::Create | Change::Replace { .. });
            let words = format!("generation {generation} is in place: {}", step.reason);
            is_new.then(|| told(ROTATED, *generation, "", &words))
        }
        (_, Some(Err(problem))) => (!is_unheard(problem.code())).then(|| refused(problem)),
        (Act::Refuse(problem), None) => Some(refused(problem)),
        (Act::Wait | Act::AskForCeremony(_), None) => {
            Some(told(DUE, present, &format!(".{}", step.act.as_str()), &step.reason))
        }
        (Act::Rebundle, Some(Ok(Change::Replace { .. }))) => {
            let stage = step.stage.map_or("", Stage::as_str);
            let more = format!(".{}", stage.to_ascii_lowercase());
            Some(told(ROOTS_CHANGED, present, &more, &format!("stage {stage} of a root change: {}", step.reason)))
        }
        (Act::Restart, Some(Ok(_))) => Some(told(RESTARTED, present, "", &step.reason)),
        _ => None,
    }
}

const ROTATED: &str = "Rotated";
const ROOTS_CHANGED: &str = "RootsChanged";
const RESTARTED: &str = "IstiodRestarted";
const REFUSED: &str = "RotationRefused";
const DUE: &str = "RotationDue";

/// Whether an API server that answers so would hear nothing else either; or the replica is no longer the one to speak.
const fn is_unheard(code: Code) -> bool {
    matches!(
        code,
        Code::ApiServerUnreachable
            | Code::ApiServerUntrusted
            | Code::ApiServerSlow
            | Code::ApiServerFailing
            | Code::AnswerLost
            | Code::NotAuthenticated
            | Code::LeaseLost
    )
}

impl Event {
    /// The object to create.
    #[must_use]
    pub fn body(&self, cluster: &Cluster, now: OffsetDateTime) -> Secret {
        let namespace = &cluster.namespace;
        let body = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": self.name, "namespace": namespace, "labels": { "app.kubernetes.io/name": "meshca" } },
            "eventTime": micro(now),
            "reportingController": CONTROLLER,
            "reportingInstance": "meshca",
            "action": "Rotate",
            "reason": self.reason,
            "note": self.note,
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "regarding": { "apiVersion": "v1", "kind": "Secret", "name": SECRET_NAME, "namespace": namespace },
        });
        Secret::new(body.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};

    fn plan(act: Act) -> Plan {
        let step = Step {
            cluster: name("east"),
            act,
            reason: "its renewal is due".to_owned(),
            stage: None,
            bundle: None,
            mark: None,
            taints: false,
        };
        Plan { steps: vec![step], ceremonies: Vec::new(), root_change: None, leaks: Vec::new() }
    }

    fn told(story: &Story, act: Act, done: Option<Result<Change, Problem>>) -> Option<(String, &'static str, String)> {
        let done = done.into_iter().map(|it| (name("east"), it)).collect();
        events(&plan(act), &done, &story.observed).pop().map(|it| (it.name, it.reason, it.note))
    }

    fn mint() -> Act {
        Act::Mint { issuing: 1, generation: 2 }
    }

    #[test]
    fn rotated_refused_and_due_have_names_that_say_so() {
        let story = Story::new();
        let (name, reason, note) = told(&story, mint(), Some(Ok(Change::Create))).unwrap();
        assert_eq!((name.as_str(), reason), ("cacerts.rotated.g2", "Rotated"));
        assert_eq!(note, "generation 2 is in place: its renewal is due");
        let refused = || Problem::new(Code::RootDiffers, "east: another root");
        for (act, done) in [(Act::Refuse(refused()), None), (mint(), Some(Err(refused())))] {
            let (name, reason, note) = told(&story, act, done).unwrap();
            assert_eq!((name.as_str(), reason), ("cacerts.rotationrefused.root-differs.g1", "RotationRefused"));
            assert_eq!(note, "root-differs: east: another root");
        }
        let (name, reason, _) = told(&story, Act::Wait, None).unwrap();
        assert_eq!((name.as_str(), reason), ("cacerts.rotationdue.wait.g1", "RotationDue"));
    }

    #[test]
    fn nothing_is_said_of_what_did_not_happen_or_to_nobody() {
        let mut story = Story::new();
        assert_eq!(told(&story, Act::Leave, None), None);
        assert_eq!(told(&story, mint(), None), None, "held back");
        assert_eq!(told(&story, mint(), Some(Ok(Change::Leave))), None);
        for code in [Code::ApiServerSlow, Code::LeaseLost] {
            assert_eq!(told(&story, mint(), Some(Err(Problem::new(code, "x")))), None);
        }
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "gone"));
        assert_eq!(told(&story, Act::Wait, None), None);
    }

    #[test]
    fn a_note_stays_below_what_kubernetes_takes_and_steers_no_terminal() {
        let story = Story::new();
        let long = Problem::new(Code::RootDiffers, format!("\u{1b}[2J{}", "ä".repeat(5000)));
        let (_, _, note) = told(&story, Act::Refuse(long), None).unwrap();
        assert!(note.len() <= 1024 && !note.contains('\u{1b}'), "{}", note.len());
        let event = events(&plan(Act::Wait), &BTreeMap::new(), &story.observed).remove(0);
        let body: serde_json::Value =
            serde_json::from_slice(event.body(&story.mesh.clusters[0], NOW).expose()).unwrap();
        assert_eq!(body["type"], "Warning");
        assert_eq!(body["regarding"]["namespace"], body["metadata"]["namespace"]);
    }
}
