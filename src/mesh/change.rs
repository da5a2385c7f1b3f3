//! The four-way decision before anything is written: create, replace, leave or refuse.

use crate::mesh::cacerts::{Cacerts, FILES};
use crate::mesh::fleet::Cluster;
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight, certificates};
use crate::mesh::ownership::Ownership;
use crate::pki::certificate::Certificate;
use crate::problem::{Code, Problem};

/// What shall happen to a target's `cacerts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is none, and nothing speaks against one.
    Create,
    /// There is one of ours with other content.
    Replace {
        /// The object that was decided on.
        uid: Option<String>,
        /// The content that was decided on.
        version: Option<String>,
    },
    /// It holds exactly this already.
    Leave,
    /// It must not be touched.
    Refuse(Problem),
}

impl Change {
    /// The word in tables and records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Change::Create => "create",
            Change::Replace { .. } => "replace",
            Change::Leave => "leave",
            Change::Refuse(_) => "refuse",
        }
    }
}

/// Decides what to do with a set for a target, which is to bear this mark. `before` is what the target had when it was
/// decided that it needs this set: who finds a third signer or a third trust bundle there comes too late.
#[must_use]
pub fn decide(
    set: &Cacerts,
    mark: &Ownership,
    cluster: &Cluster,
    before: Option<&SecretSight>,
    observed: &Observed,
) -> Change {
    match may_write(cluster, &mark.mesh, &certificates(set.bundle()), observed) {
        Err(problem) => Change::Refuse(problem),
        Ok(None) => Change::Create,
        Ok(Some(there)) if holds(there, set) && (says_the_same(there, mark) || is_new(set, before)) => Change::Leave,
        Ok(Some(there)) if is_overtaken(there, set, before) => Change::Refuse(overtaken(cluster, there)),
        Ok(Some(there)) => Change::Replace { uid: there.uid.clone(), version: there.version.clone() },
    }
}

/// Whether the note for a root change is the same; what else the mark says follows from the set.
fn says_the_same(there: &SecretSight, mark: &Ownership) -> bool {
    matches!(&there.owner, Owner::Ours(present) if present.walk == mark.walk)
}

/// Whether this set was to come, and not its note alone. Who finds it there was overtaken by a run that did the same, and
/// whose note says when; another one would say that istiod had not loaded it since.
fn is_new(set: &Cacerts, before: Option<&SecretSight>) -> bool {
    before.is_some_and(|before| !holds(before, set))
}

/// Another run was at work at the same time and was first; its istiod may sign with that already, or hand out those roots.
fn is_overtaken(there: &SecretSight, set: &Cacerts, before: Option<&SecretSight>) -> bool {
    let Ok(signer) = &there.signer else { return false };
    let another_signer =
        signer != set.signer() && before.and_then(|before| before.signer.as_ref().ok()) != Some(signer);
    let another_bundle =
        before.is_some_and(|before| there.bundle() != before.bundle() && there.bundle() != set.bundle());
    another_signer || another_bundle
}

fn overtaken(cluster: &Cluster, there: &SecretSight) -> Problem {
    let signer = there.signer.as_ref().map_or_else(|_| "unreadable".to_owned(), Certificate::serial_text);
    Problem::new(
        Code::TargetChangedMeanwhile,
        format!("{}/{}: another run was first, and what it brought is left as it is", cluster.name, cluster.namespace),
    )
    .fact(format!("there now  generation {}, serial {signer}", there.generation()))
    .hint("nothing need be done; look whether two schedules work on the same mesh")
}

