//! A running istiod, looked at from outside: every replica that the mesh file names, all at once, within one time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::thread;

use time::Duration;

use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::observed::{Observed, Replica, Way};
use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::{istiod_chain, istiod_connection, istiod_metrics};

/// More replicas than anybody runs behind one name.
const MOST_REPLICAS: usize = 16;

/// Fills in what the istiod of each target shows, of `rotation.observe` targets at once, each within
/// `rotation.deadline`. However few processors there are: nearly all of it is waiting.
#[must_use]
pub fn look_at_all(mesh: &Mesh, mut observed: BTreeMap<ClusterName, Observed>) -> BTreeMap<ClusterName, Observed> {
    let targets: Vec<(&Cluster, &mut Observed)> = observed
        .values_mut()
        .filter_map(|observed| mesh.cluster(&observed.cluster).map(|cluster| (cluster, observed)))
        .filter(|(cluster, observed)| is_looked_at(cluster, observed))
        .collect();
    let workers = mesh.rotation.observe.min(targets.len());
    let targets = Mutex::new(targets.into_iter());
    let next = || targets.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((cluster, observed)) = next() {
                    look(cluster, mesh.rotation.deadline, observed);
                }
            });
        }
    });
    observed
}

fn is_looked_at(cluster: &Cluster, observed: &Observed) -> bool {
    let istiod = &cluster.istiod;
    let is_named = !istiod.addresses.is_empty() || !istiod.metrics.is_empty() || istiod.prometheus.is_some();
    is_named && cluster.role.has_cacerts() && observed.secret.is_ok()
}

/// Fills in what each replica of the cluster's istiod shows. Never fails: a replica that could not be seen says why.
///
/// A host name counts as one replica for each of its addresses; behind the address of a load balancer only one of its
/// replicas shows itself. Not looked at: the istiod of a target that could not be read, of which nothing could be
/// judged.
pub fn look(cluster: &Cluster, within: Duration, observed: &mut Observed) {
    if !is_looked_at(cluster, observed) {
        return;
    }
    let patience = Patience::of(within.try_into().unwrap_or_default());
    let istiod = &cluster.istiod;
    let seen: Vec<Replica> = thread::scope(|scope| {
        let chains = istiod.addresses.iter().map(|it| scope.spawn(move || chains(it, &cluster.namespace, patience)));
        let gauges = istiod.metrics.iter().map(|it| scope.spawn(move || gauges(it, patience)));
        let looks: Vec<_> = chains.chain(gauges).collect();
        // A look that panicked hands its panic on: it is a defect, not a result.
        let joined = looks.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    });
    observed.replicas = seen;
    observed.replicas.extend(istiod.prometheus.as_deref().map(not_asked));
}

fn chains(entry: &str, namespace: &str, patience: Patience) -> Vec<Replica> {
    let found = host_and_port(entry).map(|(host, port)| istiod_connection::addresses(host, port, patience));
    match found {
        Some(Ok(found)) => each(entry, &found, |name, address| istiod_chain::look(name, address, namespace, patience)),
        Some(Err(error)) => {
            let why = istiod_chain::unreachable(entry, namespace, &error);
            vec![Replica::unseen(entry.to_owned(), Way::Chain, why)]
        }
        // The rules of the mesh file let none through.
        None => Vec::new(),
    }
}

fn gauges(url: &str, patience: Patience) -> Vec<Replica> {
    let shown = istiod_metrics::shown(url);
    let place = match istiod_metrics::place(url) {
        Ok(place) => place,
        Err(problem) => return vec![Replica::unseen(shown.to_owned(), Way::Gauges, problem)],
    };
    match istiod_connection::addresses(&place.host, place.port, patience) {
        Ok(found) => each(shown, &found, |name, address| istiod_metrics::look(name, address, &place, patience)),
        Err(error) => {
            let why = istiod_metrics::unreadable(shown, &error);
            vec![Replica::unseen(shown.to_owned(), Way::Gauges, why)]
        }
    }
}

