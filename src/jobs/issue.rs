//! `issue`: mints intermediates and lays them ready in stock, sealed. Signs with the issuing CA, or, where there is no
//! such tier, with the root: then it is a ceremony.

use time::OffsetDateTime;

use crate::mesh::fleet::{Cluster, ClusterName, Membership, Mesh};
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::ledger::Act;
use crate::mesh::minting::{self, Authority, Ingredients};
use crate::mesh::signing_root;
use crate::mesh::stock_series::starts;
use crate::pki::moment::utc;
use crate::pki::secret::Passphrase;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::targets::{self, Targets};
use crate::world::terminal::Progress;
use crate::world::{issuing_key, key_seal, root_key};

/// What `issue` is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// For which clusters; empty: for all that get `cacerts` and have nothing newer in stock than what they run.
    pub clusters: &'a [ClusterName],
    /// The generation of the root under which is minted; `None`: the one that the fleet runs on now, or, where the root
    /// itself signs, the newest trusted one.
    pub root: Option<u32>,
    /// Lay ready as many generations as reach to this moment; `None`: one, for now.
    pub until: Option<OffsetDateTime>,
    /// Opens the key that signs.
    pub opens: &'a PassphraseSource,
    /// Whether people may be shown how far it has come.
    pub shows_progress: bool,
    /// Seals the new keys; `None`: with what opened the issuing key.
    pub seals: Option<&'a PassphraseSource>,
}

/// What was minted, and under which root.
#[derive(Debug)]
pub struct Made {
    /// The intermediates.
    pub prepared: Vec<Prepared>,
    /// The root.
    pub root: Held,
    /// Whether another trusted root could have been taken.
    pub had_choice: bool,
}

/// Mints what was ordered. What was laid in stock before an error stays there and is good.
///
/// # Errors
/// `bad-argument`, `unknown-cluster`, `remote-gets-no-cacerts`, `no-usable-root`, `root-not-trusted`, `root-ambiguous`, `ceremony-needed`
/// (no live issuing CA); `passphrase-shared`, outside a lab; whatever opening, minting and writing refuse.
pub fn run(
    mesh: &Mesh,
    store: &Store,
    order: &Order<'_>,
    entropy: &Entropy,
    ledger: &mut LedgerFile,
    now: OffsetDateTime,
) -> Result<Made, Problem> {
    if let Some(until) = order.until.filter(|until| *until <= now) {
        return Err(Problem::new(Code::BadArgument, "--until is not after now, so that nothing could reach to it")
            .fact(format!("until  {}", utc(until)))
            .fact(format!("now    {}", utc(now)))
            .hint("leave --until out for one intermediate that is valid from now on"));
    }
    let holdings = store.holdings()?;
    let targets = Targets::new(mesh, entropy, now);
    let anchor = match mesh.issuing {
        None => signing_root::named_or_newest(mesh, &holdings, order.root)?,
        Some(_) => {
            let at_once = mesh.rotation.observe;
            let look = || targets.in_parallel(&mesh.clusters, at_once, |cluster| targets.observe(cluster));
            signing_root::named_or_running(mesh, &holdings, order.root, look)?
        }
    };
    let had_choice = holdings.trusted(mesh)?.len() > 1;
    let made = |prepared| Made { prepared, root: anchor.clone(), had_choice };
    let clusters = chosen(mesh, &holdings, anchor, order.clusters, &targets)?;
    if clusters.is_empty() {
        return Ok(made(Vec::new()));
    }
    let (issuer, key, upper) = open_signer(mesh, store, &holdings, anchor, order, entropy, now)?;
    let seals = match (order.seals, mesh.issuing) {
        (Some(source), _) => source.new_one("the keys in stock")?,
        (None, Some(_)) => order.opens.existing("the issuing key, which seals the stock as well")?,
        (None, None) => {
            return Err(Problem::new(
                Code::PassphraseNeeded,
                "the root's passphrase never seals the stock: its keys need one of their own",
            )
            .hint("--stock-passphrase-file FILE"));
        }
    };
    if mesh.issuing.is_none() && !mesh.lab {
        order.opens.refuse_for(&seals, "the keys in stock")?;
    }
    let authority = Authority { certificate: &issuer.certificate, key: &key };
    let mut orders = Vec::new();
    for cluster in clusters {
        let first = store.next_prepared(&cluster.name)?.max(targets.observe(cluster).generation().saturating_add(1));
        for (generation, start) in
            (first..).zip(starts(mesh, &stock_of(mesh, &holdings, anchor, cluster), order.until, now))
        {
            orders.push((cluster, generation, start));
        }
    }
    let progress = Progress::new("minting", orders.len(), order.shows_progress);
    let minted = targets::in_parallel(&orders, usize::MAX, |(cluster, generation, start)| {
        progress.step(cluster.name.as_str());
        prepare(mesh, cluster, *generation, authority, &upper, *start, &seals, entropy, now)
    });
    drop(progress);
    let mut prepared = Vec::new();
    for one in minted {
        let (one, sealed) = one?;
        let about =
            About { cluster: Some(&one.cluster), generation: Some(one.generation), certificate: Some(&one.signer) };
        ledger.intent(Act::MintIntermediate, about)?;
        issuing_key::lay_in_stock(store, &one, &sealed)?;
        ledger.done(Act::MintIntermediate, about)?;
        prepared.push(one);
    }
    Ok(made(prepared))
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is a different ingredient, and this is the one place that mixes them"
)]
fn prepare(
    mesh: &Mesh,
    cluster: &Cluster,
    generation: u32,
    authority: Authority<'_>,
    upper: &[crate::pki::certificate::Certificate],
    start: OffsetDateTime,
    seals: &Passphrase,
    entropy: &Entropy,
    now: OffsetDateTime,
) -> Result<(Prepared, String), Problem> {
    let key = SigningKey::generate(mesh.intermediate.key, entropy.source())?;
    let with = Ingredients { key: &key, serial: entropy.serial()?, random: entropy.source(), now };
    let signed = minting::intermediate(mesh, &cluster.name, generation, authority, start, &with)?;
    let sealed = key_seal::seal(&key, seals, entropy)?;
    let signer = signed.into_certificate();
    Ok((Prepared { cluster: cluster.name.clone(), generation, signer, upper: upper.to_vec(), has_key: true }, sealed))
}