/// Whether a target may be written at all; if so, what is there. `anchors` are the roots that would be brought: an
/// istiod without `cacerts` that still hands out these and no other has lost its set, and gets one again.
///
/// # Errors
/// The refusal, with its code.
pub fn may_write<'a>(
    cluster: &Cluster,
    mesh: &str,
    anchors: &[Certificate],
    observed: &'a Observed,
) -> Result<Option<&'a SecretSight>, Problem> {
    let name = &cluster.name;
    if !cluster.role.has_cacerts() {
        return Err(Problem::new(
            Code::RemoteGetsNoCacerts,
            format!(
                "{name} is a {}: its workloads are signed by its control plane's intermediate",
                cluster.role.as_str()
            ),
        )
        .hint("leave it out; a needless copy of a signing key is a risk"));
    }
    let there = match &observed.secret {
        Err(problem) => return Err(problem.clone()),
        Ok(None) => return no_cacerts(cluster, anchors, observed).map(|()| None),
        Ok(Some(there)) => there,
    };
    let place = format!("{name}/{}", cluster.namespace);
    if there.owner == Owner::Istiod {
        return Err(Problem::new(
            Code::IstioGeneratedSecret,
            format!("{place}: cacerts was made by istiod for itself (istio-generated)"),
        )
        .hint("istiod would overwrite it; unset USE_CACERTS_FOR_SELF_SIGNED_CA first"));
    }
    if there.kind != SecretKind::Opaque {
        let kind = match &there.kind {
            SecretKind::Tls => "kubernetes.io/tls",
            SecretKind::Other(kind) => kind,
            SecretKind::Opaque => "Opaque",
        };
        return Err(Problem::new(
            Code::SecretTypeFixed,
            format!("{place}: cacerts is of type {kind}, and Kubernetes never changes a Secret's type"),
        )
        .fact("wanted  Opaque, with the four files".to_owned())
        .hint("replace it in a maintenance window: see docs/guide/publish.md"));
    }
    if there.immutable {
        return Err(Problem::new(
            Code::SecretImmutable,
            format!("{place}: cacerts is immutable, and Kubernetes refuses every change of it"),
        )
        .hint("replace it in a maintenance window: see docs/guide/publish.md"));
    }
    match &there.owner {
        Owner::Ours(mark) => belongs(mark, cluster, mesh).map(|()| Some(there)),
        Owner::Istiod => Ok(Some(there)),
        Owner::Somebody(whom) => {
            Err(Problem::new(Code::OwnedBySomebodyElse, format!("{place}: cacerts was not written by meshca ({whom})"))
                .fact(match &there.signer {
                    Ok(signer) => format!("its signer  {}", signer.subject()),
                    Err(problem) => problem.to_string(),
                })
                .hint(format!("meshca adopt {name} --dry-run   says what it is, and whether it can be taken over")))
        }
    }
}

/// Whether a target runs under one of the roots that may be used, or under none that can be read: what else it trusts is
/// its own business. `current` is the root that the fleet runs on.
///
/// # Errors
/// `root-differs`.
pub fn same_root(
    cluster: &Cluster,
    anchors: &[Certificate],
    current: &Certificate,
    there: &SecretSight,
) -> Result<(), Problem> {
    let roots = there.roots();
    let Some(theirs) = roots.first() else { return Ok(()) };
    if roots.iter().any(|root| anchors.contains(root)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::RootDiffers,
        format!("{} runs under another root than the one that may be used", cluster.name),
    )
    .fact(format!("its root  {}, {}", theirs.subject(), theirs.fingerprint().short()))
    .fact(format!("ours      {}, {}", current.subject(), current.fingerprint().short()))
    .hint(
        "pin its root in root.trusted, if it is the right one; an endorsed or pinned next root is walked to in stages",
    ))
}

