//! The stages of a change of root, in their order.

/// A stage of the walk from one root to the next. A fleet is in the first stage that not every target has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Every trust bundle gets the new root behind the old one; signers stay.
    Trust,
    /// Every control plane gets a signer under the new root; bundles stay.
    Sign,
    /// What the old signers signed runs out.
    Drain,
    /// Every trust bundle loses the old root.
    Remove,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Trust, Self::Sign, Self::Drain, Self::Remove];

    /// The word in tables, records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Trust => "Trust",
            Stage::Sign => "Sign",
            Stage::Drain => "Drain",
            Stage::Remove => "Remove",
        }
    }

    /// The stage after it; the last one is its own.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Stage::Trust => Stage::Sign,
            Stage::Sign => Stage::Drain,
            Stage::Drain | Stage::Remove => Stage::Remove,
        }
    }

    /// 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Stage::Trust => 1,
            Stage::Sign => 2,
            Stage::Drain => 3,
            Stage::Remove => 4,
        }
    }
}
