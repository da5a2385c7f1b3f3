//! `rollback`: a root change turned back or forward again, and the tick that follows.

use std::sync::{Mutex, PoisonError};

use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
use crate::cli::rollback_arguments::RollbackArguments;
use crate::cli::rotate_arguments::RotateArguments;
use crate::jobs::rollback;
use crate::mesh::turn::Wish;
use crate::mesh::walk_mark::Goal;

impl Desk<'_> {
    /// Turns the root change, and takes the first steps that way.
    pub(in crate::cli) fn rollback(self, order: RollbackArguments) -> Ended {
        let wish = if order.undo { Wish::Forward } else { Wish::Back };
        let targets = self.targets();
        let lock = if order.dry_run { None } else { self.begin_writing()? };
        let ledger = Mutex::new(self.ledger_file());
        let courier = self.courier(&targets, &ledger);
        let turned = rollback::run(&courier, &self.store, wish, order.reason.as_deref(), order.dry_run);
        let recorded = self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
        let turned = turned.map_err(one)?;
        recorded.map_err(one)?;
        let whereto = match turned.goal {
            Goal::Forward => "the root change goes forward again",
            Goal::Trust => "the root change goes back to Trust: both roots trusted, signers under the old one",
            Goal::Start => "the root change goes back to its start: the new root leaves the trust bundles",
        };
        let would = if order.dry_run { "would be: " } else { "" };
        self.voice.words(&format!("{would}{whereto}"));
        for (cluster, result) in &turned.noted {
            match result {
                Ok(_) => self.voice.words(&format!("  {cluster}  noted")),
                Err(problem) => self.voice.problem(&self.error(problem)),
            }
        }
        let failed = turned.noted.values().filter_map(|result| result.as_ref().err());
        self.voice.remedies(failed, &self.shared.file);
        drop(lock);
        if order.dry_run {
            return Ok(Exit::Fine);
        }
        self.rotate(&RotateArguments::once(order.passphrase))
    }
}
