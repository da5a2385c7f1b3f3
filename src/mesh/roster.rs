//! Which clusters there were when a set got its part of a walk. Each set of a fleet carries the same list, so that it is kept
//! once, however many sets are read: otherwise a look at a fleet would hold as many names as its size squared.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::mesh::fleet::Mesh;

/// The names of some clusters, in the order of the mesh file.
#[derive(Debug, Clone, Eq, Default)]
pub struct Roster(Arc<[String]>);

// An `Arc` of a slice compares all of it, also with itself; each of thousands of sets is asked about the same list.
impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// More lists than the sets of one fleet carry: it is another one whenever a cluster was added or taken out in mid-walk.
const MOST: usize = 8;

/// The lists that are in use.
static IN_USE: Mutex<Vec<Weak<[String]>>> = Mutex::new(Vec::new());

impl Roster {
    /// Every cluster of a mesh file.
    #[must_use]
    pub fn of(mesh: &Mesh) -> Self {
        Self::from_names(mesh.clusters.iter().map(|cluster| cluster.name.to_string()).collect())
    }

    /// These. A list that is in use already is not kept a second time.
    #[must_use]
    pub fn from_names(names: Vec<String>) -> Self {
        // A panic elsewhere while the lock was held leaves a whole list of lists.
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|list| list.strong_count() > 0);
        if let Some(same) = in_use.iter().filter_map(Weak::upgrade).find(|list| **list == *names) {
            return Self(same);
        }
        let list: Arc<[String]> = names.into();
        if in_use.len() < MOST {
            in_use.push(Arc::downgrade(&list));
        }
        Self(list)
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_list_is_kept_once_and_another_by_itself() {
        let list = |last: &str| Roster::from_names(vec!["the-same-list".to_owned(), last.to_owned()]);
        let (one, other, third) = (list("a"), list("a"), list("b"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert!(!Arc::ptr_eq(&one.0, &third.0));
        assert_ne!(one, third);
        assert_eq!(one, Roster(one.names().to_vec().into()), "the same names in another place");
        assert_eq!(third.names(), ["the-same-list", "b"]);
    }
}
