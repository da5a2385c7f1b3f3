//! What must hold at every moment of a simulation, and at its end.

use std::collections::BTreeSet;

use super::layout::Layout;
use super::pool::Bundle;
use super::world::{Primary, World};

/// Who refuses whom, in words; `None`: nobody whom they knew at the beginning. Clusters that began with different roots were
/// different meshes: they need not know each other before the end. Remotes have the workload certificates and trust bundles of their primary.
pub(crate) fn broken(layout: &Layout, world: &World) -> Option<String> {
    let pool = &layout.pool;
    let leafs: BTreeSet<u8> = world.primaries.iter().flat_map(Primary::live_leafs).collect();
    let bundles: BTreeSet<Bundle> = world.primaries.iter().flat_map(Primary::live_bundles).collect();
    let is_whole = bundles.iter().all(|bundle| leafs.iter().all(|root| pool.trusts(*bundle, *root)));
    for (a, one) in world.primaries.iter().enumerate() {
        for (b, other) in world.primaries.iter().enumerate().filter(|_| !is_whole) {
            if layout.begins[a] != layout.begins[b] {
                continue;
            }
            for root in one.live_leafs() {
                if let Some(bundle) = other.live_bundles().find(|bundle| !pool.trusts(*bundle, root)) {
                    let trusted = pool.roots_in(bundle);
                    return Some(format!("a workload of c{a} under g{root} meets one of c{b} that trusts {trusted:?}"));
                }
            }
        }
        for replica in &one.replicas {
            let root = replica.signer.root;
            if !pool.trusts(one.map, root) {
                return Some(format!("proxies of c{a} do not trust their istiod, which signs under g{root}"));
            }
            let followers = world.remotes.iter().zip(&layout.remotes).filter(|(_, of)| usize::from(**of) == a);
            if let Some((remote, _)) = followers.into_iter().find(|(remote, _)| !pool.trusts(remote.map, root)) {
                let trusted = pool.roots_in(remote.map);
                return Some(format!(
                    "proxies of a remote of c{a} trust {trusted:?}, and its istiod signs under g{root}"
                ));
            }
            let is_by_certificate = layout.sites[a].client_cert_auth;
            let refused = one.live_leafs().find(|root| !pool.trusts(replica.takes, *root));
            if let Some(root) = refused.filter(|_| is_by_certificate) {
                return Some(format!("an istiod of c{a} refuses its clients under g{root}"));
            }
        }
    }
    None
}

/// Why the fleet does not stand on this root alone, in words; `None`: it does, and nothing older is alive.
pub(crate) fn unfinished(layout: &Layout, world: &World, root: u8) -> Option<String> {
    let alone = layout.pool.alone(root);
    for (at, primary) in world.primaries.iter().enumerate() {
        let published = primary.published.as_ref();
        if published.map(|it| (it.signer.root, it.bundle)) != Some((root, alone)) {
            return Some(format!("c{at} has published {published:?}"));
        }
        if let Some(bundle) = primary.live_bundles().find(|bundle| *bundle != alone) {
            return Some(format!("workloads of c{at} trust {:?}", layout.pool.roots_in(bundle)));
        }
        if let Some(other) = primary.live_leafs().find(|it| *it != root) {
            return Some(format!("workloads of c{at} live under g{other}"));
        }
        if primary.map != alone {
            return Some(format!("c{at} shows {:?}", layout.pool.roots_in(primary.map)));
        }
    }
    let lagging = world.remotes.iter().position(|remote| remote.map != alone);
    lagging.map(|at| format!("r{at} shows {:?}", layout.pool.roots_in(world.remotes[at].map)))
}
