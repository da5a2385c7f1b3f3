//! Whether istiod signs with what is published: by what its replicas showed, or by the time that has passed.

use time::OffsetDateTime;

use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::observed::{Grade, Observed, Replica, SecretSight, Way};
use crate::pki::certificate::Certificate;
use crate::pki::moment::prose;

/// Whether istiod signs with the published intermediate, and how well that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// How well it is known.
    pub grade: Grade,
    /// Whether it does; never true where nothing is known.
    pub is_loaded: bool,
    /// What the answer rests on, in words.
    pub why: String,
}

impl Loaded {
    /// Nothing is known.
    #[must_use]
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { grade: Grade::None, is_loaded: false, why: why.into() }
    }

    /// The word in the column LOADED: the grade, or `no` where it was seen that a replica signs with another.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        if self.is_refuted() { "no" } else { self.grade.as_str() }
    }

    /// Whether it was seen that a replica signs with another intermediate.
    #[must_use]
    pub const fn is_refuted(&self) -> bool {
        matches!(self.grade, Grade::Seen) && !self.is_loaded
    }
}

/// What one replica says about the published set.
enum Word<'a> {
    Serves,
    ServesAnother(String),
    Unknown(&'a str),
}

/// Judges it.
///
/// Served chains count before gauges: gauges are only asked where no replica was looked at by a handshake. One replica
/// that shows another signer is enough for a no; all must show the published one for a yes. Time counts only behind a
/// directory, and only where the mesh file names nothing that could be looked at.
///
/// Not seen by this: a replica that the mesh file does not name, and of a served chain whether the trust bundle was
/// loaded, too.
#[must_use]
pub fn loaded(published: &SecretSight, observed: &Observed, cluster: &Cluster, now: OffsetDateTime) -> Loaded {
    let Ok(signer) = &published.signer else { return Loaded::unknown("its ca-cert.pem cannot be read") };
    if observed.replicas.is_empty() {
        return by_time(observed, cluster, now);
    }
    let by_chain: Vec<&Replica> = observed.replicas.iter().filter(|it| it.way == Way::Chain).collect();
    let replicas = if by_chain.is_empty() { observed.replicas.iter().collect() } else { by_chain };
    let (mut others, mut unknown, mut way) = (Vec::new(), Vec::new(), Way::Chain);
    for replica in &replicas {
        way = replica.way;
        let word = match replica.way {
            Way::Chain => by_chain_of(replica, signer.spki()),
            Way::Gauges => by_gauges_of(replica, published),
        };
        match word {
            Word::Serves => {}
            Word::ServesAnother(why) => others.push(why),
            Word::Unknown(why) => unknown.push(why),
        }
    }
    let all = replicas.len();
    if let Some(first) = others.first() {
        let more = others.len().saturating_sub(1);
        let why = if more == 0 { first.clone() } else { format!("{first}, and {more} more of {all}") };
        return Loaded { grade: Grade::Seen, is_loaded: false, why };
    }
    if let Some(first) = unknown.first() {
        return Loaded::unknown(format!("{} of {all} replicas not seen: {first}", unknown.len()));
    }
    let by = if way == Way::Gauges { "by its gauges, " } else { "" };
    Loaded { grade: Grade::Seen, is_loaded: true, why: format!("{by}{} it", serve(all)) }
}

fn serve(all: usize) -> String {
    if all == 1 { "the one replica serves".to_owned() } else { format!("all {all} replicas serve") }
}

fn by_chain_of<'a>(replica: &'a Replica, spki: &[u8]) -> Word<'a> {
    match &replica.signer_spki {
        Some(served) if served == spki => Word::Serves,
        Some(_) => Word::ServesAnother(format!("istiod at {} serves another signer than its cacerts", replica.name)),
        None => Word::Unknown(reason(replica)),
    }
}

/// By its gauges a replica has the published set if both ends are those of the published files. Where there is only the
/// one of the root (an empty chain file, or a CA of istiod's own), it can refute but not prove.
fn by_gauges_of<'a>(replica: &'a Replica, published: &SecretSight) -> Word<'a> {
    let differs = |file: &str, said: OffsetDateTime, end: Option<OffsetDateTime>| {
        let what = format!(
            "istiod at {} says by its gauges that it loaded another {file} than that of its cacerts",
            replica.name
        );
        end.is_some_and(|end| end.unix_timestamp() != said.unix_timestamp()).then_some(what)
    };
    let chain = replica
        .chain_end
        .and_then(|said| differs("cert-chain.pem", said, published.chain().first().map(Certificate::not_after)));
    let root = replica
        .root_end
        .and_then(|said| differs("root-cert.pem", said, published.roots().first().map(Certificate::not_after)));
    match (chain.or(root), replica.chain_end) {
        (Some(what), _) => Word::ServesAnother(what),
        (None, Some(_)) if !published.chain().is_empty() => Word::Serves,
        (None, _) => Word::Unknown(reason(replica)),
    }
}

