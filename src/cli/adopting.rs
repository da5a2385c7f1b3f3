//! `adopt`: what was taken over, in words and for machines.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::cli::desk::{Desk, Ended, one};
use crate::cli::document::{CertificateDocument, Head, ProblemDocument, head};
use crate::cli::exit::Exit;
use crate::cli::{manifest_words, problem_words};
use crate::jobs::adopt::{self, Adopted, Adoptions};
use crate::mesh::adoption::{Adoptable, Source};
use crate::mesh::cacerts::SELF_SIGNED_SECRET;
use crate::mesh::change::Change;
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::pki::moment::day;
use crate::problem::Problem;

impl Desk<'_> {
    /// Takes over what these clusters sign with.
    pub(in crate::cli) fn adopt(self, clusters: &[ClusterName], dry_run: bool) -> Ended {
        let lock = if dry_run { None } else { self.begin_writing()? };
        let targets = self.targets();
        let ledger = Mutex::new(self.ledger_file());
        let adoptions = adopt::run(&self.courier(&targets, &ledger), &self.store, clusters, dry_run);
        let recorded = self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
        drop(lock);
        let adoptions = adoptions.map_err(one)?;
        recorded.map_err(one)?;
        let is_good = !dry_run && adoptions.clusters.iter().all(|it| it.result.is_ok());
        let in_words = || words(&adoptions, &self.mesh, dry_run);
        self.voice.about(is_good).answer(self.shared, &document(&adoptions, dry_run), in_words)?;
        for weakness in adoptions.clusters.iter().flat_map(taken).flat_map(|(found, _)| &found.weaknesses) {
            self.voice.problem(&problem_words::warning(weakness, &self.shared.file));
        }
        let problems: Vec<Problem> = adoptions.clusters.into_iter().filter_map(|it| it.result.err()).collect();
        if problems.is_empty() { Ok(Exit::Fine) } else { Err(problems) }
    }
}

/// What was taken over, or would be; `None`: nothing was.
fn taken(adopted: &Adopted) -> Option<&(Adoptable, Change)> {
    adopted.result.as_ref().ok()?.as_ref()
}

fn words(adoptions: &Adoptions, mesh: &Mesh, dry_run: bool) -> String {
    let Adoptions { to, clusters } = adoptions;
    let width = clusters.iter().map(|it| it.cluster.as_str().len()).max().unwrap_or(0);
    let number = clusters.iter().filter_map(taken).count();
    let would = if dry_run { "would be adopted" } else { "adopted" };
    let mut text = format!("{number} of {} {would}, as generation 0; to walk to {}\n\n", clusters.len(), to.name());
    for adopted in clusters {
        let (word, more) = match &adopted.result {
            Ok(Some((found, _))) => (if dry_run { "adopt" } else { "adopted" }, about(found)),
            Ok(None) => ("ours", "nothing to take over".to_owned()),
            Err(problem) => ("refused", problem.to_string()),
        };
        let _ = writeln!(text, "  {:width$}  {word:<7}  {}", adopted.cluster.as_str(), problem_words::printable(&more));
    }
    if number == 0 {
        return text;
    }
    text.push_str(
        "\nnext:  meshca rotate   takes the first step of the walk: the new root joins the old one in each bundle\n",
    );
    for adopted in clusters {
        if taken(adopted).is_some_and(|(found, _)| found.source == Source::SelfSigned)
            && let Some(cluster) = mesh.cluster(&adopted.cluster)
        {
            let kubectl = manifest_words::kubectl(cluster);
            let namespace = &cluster.namespace;
            let _ = write!(
                text,
                "then in {}, whose istiod reads cacerts only from its next start on:\n  {kubectl} rollout restart deployment -l \
                 app=istiod -n {namespace}\n  {SELF_SIGNED_SECRET} stays until the walk has ended; what let meshca read it may go now:\n  \
                 {kubectl} delete role,rolebinding meshca-{}-adoption -n {namespace} --ignore-not-found\n",
                cluster.name, cluster.name,
            );
        }
    }
    text
}

fn about(found: &Adoptable) -> String {
    let Adoptable { source, signer, root, .. } = found;
    let under = if signer == root {
        "its own root".to_owned()
    } else {
        format!("under \"{}\" ({})", root.subject(), root.fingerprint().short())
    };
    format!(
        "{}: signs with \"{}\" ({}), ends {}, {under}",
        source.secret(),
        signer.subject(),
        signer.public_key().title(),
        day(signer.not_after())
    )
}

fn document(adoptions: &Adoptions, dry_run: bool) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(flatten)]
        begins: Head,
        dry_run: bool,
        to: CertificateDocument,
        targets: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct One<'a> {
        cluster: &'a str,
        change: &'static str,
        source: Option<&'static str>,
        signer: Option<CertificateDocument>,
        root: Option<CertificateDocument>,
        weaknesses: Vec<ProblemDocument<'a>>,
        problem: Option<ProblemDocument<'a>>,
    }
    impl<'a> One<'a> {
        fn of(adopted: &'a Adopted) -> Self {
            let found = taken(adopted).map(|(found, _)| found);
            let change = match &adopted.result {
                Ok(Some((_, change))) => change.as_str(),
                Ok(None) => "leave",
                Err(_) => "refuse",
            };
            Self {
                cluster: adopted.cluster.as_str(),
                change,
                source: found.map(|it| it.source.secret()),
                signer: found.map(|it| CertificateDocument::from(&it.signer)),
                root: found.map(|it| CertificateDocument::from(&it.root)),
                weaknesses: found.iter().flat_map(|it| &it.weaknesses).map(ProblemDocument::from).collect(),
                problem: adopted.result.as_ref().err().map(ProblemDocument::from),
            }
        }
    }
    let to = CertificateDocument::from(&adoptions.to.certificate);
    let targets = adoptions.clusters.iter().map(One::of).collect();
    Document { begins: head("Adoption"), dry_run, to, targets }
}
