//! The commands of people who hold the root key, and the quickstart, which plays them all.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::cli::args::Shared;
use crate::cli::desk::{Desk, Ended, VERSION, one};
use crate::cli::exit::Exit;
use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::report_words::{self, Form};
use crate::cli::voice::Voice;
use crate::cli::{document, fleet_words};
use crate::jobs::{issue, issuing_create, quickstart, root_create};
use crate::mesh::fleet::ClusterName;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::passphrase::PassphraseSource;

impl Desk<'_> {
    pub(in crate::cli) fn root_create(self, passphrase: PassphraseFile, confirm: Option<String>) -> Ended {
        let _lock = self.begin_writing()?;
        root_create::prepare(&self.store, &self.mesh, self.now).map_err(one)?;
        self.confirm_root(confirm)?;
        let mut ledger = self.ledger_file();
        let source = PassphraseSource::new(passphrase.passphrase_file);
        let root =
            root_create::run(&self.mesh, &self.store, &source, &self.entropy, &mut ledger, self.now).map_err(one)?;
        self.finish(ledger);
        let words = || format!("created the root of {}\n\n{}", self.mesh.name, fleet_words::certificate(&root));
        self.voice.answer(self.shared, &document::authority(1, &root), words)?;
        self.voice.words(&format!(
            "keep {} offline, and a copy of it elsewhere\nnext: meshca -f {} {}",
            self.store.root(1).key_path().display(),
            self.shared.file.display(),
            if self.mesh.issuing.is_some() { "issuing create" } else { "issue --until DATE" },
        ));
        Ok(Exit::Fine)
    }

    fn confirm_root(&self, confirm: Option<String>) -> Result<(), Vec<Problem>> {
        let subject = crate::mesh::minting::root_subject(&self.mesh, 1);
        let end = self.now + self.mesh.root.tier.lifetime;
        self.voice.words(&format!(
            "This will create a root certificate. Read it aloud.\n\n  subject      O={}, CN={}\n  key          {}, new, \
             sealed in {}\n  valid        {}  to  {}\n  path length  none\n",
            subject.organization,
            subject.common_name,
            self.mesh.root.tier.key.title(),
            self.store.root(1).key_path().display(),
            crate::pki::moment::utc(self.now - crate::pki::validity::BACKDATE),
            crate::pki::moment::utc(end),
        ));
        let typed = match confirm {
            Some(typed) => typed,
            None => crate::world::terminal::ask("Type the root's name to go on: ").map_err(one)?,
        };
        if typed.trim() == subject.common_name {
            return Ok(());
        }
        Err(one(Problem::new(Code::NotConfirmed, "the root's name was not confirmed; nothing was made")
            .fact(format!("typed   {}", typed.trim()))
            .fact(format!("wanted  {}", subject.common_name))
            .hint(format!("--confirm '{}'", subject.common_name))))
    }

    pub(in crate::cli) fn issuing_create(self, opens: Option<PathBuf>, seals: Option<PathBuf>) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let (opens, seals) = (PassphraseSource::new(opens), PassphraseSource::new(seals));
        let (mesh, store) = (&self.mesh, &self.store);
        let made =
            issuing_create::run(mesh, store, &opens, &seals, &self.entropy, &mut ledger, self.now).map_err(one)?;
        self.finish(ledger);
        let words = || {
            let certificate = fleet_words::certificate(&made.certificate);
            format!("created issuing CA g{} of {}\n\n{certificate}", made.generation, mesh.name)
        };
        self.voice.answer(self.shared, &document::authority(made.generation, &made.certificate), words)?;
        self.voice.words(&format!("next: meshca -f {} issue", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    pub(in crate::cli) fn issue(
        self,
        clusters: &[ClusterName],
        until: Option<OffsetDateTime>,
        passphrase: PassphraseFile,
        stock: Option<PathBuf>,
    ) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let opens = PassphraseSource::new(passphrase.passphrase_file);
        let seals = stock.map(|path| PassphraseSource::new(Some(path)));
        let shows_progress = !self.voice.quiet;
        let order = issue::Order { clusters, until, opens: &opens, shows_progress, seals: seals.as_ref() };
        let made = issue::run(&self.mesh, &self.store, &order, &self.entropy, &mut ledger, self.now);
        self.finish(ledger);
        let made = made.map_err(one)?;
        self.voice.answer(self.shared, &document::stock(&made), || fleet_words::stock(&made))?;
        self.voice.words(&format!("next: meshca -f {} publish", self.shared.file.display()));
        Ok(Exit::Fine)
    }
}

/// The whole main job, in one folder.
pub(in crate::cli) fn quickstart(folder: &Path, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    if shared.at.is_some() {
        voice.words("the quickstart pretends that it is another moment: --at");
    }
    let made = quickstart::run(folder, &Entropy::new(), now)?;
    voice.words("LAB ONLY: a random passphrase lies in a file beside the keys that it opens");
    voice.result(&format!("created the root of {}\n\n{}", made.mesh.name, fleet_words::certificate(&made.root)));
    voice.result(&fleet_words::deliveries(&made.deliveries, None));
    voice.result(&fleet_words::tick(&made.tick, false));
    let file = made.file.display().to_string();
    let metrics = folder.join("meshca.prom");
    let desk = Desk::of(made.mesh, shared, voice, now);
    let status = desk.tell_watchers(&made.tick.observed, Some(&metrics)).map_err(one)?;
    voice.result(&report_words::written(&status, Form::Table, &file, VERSION, voice.colour).map_err(one)?);
    voice.words(&format!(
        "metrics are in {}\ngo on with:\n  meshca -f {file} report\n  meshca -f {file} rotate --passphrase-file {}\n  \
         meshca -f {file} report -o prometheus",
        metrics.display(),
        made.passphrase_file.display()
    ));
    Ok(Exit::Fine)
}
