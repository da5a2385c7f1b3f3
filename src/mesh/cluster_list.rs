//! The clusters of a mesh file: in the order of the file, and found by their name without walking through all of them.

use std::ops::{Deref, DerefMut};

use crate::mesh::fleet::{Cluster, ClusterName};

/// The clusters, in the order of the file.
#[derive(Debug, Clone)]
pub struct ClusterList {
    all: Vec<Cluster>,
    /// Their places, in the order of their names.
    by_name: Vec<usize>,
}

impl ClusterList {
    /// The cluster of this name; of two, either.
    #[must_use]
    pub fn named(&self, name: &ClusterName) -> Option<&Cluster> {
        let at = |place: &usize| self.all.get(*place);
        let found = self.by_name.binary_search_by(|place| at(place).map(|it| &it.name).cmp(&Some(name)));
        // Somebody may have changed names since; then the places tell nothing.
        let known = found.ok().and_then(|found| self.by_name.get(found)).and_then(at);
        known.or_else(|| self.all.iter().find(|it| it.name == *name))
    }
}

impl From<Vec<Cluster>> for ClusterList {
    fn from(all: Vec<Cluster>) -> Self {
        let mut by_name: Vec<usize> = (0..all.len()).collect();
        by_name.sort_by_key(|place| all.get(*place).map(|it| &it.name));
        Self { all, by_name }
    }
}

impl FromIterator<Cluster> for ClusterList {
    fn from_iter<I: IntoIterator<Item = Cluster>>(clusters: I) -> Self {
        clusters.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for ClusterList {
    type Target = [Cluster];

    fn deref(&self) -> &[Cluster] {
        &self.all
    }
}

impl DerefMut for ClusterList {
    fn deref_mut(&mut self) -> &mut [Cluster] {
        &mut self.all
    }
}

impl PartialEq for ClusterList {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for ClusterList {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::Role;
    use crate::mesh::fleet_story::{cluster, name};

    #[test]
    fn each_is_found_by_its_name_and_the_order_stays() {
        let mut list = ClusterList::from(["b", "c", "a"].map(|it| cluster(it, Role::Primary)).to_vec());
        assert_eq!(list.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
        for text in ["a", "b", "c"] {
            assert_eq!(list.named(&name(text)).map(|it| it.name.as_str()), Some(text));
        }
        assert_eq!(list.named(&name("d")), None);
        list[0].name = name("d");
        assert_eq!(list.named(&name("d")), Some(&list[0]), "though its name came later");
        assert_eq!(list.named(&name("b")), None);
    }
}