fn reason(replica: &Replica) -> &str {
    replica.unseen.as_ref().map_or(replica.name.as_str(), |problem| problem.what())
}

fn by_time(observed: &Observed, cluster: &Cluster, now: OffsetDateTime) -> Loaded {
    let istiod = &cluster.istiod;
    if !istiod.addresses.is_empty() || !istiod.metrics.is_empty() || istiod.prometheus.is_some() {
        return Loaded::unknown("its istiod was not looked at");
    }
    match (&cluster.access, istiod.assume_loaded_after, observed.written_at) {
        (Access::Directory(_), Some(after), Some(written)) if now - written >= after => {
            let why = format!("nothing to look at; written {} ago", prose(now - written));
            Loaded { grade: Grade::Assumed, is_loaded: true, why }
        }
        (Access::Directory(_), Some(after), Some(_)) => {
            Loaded::unknown(format!("nothing to look at; assumed {} after it was written", prose(after)))
        }
        _ => Loaded::unknown("nothing to look at: the mesh file names no istiod.addresses and no istiod.metrics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::problem::{Code, Problem};
    use time::Duration;

    const SECOND: Duration = Duration::SECOND;
    const AFTER: Duration = Duration::minutes(10);

    /// East, with these replicas.
    struct East {
        story: Story,
        signer: Vec<u8>,
        chain_end: OffsetDateTime,
        root_end: OffsetDateTime,
    }

    impl East {
        fn new() -> Self {
            let mut story = Story::new();
            let made = story.publish("east", 2, NOW + Duration::days(80));
            let (signer, chain_end) = (made.certificate.spki().to_vec(), made.certificate.not_after());
            let root_end = story.root.certificate.not_after();
            Self { story, signer, chain_end, root_end }
        }

        fn judged(&mut self, replicas: Vec<Replica>) -> (&'static str, String) {
            self.story.look_at("east").replicas = replicas;
            let published = self.story.sight_of("east").clone();
            let cluster = self.story.cluster("east").clone();
            let loaded = loaded(&published, self.story.look_at("east"), &cluster, NOW);
            assert_eq!(loaded.is_loaded, ["seen", "assumed"].contains(&loaded.as_str()), "{loaded:?}");
            (loaded.as_str(), loaded.why)
        }

        fn word(&mut self, replicas: Vec<Replica>) -> &'static str {
            self.judged(replicas).0
        }

        fn good(&self) -> Replica {
            Replica { signer_spki: Some(self.signer.clone()), ..Replica::new("a:1".to_owned(), Way::Chain) }
        }

        fn gauges(&self, chain_off: Option<i64>, root_off: Option<i64>) -> Replica {
            Replica {
                chain_end: chain_off.map(|off| self.chain_end + SECOND * i32::try_from(off).unwrap()),
                root_end: root_off.map(|off| self.root_end + SECOND * i32::try_from(off).unwrap()),
                ..Replica::new("http://a".to_owned(), Way::Gauges)
            }
        }
    }

    fn another() -> Replica {
        Replica { signer_spki: Some(b"old".to_vec()), ..Replica::new("b:1".to_owned(), Way::Chain) }
    }

    fn dead(way: Way) -> Replica {
        Replica::unseen("c:1".to_owned(), way, Problem::new(Code::IstiodUnreachable, "c:1 cannot be reached: refused"))
    }

    #[test]
    fn it_is_seen_when_every_replica_serves_the_published_signer() {
        let mut east = East::new();
        let good = east.good();
        assert_eq!(east.judged(vec![good.clone()]), ("seen", "the one replica serves it".to_owned()));
        assert_eq!(east.judged(vec![good.clone(), good]), ("seen", "all 2 replicas serve it".to_owned()));
    }

    #[test]
    fn one_replica_that_serves_another_signer_is_a_no_whatever_the_others_say() {
        let mut east = East::new();
        let good = east.good();
        let why = "istiod at b:1 serves another signer than its cacerts";
        assert_eq!(east.judged(vec![good, dead(Way::Chain), another()]), ("no", why.to_owned()));
        assert_eq!(east.judged(vec![another(), another()]), ("no", format!("{why}, and 1 more of 2")));
    }

    #[test]
    fn one_replica_that_was_not_seen_leaves_it_unknown_however_long_ago_it_was_written() {
        let mut east = East::new();
        east.story.cluster("east").istiod.assume_loaded_after = Some(AFTER);
        east.story.look_at("east").written_at = Some(NOW - Duration::days(9));
        let good = east.good();
        let why = "1 of 2 replicas not seen: c:1 cannot be reached: refused";
        assert_eq!(east.judged(vec![good, dead(Way::Chain)]), ("none", why.to_owned()));
        assert_eq!(east.word(vec![dead(Way::Gauges)]), "none");
    }

    #[test]
    fn gauges_count_to_the_second_and_only_without_a_chain() {
        let mut east = East::new();
        let gauges = |east: &East, chain, root| vec![east.gauges(chain, root)];
        for (chain, root, word) in [
            (Some(0), Some(0), "seen"),
            (Some(0), None, "seen"),
            (Some(1), Some(0), "no"),
            (Some(-1), Some(0), "no"),
            (Some(0), Some(1), "no"),
            (Some(0), Some(-1), "no"),
            // An istiod under a root of its own, and one that says nothing that could prove anything.
            (None, Some(1), "no"),
            (None, Some(0), "none"),
            (None, None, "none"),
        ] {
            let replicas = gauges(&east, chain, root);
            assert_eq!(east.word(replicas), word, "{chain:?} {root:?}");
        }
        let replicas = gauges(&east, Some(0), Some(0));
        assert_eq!(east.judged(replicas).1, "by its gauges, the one replica serves it");
        let stale = vec![east.gauges(Some(-1), Some(0)), east.good()];
        assert_eq!(east.word(stale), "seen", "an old istiod's gauges stay old");
        let hopeful = vec![east.gauges(Some(0), Some(0)), dead(Way::Chain)];
        assert_eq!(east.word(hopeful), "none", "the chain could have been seen");
    }

    #[test]
    fn it_is_assumed_from_the_second_that_the_mesh_file_says_and_not_before() {
        let mut east = East::new();
        let word = |east: &mut East, written: Option<OffsetDateTime>, after| {
            east.story.cluster("east").istiod.assume_loaded_after = after;
            east.story.look_at("east").written_at = written;
            east.word(Vec::new())
        };
        assert_eq!(word(&mut east, Some(NOW - AFTER), Some(AFTER)), "assumed");
        assert_eq!(word(&mut east, Some(NOW - AFTER + SECOND), Some(AFTER)), "none");
        assert_eq!(word(&mut east, Some(NOW - AFTER), None), "none");
        assert_eq!(word(&mut east, None, Some(AFTER)), "none");
        east.story.cluster("east").access = Access::InCluster;
        assert_eq!(word(&mut east, Some(NOW - AFTER), Some(AFTER)), "none");
    }

    #[test]
    fn nothing_is_assumed_where_something_could_be_looked_at() {
        let places: [fn(&mut crate::mesh::fleet::Istiod); 3] = [
            |istiod| istiod.addresses.push("a:1".to_owned()),
            |istiod| istiod.metrics.push("http://a".to_owned()),
            |istiod| istiod.prometheus = Some("http://a".to_owned()),
        ];
        for place in places {
            let mut east = East::new();
            east.story.look_at("east").written_at = Some(NOW - AFTER);
            let istiod = &mut east.story.cluster("east").istiod;
            istiod.assume_loaded_after = Some(AFTER);
            place(istiod);
            assert_eq!(east.judged(Vec::new()), ("none", "its istiod was not looked at".to_owned()));
        }
    }

    #[test]
    fn the_end_of_a_chain_proves_nothing_where_none_is_published() {
        let mut east = East::new();
        let replicas = vec![east.gauges(Some(0), Some(0))];
        assert_eq!(east.word(replicas.clone()), "seen");
        east.story.sight_of("east").public.remove("cert-chain.pem");
        assert_eq!(east.word(replicas), "none");
    }

    #[test]
    fn what_is_not_assumed_yet_is_said_with_its_time_and_where_nothing_is_named_that_is_said() {
        let mut east = East::new();
        east.story.look_at("east").written_at = Some(NOW - AFTER + SECOND);
        east.story.cluster("east").istiod.assume_loaded_after = Some(AFTER);
        assert_eq!(east.judged(Vec::new()).1, "nothing to look at; assumed 10 m after it was written");
        east.story.cluster("east").istiod.assume_loaded_after = None;
        assert!(east.judged(Vec::new()).1.ends_with("names no istiod.addresses and no istiod.metrics"));
    }

    #[test]
    fn a_set_without_a_signer_is_served_by_nobody() {
        let mut east = East::new();
        let good = east.good();
        let sight = east.story.sight_of("east");
        sight.signer = Err(Problem::new(Code::CertificateMalformed, "x"));
        assert_eq!(east.judged(vec![good]).0, "none");
    }
}
