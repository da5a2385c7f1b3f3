//! What is wrong with the mesh besides the rows of its report.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::cacerts::CONTROL_PLANES;
use crate::mesh::change::may_write;
use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::{Cluster, ClusterName, Role};
use crate::mesh::istiod_deployment::DEFAULT_MAX_WORKLOAD_TTL;
use crate::mesh::leak::Leak;
use crate::mesh::observed::Owner;
use crate::mesh::plan::root_differs;
use crate::mesh::row::{LONGEST_REASON, Row};
use crate::mesh::sighting::{Roots, Sighting};
use crate::mesh::span;
use crate::mesh::standing::Standing;
use crate::mesh::unused_root::unused_roots;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::{day, utc};
use crate::pki::plain_text::plain;
use crate::pki::profile::Tier;
use crate::problem::{Code, Finding, Problem, Severity};

/// Every finding, worst first.
pub(in crate::mesh) fn concerns(
    sighting: &Sighting<'_>,
    rows: &[Row],
    ceremonies: &[Ceremony],
    leaks: &[Leak],
) -> Vec<Finding> {
    let mut found: Vec<Finding> = leaks.iter().map(|leak| leak.finding(&sighting.mesh.name)).collect();
    found.extend(shared_keys(sighting));
    found.extend(sighting.mesh.clusters.iter().flat_map(|cluster| of_cluster(sighting, cluster, rows)));
    found.extend(paused(sighting, rows));
    found.extend(people_needed(sighting, ceremonies));
    found.extend(unused_roots(sighting.mesh, sighting.holdings));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found.into_iter().map(harmless).collect()
}

/// Never the same signing key in two clusters: by the private key there, or by the certificate that names it.
fn shared_keys(sighting: &Sighting<'_>) -> Vec<Finding> {
    let mut holders: BTreeMap<Vec<u8>, BTreeSet<&ClusterName>> = BTreeMap::new();
    for cluster in sighting.mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()) {
        let there = sighting.observed.get(&cluster.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
        let Some(there) = there else { continue };
        let named = there.signer.as_ref().ok().map(|signer| signer.spki().to_vec());
        for spki in there.key_spki.iter().cloned().chain(named) {
            holders.entry(spki).or_default().insert(&cluster.name);
        }
    }
    let shared = holders.into_iter().filter(|(_, clusters)| clusters.len() > 1);
    shared
        .map(|(spki, clusters)| {
            let names: Vec<&str> = clusters.iter().map(|name| name.as_str()).collect();
            let problem =
                Problem::new(Code::SharedSigningKey, format!("{} sign with the same private key", and(&names)))
                    .fact(format!("key  {}", Fingerprint::of(&spki).short()))
                    .hint(format!(
                        "meshca rotate --now {} --reason shared-key   gives it a key of its own",
                        names.last().copied().unwrap_or_default()
                    ));
            Finding { severity: Severity::Critical, place: names.join(", "), problem }
        })
        .collect()
}

fn of_cluster(sighting: &Sighting<'_>, cluster: &Cluster, rows: &[Row]) -> Vec<Finding> {
    let mut found = Vec::new();
    let find = |severity, problem| Finding { severity, place: cluster.name.to_string(), problem };
    let anchors: Vec<Certificate> = sighting.trusted.iter().map(|held| held.certificate.clone()).collect();
    let refusal = sighting
        .observed
        .get(&cluster.name)
        .filter(|observed| cluster.role.has_cacerts() && observed.secret.is_ok() && observed.system_roots.is_ok())
        .and_then(|observed| may_write(cluster, &sighting.mesh.name, &anchors, observed).err());
    let is_foreign = refusal.as_ref().is_some_and(|it| it.code() == Code::AlreadyRunningUnderAnotherRoot);
    found.extend(refusal.map(|problem| find(Severity::Warning, problem)));
    found.extend(istiod(sighting, cluster, rows).map(|problem| find(Severity::Warning, problem)));
    if let (Ok(anchor), Roots::Seen { roots, .. }) = (sighting.anchor, sighting.trusted(cluster))
        && !roots.iter().any(|root| anchors.contains(root))
        && !is_foreign
    {
        let problem = root_differs(cluster, &roots, &anchor.certificate)
            .fact("its workloads and those of the other clusters refuse each other");
        // What was adopted refused the others before, and is on its way.
        found.push(if sighting.is_adopted(cluster) {
            find(Severity::Warning, problem.hint("it was adopted: meshca rotate   walks it to ours"))
        } else {
            let hint = "a change of root is walked in stages; pin its root in root.trusted if it is the right one";
            find(Severity::Critical, problem.hint(hint))
        });
    }
    found.extend(tainted(sighting, cluster).into_iter().map(|problem| find(Severity::Warning, problem)));
    found.extend(unbounded(sighting, cluster).map(|problem| find(Severity::Warning, problem)));
    found.extend(unclaimed(sighting, cluster).map(|problem| find(Severity::Warning, problem)));
    found
}

