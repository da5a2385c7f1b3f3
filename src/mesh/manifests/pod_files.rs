//! Which files a pod needs, under which names they lie in Secrets, and where the pod finds them.
//!
//! One folder holds all that the mesh file names, so that its relative paths mean the same there as here. The
//! passphrase has a folder of its own.

use std::path::{Component, Path, PathBuf};

use time::OffsetDateTime;

use crate::mesh::fleet::{Access, ClusterName, Mesh, Records};
use crate::mesh::holdings::Holdings;
use crate::mesh::manifests::grant::elsewhere;
use crate::problem::{Code, Problem};

/// The folder in the pod to which the paths of the mesh file are relative.
pub const FOLDER: &str = "/etc/meshca";
/// The mesh file's name in that folder, and in its ConfigMap.
pub const MESH_FILE: &str = "mesh.yaml";
/// The folder of the passphrase.
pub const PASSPHRASE_FOLDER: &str = "/etc/meshca-passphrase";
/// The passphrase's name in that folder, and in its Secret.
pub const PASSPHRASE: &str = "passphrase";

/// What a ConfigMap holds at most, in bytes.
const LARGEST_CONFIG_MAP: usize = 1024 * 1024;

/// The clusters that one message names at most.
const NAMED: usize = 5;

/// One generation of what lies in the material folder and is needed in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The certificate of a root, never its key.
    Root(u32),
    /// What the root before said about that one.
    Endorsement(u32),
    /// An issuing CA with its sealed key.
    Issuing(u32),
    /// A prepared intermediate with its sealed key.
    Stock(ClusterName, u32),
}

/// A file that goes into a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Its key in the Secret. Keys have no slashes.
    pub key: String,
    /// Where it appears in the pod, below [`FOLDER`].
    pub path: String,
    /// Where it lies here.
    pub source: PathBuf,
}

/// What the unattended side needs of the material at this moment, and until when its issuing CA lives, if it has one.
///
/// # Errors
/// `no-usable-root`; `ceremony-needed`, where there is nothing that could renew a certificate.
pub fn pieces(
    mesh: &Mesh,
    holdings: &Holdings,
    now: OffsetDateTime,
) -> Result<(Vec<Piece>, Option<OffsetDateTime>), Problem> {
    let anchor = &holdings.anchor(mesh)?.certificate;
    let nothing = |what: &str, hint: &str| {
        let what = format!("{} holds {what}, so that a pod could renew nothing", mesh.material.display());
        Problem::new(Code::CeremonyNeeded, what).hint(hint)
    };
    let mut pieces: Vec<Piece> = holdings.roots.iter().map(|root| Piece::Root(root.generation)).collect();
    pieces.extend(holdings.endorsements.iter().map(|it| Piece::Endorsement(it.generation())));
    if mesh.issuing.is_none() {
        let useful = holdings.stock.iter().filter(|it| it.has_key && it.signer.not_after() > now);
        let stock: Vec<Piece> = useful.map(|it| Piece::Stock(it.cluster.clone(), it.generation)).collect();
        if stock.is_empty() {
            return Err(nothing("no intermediate in stock with its key", "meshca issue --until DATE"));
        }
        pieces.extend(stock);
        return Ok((pieces, None));
    }
    let Some(live) = holdings.live_issuing(mesh, anchor, now) else {
        return Err(nothing("no issuing CA that is valid now under the root in use", "meshca issuing create"));
    };
    let lasting =
        holdings.issuing.iter().filter(|it| it.certificate.not_after() > now && !mesh.is_leaked(&it.certificate));
    pieces.extend(lasting.map(|it| Piece::Issuing(it.generation)));
    Ok((pieces, Some(live.certificate.not_after())))
}

/// The files of the material in the pod. `files` are paths below the material folder.
///
/// # Errors
/// `unfit-for-a-pod`: the folder would not be below [`FOLDER`].
pub(in crate::mesh) fn material(here: &Mesh, in_pod: &Mesh, files: &[PathBuf]) -> Result<Vec<SecretFile>, Problem> {
    let below = below_folder(&in_pod.material)
        .ok_or_else(|| not_below("material", &in_pod.material, "`material: ./material` in the mesh file"))?;
    let one = |file: &PathBuf| {
        let parts: Vec<String> = words(file);
        let path = below.iter().chain(&parts).cloned().collect::<Vec<_>>().join("/");
        SecretFile { key: parts.join("."), path, source: here.material.join(file) }
    };
    Ok(files.iter().map(one).collect())
}