type OpenSigner = (Held, SigningKey, Vec<crate::pki::certificate::Certificate>);

fn open_signer(
    mesh: &Mesh,
    store: &Store,
    holdings: &Holdings,
    anchor: &Held,
    order: &Order<'_>,
    entropy: &Entropy,
    now: OffsetDateTime,
) -> Result<OpenSigner, Problem> {
    if mesh.issuing.is_none() {
        let key = root_key::open(store, anchor, order.opens, mesh.lab, entropy)?;
        return Ok((anchor.clone(), key, Vec::new()));
    }
    let issuing = holdings.live_issuing(mesh, &anchor.certificate, now).ok_or_else(|| {
        let generation = anchor.generation;
        let leaked = holdings.issuing_under(&anchor.certificate);
        let leaked = leaked.into_iter().filter(|held| mesh.is_leaked(&held.certificate));
        let problem = Problem::new(
            Code::CeremonyNeeded,
            format!("{} has no issuing CA that is valid now under root g{generation}", mesh.name),
        )
        .hint(format!("meshca issuing create --root {generation}"));
        leaked.fold(problem, |problem, held| {
            problem.fact(format!("issuing CA g{} is named in `leaked`, and signs nothing", held.generation))
        })
    })?;
    let key = issuing_key::open(store, issuing, order.opens, mesh.lab, entropy)?;
    Ok((issuing.clone(), key, vec![issuing.certificate.clone()]))
}

fn chosen<'a>(
    mesh: &'a Mesh,
    holdings: &Holdings,
    anchor: &Held,
    names: &[ClusterName],
    targets: &Targets<'_>,
) -> Result<Vec<&'a Cluster>, Problem> {
    if names.is_empty() {
        let needs = |cluster: &&Cluster| {
            let stock = || stock_of(mesh, holdings, anchor, cluster);
            cluster.role.has_cacerts()
                && cluster.state == Membership::Member
                && stock().iter().map(|it| it.generation).max().unwrap_or(0) <= targets.observe(cluster).generation()
        };
        return Ok(mesh.clusters.iter().filter(needs).collect());
    }
    mesh.signing_clusters(names)
}

/// What lies in stock for this cluster under this root, and may be used.
fn stock_of<'a>(mesh: &Mesh, holdings: &'a Holdings, anchor: &Held, cluster: &Cluster) -> Vec<&'a Prepared> {
    let of_cluster = holdings.stock.iter().filter(|it| it.cluster == cluster.name && !it.is_tainted(mesh));
    of_cluster.filter(|it| it.leads_to(&anchor.certificate)).collect()
}
