//! The commands of people who hold the root key, and the quickstart, which plays them all.

use std::path::Path;

use time::OffsetDateTime;

use crate::cli::args::Shared;
use crate::cli::ceremony_arguments::{
    IssueArguments, IssuingCreateArguments, RootCreateArguments, RootImportArguments,
};
use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
use crate::cli::metrics_arguments::MetricsArguments;
use crate::cli::report_words::{self, Form};
use crate::cli::voice::Voice;
use crate::cli::{document, fleet_words};
use crate::jobs::root_create::{Passphrases, Prospect};
use crate::jobs::root_import::Candidate;
use crate::jobs::{issue, issuing_create, quickstart, root_create, root_import};
use crate::mesh::holdings::Held;
use crate::mesh::minting;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::validity::BACKDATE;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::passphrase::PassphraseSource;
use crate::world::terminal;

impl Desk<'_> {
    pub(in crate::cli) fn root_create(self, order: RootCreateArguments) -> Ended {
        let _lock = self.begin_writing()?;
        let (mesh, store, now) = (&self.mesh, &self.store, self.now);
        let prospect =
            if order.next { root_create::next(store, mesh, now) } else { root_create::first(store, mesh, now) };
        let prospect = prospect.map_err(one)?;
        self.confirm_root(&prospect, order.confirm)?;
        let endorser = prospect.endorser().map(|endorser| endorser.generation);
        let named = PassphraseSource::new(order.passphrase_file);
        let next = PassphraseSource::new(order.next_passphrase_file);
        let passphrases = Passphrases { opens: &named, seals: if order.next { &next } else { &named } };
        let mut ledger = self.ledger_file();
        let made = root_create::run(mesh, store, &prospect, &passphrases, &self.entropy, &mut ledger, now);
        let recorded = self.finish(ledger);
        let root = made.map_err(one)?;
        recorded.map_err(one)?;
        let certificate = || fleet_words::certificate(&root.certificate);
        let words = || match endorser {
            None if order.next => {
                format!("created root g{} of {}, endorsed by none\n\n{}", root.generation, mesh.name, certificate())
            }
            None => format!("created the root of {}\n\n{}", mesh.name, certificate()),
            Some(by) => {
                let Held { generation, .. } = root;
                format!("created root g{generation} of {}, endorsed by root g{by}\n\n{}", mesh.name, certificate())
            }
        };
        self.voice.answer(self.shared, &document::root(&root, endorser), words)?;
        let pins = prospect.pins(&root);
        if !pins.is_empty() {
            self.voice.words("the key of the newest root is leaked, so that it endorses nothing");
            self.voice.words(&pin_words(&pins));
        }
        let (file, folder) = (self.shared.file.display(), store.root(root.generation));
        let key = folder.key_path();
        let carry =
            endorser.map_or_else(String::new, |_| "\nbring the other files beside it to the online side".to_owned());
        self.voice.words(&format!(
            "keep {} offline, and a copy of it elsewhere{carry}\nnext{}: meshca -f {file} {}",
            key.display(),
            if pins.is_empty() { "" } else { ", once it is pinned" },
            if mesh.issuing.is_some() { "issuing create" } else { "issue --until DATE" },
        ));
        Ok(Exit::Fine)
    }

    fn confirm_root(&self, prospect: &Prospect, confirm: Option<String>) -> Result<(), Vec<Problem>> {
        let subject = minting::root_subject(&self.mesh, prospect.generation());
        let end = self.now + self.mesh.root.tier.lifetime;
        let endorser = prospect.endorser().map_or_else(String::new, |by| {
            let sha256 = fleet_words::pairs(&by.certificate.fingerprint().to_string());
            format!("  endorsed by  {}\n  its sha-256  {sha256}\n", by.certificate.subject())
        });
        self.voice.words(&format!(
            "This will create a root certificate. Read it aloud.\n\n  subject      O={}, CN={}\n  key          {}, new, \
             sealed in {}\n  valid        {}  to  {}\n  path length  none\n{endorser}",
            subject.organization,
            subject.common_name,
            self.mesh.root.tier.key.title(),
            self.store.root(prospect.generation()).key_path().display(),
            utc(self.now - BACKDATE),
            utc(end),
        ));
        if !prospect.others().is_empty() {
            let held = prospect.others().iter().chain(prospect.endorser().map(|by| &by.generation));
            let held: Vec<String> = held.map(|generation| format!("g{generation}")).collect();
            self.voice.words(&format!(
                "{} are trusted already. A fleet walks from one root to one other: where it is not under {} yet, this one \
                 waits.\n",
                held.join(", "),
                held.last().map_or("", String::as_str),
            ));
        }
        let typed = match confirm {
            Some(typed) => typed,
            None => terminal::ask("Type the root's name to go on: ", "--confirm NAME").map_err(one)?,
        };
        if typed.trim() == subject.common_name {
            return Ok(());
        }
        Err(one(Problem::new(Code::NotConfirmed, "the root's name was not confirmed; nothing was made")
            .fact(format!("typed   {}", typed.trim()))
            .fact(format!("wanted  {}", subject.common_name))
            .hint(format!("--confirm '{}'", subject.common_name))))
    }

    pub(in crate::cli) fn root_import(self, order: RootImportArguments) -> Ended {
        let _lock = self.begin_writing()?;
        let (mesh, store) = (&self.mesh, &self.store);
        let candidate =
            root_import::read(store, mesh, &order.certificate, order.key.is_some(), self.now).map_err(one)?;
        let root = candidate.root();
        let certificate = fleet_words::certificate(&root.certificate);
        self.voice.words(&format!(
            "This will take in a root. Compare its SHA-256 with what its owner says.\n\n{certificate}"
        ));
        confirm_import(root, order.confirm)?;
        let opens = PassphraseSource::new(order.key_passphrase_file);
        let seals = PassphraseSource::new(order.passphrase_file);
        let key = order.key.as_ref().map(|path| root_import::Key { path, opens: &opens, seals: &seals });
        let mut ledger = self.ledger_file();
        let made = root_import::run(store, &candidate, key.as_ref(), &self.entropy, &mut ledger);
        let recorded = self.finish(ledger);
        made.map_err(one)?;
        recorded.map_err(one)?;
        let with = if key.is_some() { "with its key" } else { "without its key" };
        let words = || format!("took in root g{} of {}, {with}\n", root.generation, mesh.name);
        self.voice.answer(self.shared, &document::root(root, None), words)?;
        self.voice.words(&import_words(&candidate));
        if let Some(path) = &order.key {
            let sealed = store.root(root.generation).key_path();
            let (path, sealed) = (path.display(), sealed.display());
            self.voice.words(&format!("{path} is still there; keep {sealed} offline, and a copy of it elsewhere"));
        }
        Ok(Exit::Fine)
    }

    pub(in crate::cli) fn issuing_create(self, order: IssuingCreateArguments) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let opens = PassphraseSource::new(order.passphrase_file);
        let seals = PassphraseSource::new(order.issuing_passphrase_file);
        let order = issuing_create::Order { root: order.root, opens: &opens, seals: &seals };
        let made = issuing_create::run(&self.mesh, &self.store, &order, &self.entropy, &mut ledger, self.now);
        let recorded = self.finish(ledger);
        let issuing_create::Made { issuing, root, had_choice } = made.map_err(one)?;
        recorded.map_err(one)?;
        let words = || {
            let certificate = fleet_words::certificate(&issuing.certificate);
            format!("created issuing CA g{} of {}\n\n{certificate}", issuing.generation, self.mesh.name)
        };
        self.voice.answer(self.shared, &document::issuing(&issuing, root.generation), words)?;
        self.tell_root(&root, had_choice);
        self.voice.words(&format!("next: meshca -f {} issue", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    pub(in crate::cli) fn issue(self, order: IssueArguments) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let opens = PassphraseSource::new(order.passphrase.passphrase_file);
        let seals = order.stock_passphrase_file.map(|path| PassphraseSource::new(Some(path)));
        let order = issue::Order {
            clusters: &order.clusters,
            root: order.root,
            until: order.until,
            opens: &opens,
            shows_progress: !self.voice.quiet,
            seals: seals.as_ref(),
        };
        let made = issue::run(&self.mesh, &self.store, &order, &self.entropy, &mut ledger, self.now);
        let recorded = self.finish(ledger);
        let issue::Made { prepared, root, had_choice } = made.map_err(one)?;
        recorded.map_err(one)?;
        self.voice
            .answer(self.shared, &document::stock(&prepared, root.generation), || fleet_words::stock(&prepared))?;
        self.tell_root(&root, had_choice);
        self.voice.words(&format!("next: meshca -f {} publish", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    /// Says which root it was, where it could have been another one.
    fn tell_root(&self, root: &Held, had_choice: bool) {
        if had_choice {
            let Held { generation, certificate } = root;
            self.voice.words(&format!("under root g{generation}, {}; --root N takes another", certificate.subject()));
        }
    }
}

fn confirm_import(root: &Held, confirm: Option<String>) -> Result<(), Vec<Problem>> {
    let wanted = root.certificate.fingerprint();
    let typed = match confirm {
        Some(typed) => typed,
        None => terminal::ask("Type the SHA-256 that its owner says to go on: ", "--confirm SHA256").map_err(one)?,
    };
    if Fingerprint::parse(typed.trim()) == Some(wanted) {
        return Ok(());
    }
    Err(one(Problem::new(Code::NotConfirmed, "this is not the root of that SHA-256; nothing was taken in")
        .fact(format!("typed   {}", typed.trim()))
        .fact(format!("file    {wanted}"))
        .hint("ask its owner, on another way than the file came, and say it with --confirm SHA256")))
}

/// What makes the mesh use a root that was taken in.
fn import_words(candidate: &Candidate) -> String {
    match candidate.pins() {
        [] => "it is used from now on, as the founding root or because the mesh file pins it already".to_owned(),
        pins => pin_words(pins),
    }
}

fn pin_words(pins: &[Fingerprint]) -> String {
    let pins: String = pins.iter().map(|pin| format!("\n    - {pin}")).collect();
    format!(
        "it is not used before the mesh file pins it; what is used now must be pinned as well then:\n\nroot:\n  trusted:{pins}\n"
    )
}

/// The whole main job, in one folder.
pub(in crate::cli) fn quickstart(folder: &Path, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    if shared.at.is_some() {
        voice.words("the quickstart pretends that it is another moment: --at");
    }
    let made = quickstart::run(folder, &Entropy::new(), now)?;
    voice.words("LAB ONLY: a random passphrase lies in a file beside the keys that it opens");
    let story = [
        format!("created the root of {}\n\n{}", made.mesh.name, fleet_words::certificate(&made.root)),
        fleet_words::deliveries(&made.deliveries, None),
        fleet_words::tick(&made.tick, false, now),
    ];
    story.iter().try_for_each(|part| voice.result(part)).map_err(one)?;
    let file = made.file.display().to_string();
    let metrics = folder.join("meshca.prom");
    let desk = Desk::of(made.mesh, shared, voice, now);
    let to = MetricsArguments { metrics_textfile: Some(metrics.clone()), ..MetricsArguments::none() };
    let (status, told) = desk.tell_watchers(&made.tick, None, &to);
    told.map_err(one)?;
    let report = report_words::written(&status, Form::Table, &file, &to.wording(), voice.colour);
    report.and_then(|report| voice.result(&report)).map_err(one)?;
    voice.words(&format!(
        "metrics are in {}\ngo on with:\n  meshca -f {file} report\n  meshca -f {file} rotate --passphrase-file {}\n  \
         meshca -f {file} report -o prometheus",
        metrics.display(),
        made.passphrase_file.display()
    ));
    Ok(Exit::Fine)
}