/// The kubeconfig files of the clusters, each once, in the order of the mesh file.
///
/// # Errors
/// `unfit-for-a-pod`: one would not be below [`FOLDER`].
pub(in crate::mesh) fn kubeconfigs(here: &Mesh, in_pod: &Mesh) -> Result<Vec<SecretFile>, Problem> {
    let mut files: Vec<SecretFile> = Vec::new();
    for (cluster, there) in here.clusters.iter().zip(in_pod.clusters.iter()) {
        let (Access::Kubeconfig { path: source, .. }, Access::Kubeconfig { path, .. }) =
            (&cluster.access, &there.access)
        else {
            continue;
        };
        let below = below_folder(path).filter(|parts| !parts.is_empty() && *parts != [MESH_FILE]).ok_or_else(|| {
            let hint = "`access: { kubeconfig: ./kubeconfig, context: NAME }` in the mesh file";
            not_below(&format!("the kubeconfig of {}", cluster.name), path, hint)
        })?;
        let path = below.join("/");
        if files.iter().all(|file| file.path != path) {
            let key = match files.len() {
                0 => "kubeconfig".to_owned(),
                before => format!("kubeconfig-{}", before + 1),
            };
            files.push(SecretFile { key, path, source: source.clone() });
        }
    }
    Ok(files)
}

/// What else of a mesh file cannot be so in a pod.
pub(in crate::mesh) fn unfit(here: &Mesh, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Records::Folder(folder) = &here.records {
        let what = "records go to a folder, and a pod has none that stays";
        let problem = Problem::new(Code::UnfitForAPod, what).fact(format!("records  {}", folder.display()));
        problems.push(problem.hint("write `records: stdout` in the mesh file"));
    }
    let ways: Vec<String> = here
        .clusters
        .iter()
        .filter_map(|cluster| elsewhere(cluster).map(|way| format!("{}  {way}", cluster.name)))
        .collect();
    if let Some(first) = here.clusters.iter().find(|cluster| elsewhere(cluster).is_some()) {
        let others = match ways.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        let what = format!("{}{others} is reached as a file or folder, which a pod does not have", first.name);
        let problem = ways.iter().take(NAMED).fold(Problem::new(Code::UnfitForAPod, what), Problem::fact);
        let hint = "write `access: { kubeconfig: FILE, context: NAME }` or `access: { inCluster: true }`";
        problems.push(problem.hint(hint));
    }
    if text.len() > LARGEST_CONFIG_MAP {
        let what = "the mesh file is larger than a ConfigMap may be";
        let fact = format!("it has {} bytes, of at most {LARGEST_CONFIG_MAP}", text.len());
        let problem = Problem::new(Code::UnfitForAPod, what).fact(fact);
        problems.push(problem.hint("leave comments out, or split the fleet into several meshes"));
    }
    problems
}

/// The parts of a path below [`FOLDER`], if it is there and a volume can have it.
fn below_folder(path: &Path) -> Option<Vec<String>> {
    let below = path.strip_prefix(FOLDER).ok()?;
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let parts = words(below);
    // Kubernetes takes no name that begins with two dots: the kubelet's own do.
    (below.components().all(is_plain) && parts.iter().all(|part| !part.starts_with(".."))).then_some(parts)
}