fn no_cacerts(cluster: &Cluster, anchors: &[Certificate], observed: &Observed) -> Result<(), Problem> {
    let system_roots = observed.system_roots.as_ref().map_err(Clone::clone)?.as_deref();
    if !observed.self_signed && system_roots.is_none_or(|bytes| holds_only(bytes, anchors)) {
        return Ok(());
    }
    let roots = certificates(system_roots.unwrap_or_default());
    let theirs = roots.iter().find(|root| !anchors.contains(root)).map_or_else(
        || "a self-signed CA of istiod".to_owned(),
        |root| format!("{}, {}", root.subject(), root.fingerprint().short()),
    );
    Err(Problem::new(
        Code::AlreadyRunningUnderAnotherRoot,
        format!("{}/{} has no cacerts, but istiod there runs on a root of its own", cluster.name, cluster.namespace),
    )
    .fact(format!("its root  {theirs}"))
    .fact("publishing now would swap root and signer at istiod's next restart")
    .hint(format!("meshca adopt {} --dry-run   says whether it can be taken over without an outage", cluster.name)))
}

/// Whether a trust bundle holds one or more of these roots, and nothing besides, readable or not.
fn holds_only(bundle: &[u8], anchors: &[Certificate]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN";
    let roots = certificates(bundle);
    let blocks = bundle.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    !roots.is_empty() && roots.len() == blocks && roots.iter().all(|root| anchors.contains(root))
}

/// Whether a mark is of this target of this mesh.
///
/// # Errors
/// `owned-by-somebody-else`.
pub(in crate::mesh) fn belongs(mark: &Ownership, cluster: &Cluster, mesh: &str) -> Result<(), Problem> {
    if mark.mesh == mesh && mark.cluster == cluster.name.as_str() {
        return Ok(());
    }
    Err(Problem::new(
        Code::OwnedBySomebodyElse,
        format!("{}: cacerts there belongs to another target of meshca", cluster.name),
    )
    .fact(format!("found   mesh {}, cluster {}", mark.mesh, mark.cluster))
    .fact(format!("wanted  mesh {mesh}, cluster {}", cluster.name))
    .hint("look whether two mesh files, or two clusters of one, name the same target"))
}

