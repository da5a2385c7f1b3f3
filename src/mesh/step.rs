//! What should happen to one cluster.

use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::ClusterName;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::WalkMark;
use crate::problem::Problem;

/// What should happen to one cluster, and why now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which cluster.
    pub cluster: ClusterName,
    /// What should happen.
    pub act: Act,
    /// Why, as one sentence without a full stop.
    pub reason: String,
    /// The stage of a root change that it belongs to; `None`: it belongs to none.
    pub stage: Option<Stage>,
    /// The trust bundle of the set that is written, byte for byte; `None`: nothing is written.
    pub bundle: Option<Vec<u8>>,
    /// What is noted on that set for a root change.
    pub mark: Option<WalkMark>,
    /// Whether the intermediate that is replaced counts as tainted: its key may be in other hands.
    pub taints: bool,
}

/// What should happen to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Mint an intermediate of this generation under the issuing CA of that generation, and publish it.
    Mint {
        /// The generation of the issuing CA.
        issuing: u32,
        /// The generation of the new intermediate.
        generation: u32,
    },
    /// Publish the intermediate of this generation, which lies in stock.
    Activate {
        /// The generation of the prepared intermediate.
        generation: u32,
    },
    /// Publish the set that is there with another trust bundle.
    Rebundle,
    /// Publish the set that is there with another note for the root change.
    Note,
    /// Have its istiod restarted.
    Restart,
    /// Nothing.
    Leave,
    /// Something is due, and must wait.
    Wait,
    /// Something is due, and only people with the root key can do it.
    AskForCeremony(Ceremony),
    /// It must not, or cannot, be touched.
    Refuse(Problem),
}

impl Act {
    /// The word in tables and records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Act::Mint { .. } => "renew",
            Act::Activate { .. } => "activate",
            Act::Rebundle => "publish",
            Act::Note => "note",
            Act::Restart => "restart",
            Act::Leave => "leave",
            Act::Wait => "wait",
            Act::AskForCeremony(_) => "ceremony",
            Act::Refuse(_) => "refuse",
        }
    }

    /// Whether something is changed in the cluster.
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self, Act::Mint { .. } | Act::Activate { .. } | Act::Rebundle | Act::Note | Act::Restart)
    }
}