fn words(path: &Path) -> Vec<String> {
    path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

fn not_below(what: &str, path: &Path, hint: &str) -> Problem {
    Problem::new(Code::UnfitForAPod, format!("{what} would not be in the folder that the pod has"))
        .fact(format!("it would be  {}", path.display()))
        .fact(format!("the pod has  {FOLDER}"))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, held, name};
    use time::Duration;

    #[test]
    fn an_online_mesh_needs_root_certificates_and_the_issuing_cas_that_have_not_ended() {
        let mut story = Story::new();
        let end = story.issuing.certificate.not_after();
        let (needed, until) = pieces(&story.mesh, &story.holdings, NOW).unwrap();
        assert_eq!(needed, [Piece::Root(1), Piece::Issuing(1)]);
        assert_eq!(until, Some(end));
        let just = end - Duration::SECOND;
        assert!(pieces(&story.mesh, &story.holdings, just).is_ok());
        let after = pieces(&story.mesh, &story.holdings, end + Duration::SECOND).unwrap_err();
        assert_eq!(after.code(), Code::CeremonyNeeded);
        story.holdings.issuing.clear();
        assert_eq!(pieces(&story.mesh, &story.holdings, NOW).unwrap_err().code(), Code::CeremonyNeeded);
        story.holdings.roots.clear();
        assert_eq!(pieces(&story.mesh, &story.holdings, NOW).unwrap_err().code(), Code::NoUsableRoot);
    }

    #[test]
    fn what_makes_a_next_root_trustworthy_goes_with_it() {
        let mut story = Story::new();
        let (first, second) = (story.other_root("mesh1 root g1"), story.other_root("mesh1 root g2"));
        story.endorse(&first, &second, 2);
        let (needed, _) = pieces(&story.mesh, &story.holdings, NOW).unwrap();
        assert_eq!(needed, [Piece::Root(1), Piece::Root(2), Piece::Endorsement(2), Piece::Issuing(1)]);
    }

    #[test]
    fn without_an_issuing_tier_the_stock_that_has_its_key_is_needed() {
        let mut story = Story::new();
        story.mesh.issuing = None;
        assert_eq!(pieces(&story.mesh, &story.holdings, NOW).unwrap_err().code(), Code::CeremonyNeeded);
        let made = story.intermediate("east", 2, NOW + Duration::days(80));
        story.prepare("east", 2, &made);
        story.prepare("west", 3, &made);
        story.holdings.stock[1].has_key = false;
        let (needed, until) = pieces(&story.mesh, &story.holdings, NOW).unwrap();
        assert_eq!(needed, [Piece::Root(1), Piece::Stock(name("east"), 2)]);
        assert_eq!(until, None);
        story.holdings.roots.push(held(2, &story.root));
        assert_eq!(pieces(&story.mesh, &story.holdings, NOW).unwrap().0[1], Piece::Root(2));
    }

    #[test]
    fn material_lies_where_the_mesh_file_says_and_keys_have_no_slash() {
        let mut story = Story::new();
        let here = story.mesh.clone();
        let files = [PathBuf::from("issuing/g1/issuing-key.pem")];
        for (in_pod, path) in [
            ("/etc/meshca/material", "material/issuing/g1/issuing-key.pem"),
            ("/etc/meshca/a/b", "a/b/issuing/g1/issuing-key.pem"),
            ("/etc/meshca", "issuing/g1/issuing-key.pem"),
        ] {
            story.mesh.material = in_pod.into();
            let made = material(&here, &story.mesh, &files).unwrap();
            assert_eq!((made[0].key.as_str(), made[0].path.as_str()), ("issuing.g1.issuing-key.pem", path));
            assert_eq!(made[0].source, Path::new("material/issuing/g1/issuing-key.pem"));
        }
        for outside in ["/etc/meshca-material", "/srv/material", "/etc/meshca/../material", "/etc/meshca/..m"] {
            story.mesh.material = outside.into();
            let problem = material(&here, &story.mesh, &files).unwrap_err();
            assert_eq!(problem.code(), Code::UnfitForAPod, "{outside}");
        }
    }

    #[test]
    fn each_kubeconfig_is_mounted_once_and_never_over_the_mesh_file() {
        let at = |path: &str| Access::Kubeconfig { path: path.into(), context: None };
        let mut here = Story::new().mesh;
        let mut in_pod = here.clone();
        for (index, file) in ["kubeconfig", "other/kubeconfig", "kubeconfig"].iter().enumerate() {
            here.clusters[index].access = at(file);
            in_pod.clusters[index].access = at(&format!("/etc/meshca/{file}"));
        }
        let made = kubeconfigs(&here, &in_pod).unwrap();
        let made: Vec<_> = made.iter().map(|it| (it.key.as_str(), it.path.as_str())).collect();
        assert_eq!(made, [("kubeconfig", "kubeconfig"), ("kubeconfig-2", "other/kubeconfig")]);
        for outside in ["/etc/meshca/mesh.yaml", "/etc/meshca", "/home/a/.kube/config", "/etc/meshca/../a"] {
            in_pod.clusters[1].access = at(outside);
            assert_eq!(kubeconfigs(&here, &in_pod).unwrap_err().code(), Code::UnfitForAPod, "{outside}");
        }
    }

    #[test]
    fn folders_and_too_much_text_are_unfit() {
        let mut mesh = Story::new().mesh;
        let told = |mesh: &Mesh, text: &str| {
            let problems = unfit(mesh, text);
            assert!(problems.iter().all(|it| it.code() == Code::UnfitForAPod && it.advice().is_some()));
            problems.iter().map(|it| it.what().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(&mesh, ""), ["east (and 2 more) is reached as a file or folder, which a pod does not have"]);
        for cluster in mesh.clusters.iter_mut() {
            cluster.access = Access::InCluster;
        }
        assert!(told(&mesh, &"#".repeat(LARGEST_CONFIG_MAP)).is_empty());
        assert_eq!(told(&mesh, &"#".repeat(LARGEST_CONFIG_MAP + 1)).len(), 1);
        mesh.records = Records::Folder("records".into());
        assert_eq!(told(&mesh, ""), ["records go to a folder, and a pod has none that stays"]);
    }
}