/// Looks at every address of one entry at once.
fn each(entry: &str, addresses: &[SocketAddr], look: impl Fn(String, SocketAddr) -> Replica + Sync) -> Vec<Replica> {
    let name = |address: &SocketAddr| match addresses {
        [_] => entry.to_owned(),
        _ => format!("{entry} ({})", address.ip()),
    };
    if let [only] = addresses {
        return vec![look(name(only), *only)];
    }
    let look = &look;
    thread::scope(|scope| {
        let looks: Vec<_> = addresses
            .iter()
            .take(MOST_REPLICAS)
            .map(|address| (name(address), *address))
            .map(|(name, address)| scope.spawn(move || look(name, address)))
            .collect();
        looks.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn host_and_port(entry: &str) -> Option<(&str, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

fn not_asked(url: &str) -> Replica {
    let shown = istiod_metrics::shown(url);
    let what = format!("the Prometheus at {shown} was not asked: this version of meshca asks istiod itself only");
    let problem = Problem::new(Code::NotYet, what).hint("name istiod.addresses or istiod.metrics in the mesh file");
    Replica::unseen(shown.to_owned(), Way::Gauges, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::Role;
    use crate::mesh::fleet_story::{Story, cluster, name};
    use std::net::TcpListener;

    /// What is seen of an east with these entries.
    fn seen(addresses: &[&str], metrics: &[&str], prometheus: Option<&str>) -> Vec<Replica> {
        let mut story = Story::new();
        let mut east = cluster("east", Role::Primary);
        east.istiod.addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
        east.istiod.metrics = metrics.iter().map(|it| (*it).to_owned()).collect();
        east.istiod.prometheus = prometheus.map(str::to_owned);
        let observed = story.look_at("east");
        look(&east, Duration::seconds(30), observed);
        observed.replicas.clone()
    }

    /// A port of this machine that nobody listens on.
    fn closed() -> u16 {
        TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn every_entry_is_a_replica_that_says_why_it_was_not_seen() {
        let port = closed();
        let (by_number, by_name) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
        let url = format!("http://127.0.0.1:{port}/metrics");
        let replicas = seen(&[&by_number, &by_name, "nobody.invalid:15012"], &[&url, "https://u:p@a"], None);
        let told: Vec<_> = replicas.iter().map(|it| (it.name.as_str(), it.unseen.as_ref().unwrap().code())).collect();
        let wanted = [
            (by_number.as_str(), Code::IstiodUnreachable),
            (by_name.as_str(), Code::IstiodUnreachable),
            ("nobody.invalid:15012", Code::IstiodUnreachable),
            (url.as_str(), Code::IstiodMetricsUnreadable),
            ("a", Code::NotYet),
        ];
        assert_eq!(told, wanted);
        let [asked] = &seen(&[], &[], Some("https://u:p@prometheus.example"))[..] else { panic!("one is named") };
        assert_eq!((asked.name.as_str(), asked.unseen.as_ref().unwrap().code()), ("prometheus.example", Code::NotYet));
    }

    #[test]
    fn where_there_is_nothing_to_judge_nobody_looks() {
        let mut story = Story::new();
        let address = format!("127.0.0.1:{}", closed());
        let mut far = cluster("far", Role::Remote { primary: name("east") });
        far.istiod.addresses.push(address.clone());
        look(&far, Duration::SECOND, story.look_at("far"));
        let mut east = cluster("east", Role::Primary);
        east.istiod.addresses.push(address);
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "refused"));
        look(&east, Duration::SECOND, story.look_at("east"));
        assert!(story.observed.values().all(|it| it.replicas.is_empty()));
    }

    #[test]
    fn all_that_have_an_istiod_to_look_at_are_looked_at_however_few_at_once() {
        let mut story = Story::new();
        let address = format!("127.0.0.1:{}", closed());
        ["east", "west", "far"].iter().for_each(|name| story.cluster(name).istiod.addresses.push(address.clone()));
        for at_once in [1, 64] {
            story.mesh.rotation.observe = at_once;
            let observed = look_at_all(&story.mesh, story.observed.clone());
            let replicas = |cluster: &str| observed[&name(cluster)].replicas.len();
            assert_eq!(["east", "west", "far"].map(replicas), [1, 1, 0]);
        }
    }

    #[test]
    fn a_name_with_several_addresses_is_as_many_replicas_and_no_more_than_the_bound() {
        let addresses: Vec<SocketAddr> = (1..=20).map(|last| SocketAddr::from(([10, 0, 0, last], 1))).collect();
        let replicas = each("istiod:1", &addresses, |name, _| Replica::new(name, Way::Chain));
        assert_eq!(replicas.len(), MOST_REPLICAS);
        assert_eq!(replicas[1].name, "istiod:1 (10.0.0.2)");
        assert_eq!(each("a:1", &addresses[..1], |name, _| Replica::new(name, Way::Chain))[0].name, "a:1");
    }
}
