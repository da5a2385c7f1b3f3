//! Mesh files that meshca itself writes: the start of a real one, and the one of the quickstart.

/// The commented mesh file that `meshca init` writes: two primaries and a remote, reached as folders.
///
/// `name` is the name of the mesh, and must be one that the rules of the mesh file take; it is not checked here.
#[must_use]
pub fn template(name: &str) -> String {
    format!(
        "\
# The mesh file of meshca: what the mesh is and how its certificates should look. Clusters are changed by publishing.
# Every key, its default and its meaning: docs/reference/mesh-file.md
version: 1
mesh: {name}                       # Istio's mesh ID
trustDomain: cluster.local         # as istiod is installed with

material: ./material               # certificates and sealed keys that ceremonies made; relative to this file
records: ./records                 # ledger and status

root:                              # made in a ceremony: meshca root create
  subject: {{ organization: {name}, commonName: {name} root }}
  lifetime: 3650d
  renewBefore: 730d

issuing:                           # renews intermediates unattended; mode: none leaves it out
  lifetime: 365d
  renewBefore: 120d                # at least intermediate.lifetime and lead together

intermediate:                      # one for each control plane: its ca-cert.pem
  lifetime: 90d
  renewBefore: 30d

lead: 30d                          # how long it takes to arrange a ceremony

workload:
  maxTTL: 24h                      # what istiod hands out at most

rotation:
  tick: 24h                        # how often `meshca rotate` is scheduled
  canary: east                     # gets a new intermediate first

clusters:
  - name: east                     # Istio's cluster ID
    network: network1
    role: primary                  # runs its own istiod: gets cacerts
    access: {{ directory: ./clusters/east }}
    istiod: {{ assumeLoadedAfter: 10m }}   # behind a folder there is no istiod to ask

  - name: west
    network: network2
    role: primary
    access: {{ directory: ./clusters/west }}
    istiod: {{ assumeLoadedAfter: 10m }}

  - name: remote
    network: network3
    role: remote                   # served by another cluster's istiod: gets no cacerts
    primary: east
    access: {{ directory: ./clusters/remote }}
"
    )
}

/// The mesh file of `meshca quickstart`: primaries `east` and `west`, and `remote`, which `east` serves. A lab.
#[must_use]
pub fn quickstart() -> String {
    "\
# A lab that `meshca quickstart` made: nothing here is fit for production.
version: 1
mesh: quickstart
lab: true

rotation:
  canary: east

clusters:
  - name: east
    network: network1
    role: primary
    access: { directory: ./clusters/east }
    istiod: { assumeLoadedAfter: 0s }
  - name: west
    network: network2
    role: primary
    access: { directory: ./clusters/west }
    istiod: { assumeLoadedAfter: 0s }
  - name: remote
    network: network3
    role: remote
    primary: east
    access: { directory: ./clusters/remote }
"
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::mesh::fleet::Access;
    use crate::mesh::mesh_file::parse;

    #[test]
    fn the_template_keeps_every_rule() {
        let (mesh, findings) = parse(&template("shop"), Path::new("/m/mesh.yaml")).unwrap();
        assert_eq!((mesh.name.as_str(), mesh.lab, findings.len()), ("shop", false, 0));
        let roles: Vec<_> = mesh.clusters.iter().map(|cluster| cluster.role.as_str()).collect();
        assert_eq!(roles, ["primary", "primary", "remote"]);
    }

    #[test]
    fn the_quickstart_keeps_every_rule() {
        let (mesh, findings) = parse(&quickstart(), Path::new("lab/mesh.yaml")).unwrap();
        assert!(mesh.lab && findings.is_empty());
        for (cluster, name) in mesh.clusters.iter().zip(["east", "west", "remote"]) {
            assert_eq!(cluster.name.as_str(), name);
            assert_eq!(cluster.access, Access::Directory(PathBuf::from(format!("lab/clusters/{name}"))));
        }
    }
}
