//! The roots of a change: those that the fleet walks away from, and the one that it walks to.

use time::OffsetDateTime;

use crate::mesh::holdings::Held;
use crate::mesh::observed::SecretSight;
use crate::pki::fingerprint::Fingerprint;

/// The roots of a change.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Pair<'a> {
    /// One root; or, while clusters are adopted, the roots that they came with.
    pub(in crate::mesh) old: &'a [Held],
    pub(in crate::mesh) new: &'a Held,
}

impl<'a> Pair<'a> {
    /// From one root to the next.
    pub(in crate::mesh) const fn from(old: &'a Held, new: &'a Held) -> Self {
        Self { old: std::slice::from_ref(old), new }
    }

    /// Whether clusters are adopted by it: then they are on their way from roots that meshca has no key of.
    pub(in crate::mesh) fn is_adoption(self) -> bool {
        self.old.iter().any(|held| held.generation == 0)
    }

    /// Whether this root is left behind.
    pub(in crate::mesh) fn leaves(self, root: &Fingerprint) -> bool {
        self.old.iter().any(|held| held.certificate.fingerprint() == *root)
    }

    /// Of the old roots, the first that is in this set's trust bundle; `None`: none is.
    pub(in crate::mesh) fn old_in(self, there: &SecretSight) -> Option<&'a Held> {
        let roots = there.roots();
        self.old.iter().find(|held| roots.contains(&held.certificate))
    }

    /// When the first of the old roots ends, in UTC.
    pub(in crate::mesh) fn old_end(self) -> OffsetDateTime {
        Held::first_end(self.old).unwrap_or_else(|| self.new.certificate.not_after())
    }

    /// The old roots in words.
    pub(in crate::mesh) fn old_name(self) -> String {
        Held::names(self.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Story, held};

    #[test]
    fn a_pair_leaves_its_old_roots_and_not_the_new_one() {
        let story = Story::new();
        let made = ["left", "right", "new"].map(|name| story.other_root(name));
        let (old, new) = ([held(0, &made[0]), held(0, &made[1])], held(1, &made[2]));
        let pair = Pair { old: &old, new: &new };
        assert_eq!(made.each_ref().map(|it| pair.leaves(&it.certificate.fingerprint())), [true, true, false]);
    }
}
