//! `check --context`: whether clusters share a root. Needs no mesh file and reads no Secret. Changes nothing.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use crate::mesh::cacerts::{ROOT_CERT, ROOT_CONFIG_MAP};
use crate::mesh::cluster_naming::ClusterNaming;
use crate::mesh::common_root::{CommonRoot, Shown, common_root};
use crate::mesh::context_list::{self, Server};
use crate::mesh::fleet::{Access, Cluster, ClusterName, Istiod, Membership, Role, TrustBundle};
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
use crate::world::kubeconfig_files::{self, KubeconfigPlaces};
use crate::world::trust_bundles;

/// For one cluster, a credential plug-in included.
const DEADLINE: Duration = Duration::seconds(15);

/// What is looked at.
#[derive(Debug)]
pub struct Order<'a> {
    /// The contexts.
    pub contexts: &'a [String],
    /// Where their kubeconfigs are looked for.
    pub kubeconfigs: &'a KubeconfigPlaces,
    /// The system namespace of istiod.
    pub namespace: &'a str,
}

/// Looks at each context and compares what they show. What could not be looked at is said in the result.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `kubeconfig-unusable`, where there is no kubeconfig to take contexts from;
/// `not-built-in`.
pub fn run(order: &Order<'_>, now: OffsetDateTime) -> Result<CommonRoot, Problem> {
    let lists = kubeconfig_files::read(order.kubeconfigs)?;
    let mut naming = ClusterNaming::default();
    let mut seen = BTreeSet::new();
    let mut clusters = Vec::new();
    // Each context, with its server and where its cluster is in the list; or why there is none.
    let mut asked: Vec<(String, Option<Server>, Result<usize, Problem>)> = Vec::new();
    for context in order.contexts.iter().filter(|context| seen.insert(context.as_str())) {
        let place = plain(context, 200);
        let Some(name) = naming.name(context) else { continue };
        match context_list::find(&lists, context) {
            Ok((list, found)) => {
                let access = Access::Kubeconfig { path: list.path.clone(), context: Some(context.clone()) };
                asked.push((place, found.server.clone(), Ok(clusters.len())));
                clusters.push(cluster(name, order.namespace, access));
            }
            Err(problem) => asked.push((place, None, Err(problem))),
        }
    }
    let mut answers: Vec<Option<trust_bundles::Answer>> =
        trust_bundles::look(&clusters, DEADLINE)?.into_iter().map(Some).collect();
    let shown = asked.into_iter().map(|(place, server, at)| {
        let bundle = at.and_then(|at| {
            let answer = answers.get_mut(at).and_then(Option::take).unwrap_or(Ok(None));
            let name = clusters.get(at).map_or("", |cluster| cluster.name.as_str());
            match answer {
                Ok(Some(bundle)) => Ok(bundle),
                Ok(None) => Err(missing(&place, order.namespace)),
                Err(problem) => Err(about_context(&problem, name, &place, order.namespace)),
            }
        });
        Shown { place, server, bundle }
    });
    Ok(common_root(&shown.collect::<Vec<_>>(), now))
}

/// A cluster of which nothing is known but how it is reached.
fn cluster(name: ClusterName, namespace: &str, access: Access) -> Cluster {
    Cluster {
        name,
        network: None,
        role: Role::Primary,
        namespace: namespace.to_owned(),
        state: Membership::Member,
        access,
        istiod: Istiod::default(),
        trust_bundle: TrustBundle::ConfigMap(ROOT_CONFIG_MAP.to_owned()),
    }
}

fn missing(place: &str, namespace: &str) -> Problem {
    let what = format!("{place}/{namespace}: no {ROOT_CERT} in a ConfigMap {ROOT_CONFIG_MAP}");
    Problem::new(Code::BundleMissing, what)
        .fact("istiod makes it in every namespace; its own is looked at")
        .hint("--namespace NAMESPACE says where istiod runs")
}

/// The problem as one of a context: whoever has no mesh file knows no other name for the cluster, and nothing of grants
/// that are made from one.
fn about_context(problem: &Problem, name: &str, place: &str, namespace: &str) -> Problem {
    let what = match problem.what().strip_prefix(name) {
        Some(rest) if rest.starts_with(['/', ' ']) => format!("{place}{rest}"),
        _ => problem.what().to_owned(),
    };
    let told = problem.facts().iter().fold(Problem::new(problem.code(), what), |told, fact| told.fact(fact.as_str()));
    match (problem.code(), problem.advice()) {
        (Code::NotAllowed, _) => {
            told.hint(format!("kubectl --context {place} auth can-i get configmaps/{ROOT_CONFIG_MAP} -n {namespace}"))
        }
        (Code::NamespaceMissing, _) => told.hint("--namespace NAMESPACE says where istiod runs"),
        (Code::ApiServerSlow, _) => told.hint("look whether it is overloaded or cut off"),
        (_, Some(hint)) => told.hint(hint),
        (_, None) => told,
    }
}