/// Intermediates that a cluster had and whose key may be in other hands: peers take what is signed with it until they end.
fn tainted(sighting: &Sighting<'_>, cluster: &Cluster) -> Vec<Problem> {
    let there = sighting.observed.get(&cluster.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
    let Some(Owner::Ours(mark)) = there.map(|there| &there.owner) else { return Vec::new() };
    let living = mark.tainted.iter().filter(|taint| taint.ends >= sighting.now);
    living
        .map(|taint| {
            Problem::new(
                Code::SignerTainted,
                format!("{} had an intermediate whose key may be in other hands", cluster.name),
            )
            .fact(format!("serial      {}", taint.serial))
            .fact(format!("its end     {}", utc(taint.ends)))
            .fact("every cluster accepts what is signed with that key until then; no revocation list is published")
            .hint("a root change ends it earlier: meshca root create --next")
        })
        .collect()
}

/// What the mesh file says of workload certificates is a belief until istiod's own settings confirm it. They are looked at while a
/// root change is under way, which waits for the longer.
fn unbounded(sighting: &Sighting<'_>, cluster: &Cluster) -> Option<Problem> {
    let said = sighting.observed.get(&cluster.name)?.deployment.as_ref()?;
    let believed = sighting.mesh.workload.max_ttl;
    let istiod = match said.as_ref().map(|it| &it.max_workload_ttl) {
        Ok(Ok(Some(longest))) if *longest <= believed => return None,
        Ok(Ok(Some(longest))) => span::format(*longest),
        Ok(Ok(None)) => format!("{}, since it is not set", span::format(DEFAULT_MAX_WORKLOAD_TTL)),
        Ok(Err(problem)) | Err(problem) => {
            format!("{} at worst: {}", span::format(DEFAULT_MAX_WORKLOAD_TTL), problem.what())
        }
    };
    let Cluster { name, namespace, .. } = cluster;
    let what = format!("{name}: istiod may sign workload certificates that live longer than the mesh file says");
    Some(
        Problem::new(Code::WorkloadTtlUnbounded, what)
            .fact(format!("workload.maxTTL        {}", span::format(believed)))
            .fact(format!("MAX_WORKLOAD_CERT_TTL  {istiod}"))
            .fact("a root change waits for the longer in Trust and in Drain")
            .hint(format!(
                "kubectl set env deployment -l app=istiod -n {namespace} MAX_WORKLOAD_CERT_TTL={}   in {name}",
                span::format(believed)
            )),
    )
}

/// A remote whose namespace does not name its primary never gets the trust bundle. An external control plane leads in
/// the cluster whose configuration it reads without being named there.
fn unclaimed(sighting: &Sighting<'_>, cluster: &Cluster) -> Option<Problem> {
    let Role::Remote { primary } = &cluster.role else { return None };
    let is_primary = sighting.mesh.cluster(primary).is_some_and(|it| it.role == Role::Primary);
    let named = sighting.observed.get(&cluster.name)?.control_planes.as_ref().filter(|_| is_primary)?;
    if named.iter().any(|it| it == "*" || it == primary.as_str()) {
        return None;
    }
    let Cluster { name, namespace, .. } = cluster;
    let found = if named.is_empty() { "no annotation".to_owned() } else { named.join(", ") };
    Some(
        Problem::new(
            Code::ControlPlaneNotNamed,
            format!("namespace {namespace} of {name} does not name {primary}, which never hands it a trust bundle"),
        )
        .fact(format!("found   {found}"))
        .fact(format!("wanted  {CONTROL_PLANES}: {primary}"))
        .hint(format!("kubectl annotate namespace {namespace} {CONTROL_PLANES}={primary}   in {name}")),
    )
}

/// Replicas of its istiod that sign with another intermediate, or that were not seen.
fn istiod(sighting: &Sighting<'_>, cluster: &Cluster, rows: &[Row]) -> Option<Problem> {
    let mut own = rows.iter().filter(|row| row.cluster.as_ref() == Some(&cluster.name) && row.signed_by.is_none());
    if let Some(loaded) = own.find_map(|row| row.loaded.as_ref().filter(|loaded| loaded.is_refuted())) {
        let problem = Problem::new(Code::IstiodServesAnother, format!("{}: {}", cluster.name, loaded.why));
        let hint = format!(
            "kubectl -n {} logs deployment/istiod | grep -i cert   says whether it refused the update",
            cluster.namespace
        );
        return Some(problem.hint(hint));
    }
    let replicas = &sighting.observed.get(&cluster.name)?.replicas;
    let mut unseen = replicas.iter().filter_map(|replica| replica.unseen.as_ref());
    let first = unseen.next()?.clone();
    let place = Problem::new(first.code(), format!("{}: {}", cluster.name, first.what()));
    let facts = first.facts().iter().map(String::as_str).chain(unseen.map(Problem::what));
    let problem = facts.fold(place, Problem::fact);
    Some(match first.advice() {
        Some(hint) => problem.hint(hint),
        None => problem.hint(format!("meshca check {}", cluster.name)),
    })
}

fn paused(sighting: &Sighting<'_>, rows: &[Row]) -> Option<Finding> {
    let due = |row: &&Row| {
        row.broken || row.standing == Standing::Missing || row.renews_at.is_some_and(|at| at <= sighting.now)
    };
    let own = rows.iter().filter(|row| row.role == Tier::Intermediate && row.signed_by.is_none());
    let waiting: Vec<&str> = own.filter(due).filter_map(|row| row.cluster.as_ref().map(ClusterName::as_str)).collect();
    (sighting.mesh.rotation.paused && !waiting.is_empty()).then(|| Finding {
        severity: Severity::Warning,
        place: sighting.mesh.name.clone(),
        problem: Problem::new(Code::RotationPaused, "rotation is paused in the mesh file, and something is due")
            .fact(format!("waiting  {}", waiting.join(", ")))
            .hint("set rotation.paused to false in the mesh file"),
    })
}

fn people_needed(sighting: &Sighting<'_>, ceremonies: &[Ceremony]) -> Vec<Finding> {
    let find = |problem| Finding { severity: Severity::Warning, place: sighting.mesh.name.clone(), problem };
    let anchor = match sighting.anchor {
        Ok(anchor) => &anchor.certificate,
        Err(problem) => return vec![find(problem.clone())],
    };
    let now = sighting.now;
    let due = ceremonies.iter().filter(|it| it.is_asked_for(now)).map(|it| {
        let begin = if it.last_safe < now { "it should have begun by" } else { "it must begin by" };
        let what = format!("a ceremony for {} is due; {begin} {}", title(it.tier), day(it.last_safe));
        find(
            Problem::new(Code::CeremonyNeeded, what)
                .fact(format!("due since  {}", utc(it.due.min(it.last_safe))))
                .hint(match it.tier {
                    Tier::Root => "meshca root create --next",
                    Tier::Issuing => "meshca issuing create",
                    Tier::Intermediate => "meshca issue",
                }),
        )
    });
    let first = (sighting.mesh.issuing.is_some() && sighting.holdings.issuing_under(anchor).is_empty()).then(|| {
        let what = "there is no issuing CA yet, and only a ceremony makes one";
        find(Problem::new(Code::CeremonyNeeded, what).hint("meshca issuing create"))
    });
    due.chain(first).collect()
}

/// What a ceremony of this tier is for.
pub(in crate::mesh) const fn title(tier: Tier) -> &'static str {
    match tier {
        Tier::Root => "the next root",
        Tier::Issuing => "the next issuing CA",
        Tier::Intermediate => "more prepared intermediates",
    }
}

fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Sentences and facts quote what was found; none of it may steer a terminal.
fn harmless(finding: Finding) -> Finding {
    let problem = finding.problem;
    let plain = |text: &str| plain(text, LONGEST_REASON);
    let mut rewritten = Problem::new(problem.code(), plain(problem.what()));
    for fact in problem.facts() {
        rewritten = rewritten.fact(plain(fact));
    }
    if let Some(hint) = problem.advice() {
        rewritten = rewritten.hint(plain(hint));
    }
    Finding { problem: rewritten, ..finding }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::istiod_deployment::IstiodDeployment;
    use crate::mesh::status::status;

    fn is_told(story: &Story) -> bool {
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        status.findings.iter().any(|it| it.problem.code() == Code::WorkloadTtlUnbounded && it.place == "east")
    }

    #[test]
    fn workload_certificates_that_may_live_longer_than_the_mesh_file_says_are_told_of_where_that_was_looked_at() {
        let mut story = Story::new();
        assert!(!is_told(&story), "nobody looked");
        let unknown = || Problem::new(Code::IstiodSettingsUnknown, "it comes from elsewhere");
        let day = Duration::hours(24);
        for (ttl, is) in
            [(Ok(Some(day)), false), (Ok(Some(day + Duration::SECOND)), true), (Ok(None), true), (Err(unknown()), true)]
        {
            let said =
                IstiodDeployment { max_workload_ttl: ttl, multi_root: None, restarted_at: None, names: Vec::new() };
            story.look_at("east").deployment = Some(Ok(said.clone()));
            assert_eq!(is_told(&story), is, "{said:?}");
        }
        story.look_at("east").deployment = Some(Err(unknown()));
        assert!(is_told(&story));
    }
}