/// Whether the target holds exactly this set: the same four values and no other.
#[must_use]
pub fn holds(there: &SecretSight, set: &Cacerts) -> bool {
    let mut wanted: Vec<&str> = FILES.to_vec();
    wanted.sort_unstable();
    there.names == wanted
        && there.key_spki.as_deref() == Some(set.key_spki())
        && set.public_files().iter().all(|(name, bytes)| there.public.get(*name).is_some_and(|text| **text == **bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Made, NOW, Story, name};
    use time::Duration;

    /// What is decided for east, with a set that was made for what it holds then, when this much about it is different.
    fn decided(change: impl FnOnce(&mut Story)) -> Change {
        let mut story = Story::new();
        let signer = story.publish("east", 1, NOW + Duration::days(60));
        change(&mut story);
        let set = story.set(&signer);
        let east = name("east");
        let before = story.observed[&east].secret.as_ref().ok().and_then(Option::as_ref);
        decide(&set, &mark(&set), story.mesh.cluster(&east).unwrap(), before, &story.observed[&east])
    }

    fn mark(set: &Cacerts) -> Ownership {
        Ownership::new("mesh1", &name("east"), 1, set.signer().serial_text())
    }

    fn refused(change: impl FnOnce(&mut Story)) -> Code {
        match decided(change) {
            Change::Refuse(problem) => problem.code(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_set_is_left_and_anything_else_is_replaced_by_uid_and_version() {
        assert_eq!(decided(|_| {}), Change::Leave);
        let replaced = decided(|story| {
            story.publish("east", 2, NOW + Duration::days(80));
            story.sight_of("east").uid = Some("u1".to_owned());
            story.sight_of("east").version = Some("7".to_owned());
        });
        assert_eq!(replaced, Change::Replace { uid: Some("u1".to_owned()), version: Some("7".to_owned()) });
    }

    #[test]
    fn another_private_key_or_one_more_file_is_not_the_same_set() {
        let replaced = Change::Replace { uid: None, version: None };
        assert_eq!(decided(|story| story.sight_of("east").key_spki = None), replaced);
        assert_eq!(decided(|story| story.sight_of("east").names.push("extra".to_owned())), replaced);
    }

    #[test]
    fn an_empty_target_is_created() {
        assert_eq!(decided(|story| story.look_at("east").secret = Ok(None)), Change::Create);
    }

    #[test]
    fn an_empty_target_whose_istiod_runs_on_its_own_root_is_refused() {
        let own = Code::AlreadyRunningUnderAnotherRoot;
        assert_eq!(
            refused(|story| {
                let root = story.other_root("cluster.local");
                let east = story.look_at("east");
                east.secret = Ok(None);
                east.system_roots = Ok(Some(root.certificate.pem().into_bytes().into()));
            }),
            own
        );
        assert_eq!(
            refused(|story| {
                let east = story.look_at("east");
                east.secret = Ok(None);
                east.self_signed = true;
            }),
            own
        );
    }

    #[test]
    fn an_empty_target_whose_istiod_still_hands_out_our_root_and_no_other_gets_its_set_again() {
        let lost = |roots: fn(&Story) -> String, self_signed: bool| {
            decided(|story| {
                let roots = roots(story).into_bytes();
                let east = story.look_at("east");
                (east.secret, east.system_roots, east.self_signed) = (Ok(None), Ok(Some(roots.into())), self_signed);
            })
        };
        let ours = |story: &Story| story.root.certificate.pem();
        let refused = |change| matches!(change, Change::Refuse(problem) if problem.code() == Code::AlreadyRunningUnderAnotherRoot);
        assert_eq!(lost(ours, false), Change::Create);
        assert_eq!(lost(|story| story.root.certificate.pem().repeat(2), false), Change::Create);
        assert!(refused(lost(ours, true)), "a self-signed CA of istiod lies there as well");
        assert!(refused(lost(|_| String::new(), false)), "nothing in it can be read");
        assert!(refused(lost(|story| story.root.certificate.pem() + &story.other_root("x").certificate.pem(), false)));
        let beside = |story: &Story| {
            story.root.certificate.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        };
        assert!(refused(lost(beside, false)), "one beside it cannot be read");
    }

    #[test]
    fn what_cannot_be_read_is_refused_also_the_roots_beside_an_absent_set() {
        let unreadable = || Problem::new(Code::TargetUnreadable, "east: connection refused");
        assert_eq!(refused(|story| story.look_at("east").secret = Err(unreadable())), Code::TargetUnreadable);
        assert_eq!(
            refused(|story| {
                let east = story.look_at("east");
                east.secret = Ok(None);
                east.system_roots = Err(unreadable());
            }),
            Code::TargetUnreadable
        );
    }

    #[test]
    fn what_is_not_ours_or_cannot_be_changed_is_refused() {
        let owner = |owner| move |story: &mut Story| story.sight_of("east").owner = owner;
        let ours = |mesh: &str, cluster: &str| Owner::Ours(Ownership::new(mesh, &name(cluster), 1, "1".to_owned()));
        assert_eq!(refused(owner(Owner::Somebody("helm".to_owned()))), Code::OwnedBySomebodyElse);
        assert_eq!(refused(owner(ours("mesh2", "east"))), Code::OwnedBySomebodyElse);
        assert_eq!(refused(owner(ours("mesh1", "west"))), Code::OwnedBySomebodyElse);
        assert_eq!(refused(owner(Owner::Istiod)), Code::IstioGeneratedSecret);
        assert_eq!(refused(|story| story.sight_of("east").kind = SecretKind::Tls), Code::SecretTypeFixed);
        assert_eq!(refused(|story| story.sight_of("east").immutable = true), Code::SecretImmutable);
    }

    #[test]
    fn who_finds_another_signer_than_it_was_decided_on_came_too_late() {
        let mut story = Story::new();
        let [before, ours, theirs] =
            [1, 2, 2].map(|number| story.intermediate("east", number, NOW + Duration::days(80)));
        let east = name("east");
        let mut decided = |there: &Made, before: Option<&Made>| {
            let sight = story.sight("east", 2, there);
            story.look_at("east").secret = Ok(Some(sight));
            let before = before.map(|made| story.sight("east", 1, made));
            let set = story.set(&ours);
            decide(&set, &mark(&set), story.mesh.cluster(&east).unwrap(), before.as_ref(), &story.observed[&east])
        };
        let replaced = Change::Replace { uid: None, version: None };
        assert_eq!(decided(&before, Some(&before)), replaced);
        assert_eq!(decided(&ours, Some(&before)), Change::Leave, "the same set, from another machine's stock");
        for before in [Some(&before), None] {
            let late = decided(&theirs, before);
            assert!(matches!(late, Change::Refuse(problem) if problem.code() == Code::TargetChangedMeanwhile));
        }
    }

    #[test]
    fn who_finds_another_trust_bundle_than_it_was_decided_on_came_too_late() {
        let mut story = Story::new();
        let made = story.publish("east", 1, NOW + Duration::days(60));
        let renewed = story.intermediate("east", 2, NOW + Duration::days(80));
        let east = name("east");
        let before = story.sight_of("east").clone();
        let set = story.set(&renewed);
        let decided = |story: &Story| {
            decide(&set, &mark(&set), story.mesh.cluster(&east).unwrap(), Some(&before), &story.observed[&east])
        };
        assert_eq!(decided(&story), Change::Replace { uid: None, version: None });
        let both = story.root.certificate.pem() + &story.other_root("x").certificate.pem();
        let mut there = story.sight("east", 1, &made);
        there.public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
        story.look_at("east").secret = Ok(Some(there));
        let late = decided(&story);
        assert!(matches!(late, Change::Refuse(problem) if problem.code() == Code::TargetChangedMeanwhile));
    }

    #[test]
    fn the_same_set_with_another_note_is_replaced() {
        use crate::mesh::walk_mark::WalkMark;
        use crate::pki::fingerprint::Fingerprint;
        let mut story = Story::new();
        let made = story.publish("east", 1, NOW + Duration::days(60));
        let (set, east) = (story.set(&made), name("east"));
        let before = story.sight_of("east").clone();
        let noted = mark(&set).walking(Some(WalkMark::to(Fingerprint::of(b"new"))));
        let decided =
            |mark| decide(&set, mark, story.mesh.cluster(&east).unwrap(), Some(&before), &story.observed[&east]);
        assert_eq!(decided(&noted), Change::Replace { uid: None, version: None });
        assert_eq!(decided(&mark(&set)), Change::Leave);
    }

    #[test]
    fn who_was_overtaken_by_a_run_that_brought_the_same_leaves_its_note_alone() {
        use crate::mesh::walk_mark::WalkMark;
        use crate::pki::fingerprint::Fingerprint;
        let mut story = Story::new();
        let made = story.publish("east", 1, NOW + Duration::days(60));
        let (set, east) = (story.set(&made), name("east"));
        let mut before = story.sight_of("east").clone();
        before.public.insert("root-cert.pem".to_owned(), story.other_root("x").certificate.pem().into_bytes().into());
        let walk = WalkMark { bundled_at: Some(NOW), ..WalkMark::to(Fingerprint::of(b"new")) };
        let noted = mark(&set).walking(Some(walk));
        let cluster = story.mesh.cluster(&east).unwrap();
        assert_eq!(decide(&set, &noted, cluster, Some(&before), &story.observed[&east]), Change::Leave);
    }

    #[test]
    fn a_remote_gets_nothing() {
        let mut story = Story::new();
        let signer = story.publish("east", 1, NOW + Duration::days(60));
        let far = name("far");
        let set = story.set(&signer);
        let made = decide(&set, &mark(&set), story.mesh.cluster(&far).unwrap(), None, &story.observed[&far]);
        assert!(matches!(made, Change::Refuse(problem) if problem.code() == Code::RemoteGetsNoCacerts));
    }
}
