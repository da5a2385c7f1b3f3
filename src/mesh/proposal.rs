//! A mesh file proposed from what is known of clusters without looking at them: contexts, and remote secrets.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use crate::mesh::cluster_naming::ClusterNaming;
use crate::mesh::context_list::{ContextList, Server};
use crate::mesh::fleet::ClusterName;
use crate::mesh::remote_secret::RemoteSecrets;
use crate::pki::plain_text::plain;

/// Where the kubeconfig of a cluster is expected that only a remote secret names.
const TO_FILL_IN: &str = "./kubeconfig.yaml";
/// The column of comments.
const COMMENTS: usize = 40;

/// A proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// One for each cluster.
    pub entries: Vec<Entry>,
    /// What was left out, and why, in words.
    pub left_out: Vec<String>,
}

/// One cluster of the proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: valid, and unique in the proposal.
    pub name: ClusterName,
    /// What it is called where it was found.
    pub called: String,
    /// Where it was found, in words.
    pub found: String,
    /// Host and port of its API server, where they are known.
    pub server: Option<String>,
    /// The kubeconfig that reaches it.
    pub kubeconfig: PathBuf,
    /// The context in it.
    pub context: String,
    /// Whether that context is there; else it is to be filled in.
    pub is_reached: bool,
}

impl Proposal {
    /// A cluster for each of these contexts (empty: for all). Of two that lead to one server, the first.
    #[must_use]
    pub fn of_contexts(lists: &[ContextList], chosen: &[String]) -> Self {
        let mut proposal = Self::default();
        let mut naming = ClusterNaming::default();
        let mut known: BTreeMap<&str, ()> = BTreeMap::new();
        let mut servers: BTreeMap<&Server, &str> = BTreeMap::new();
        for (list, context) in lists.iter().flat_map(|list| list.contexts.iter().map(move |context| (list, context))) {
            let is_chosen = chosen.is_empty() || chosen.contains(&context.name);
            // Of two contexts of one name, the first is the one that kubectl takes.
            if !is_chosen || known.insert(&context.name, ()).is_some() {
                continue;
            }
            let called = plain(&context.name, 200);
            if context.name.contains(char::is_control) {
                proposal.left_out.push(format!("{called}: its name has control characters"));
                continue;
            }
            if let Some(server) = &context.server
                && let Some(other) = servers.insert(server, &context.name)
            {
                proposal.left_out.push(format!("{called}: it leads to the same API server as {}", plain(other, 200)));
                servers.insert(server, other);
                continue;
            }
            let Some(name) = naming.name(&context.name) else { continue };
            proposal.entries.push(Entry {
                name,
                called,
                found: "the context".to_owned(),
                server: context.server.as_ref().map(Server::host),
                kubeconfig: list.path.clone(),
                context: context.name.clone(),
                is_reached: true,
            });
        }
        proposal
    }

    /// A cluster for each that a remote secret names. A context that leads to its server is how it is reached: the
    /// token in the Secret may read, but not write.
    #[must_use]
    pub fn of_remote_secrets(secrets: &RemoteSecrets, lists: &[ContextList]) -> Self {
        let mut proposal = Self { entries: Vec::new(), left_out: secrets.passed_over.clone() };
        let mut naming = ClusterNaming::default();
        let mut known: BTreeMap<(&str, Option<&Server>), &str> = BTreeMap::new();
        let mut reached: BTreeMap<(PathBuf, String), ()> = BTreeMap::new();
        for cluster in &secrets.clusters {
            let called = plain(&cluster.name, 200);
            // A mesh of many primaries has a Secret about a cluster in each of the others.
            if let Some(other) = known.insert((&cluster.name, cluster.server.as_ref()), &cluster.secret) {
                proposal.left_out.push(format!("{called} of {}: it is in {other}, too", cluster.secret));
                continue;
            }
            let Some(name) = naming.name(&cluster.name) else { continue };
            let all = lists.iter().flat_map(|list| list.contexts.iter().map(move |context| (list, context)));
            let mut leading = all.filter(|(_, it)| cluster.server.is_some() && it.server == cluster.server);
            let way = leading
                .next()
                .map(|(list, context)| (list.path.clone(), context.name.clone()))
                .filter(|(_, context)| !context.contains(char::is_control))
                .filter(|way| reached.insert(way.clone(), ()).is_none());
            let is_reached = way.is_some();
            let (kubeconfig, context) = way.unwrap_or_else(|| (PathBuf::from(TO_FILL_IN), name.to_string()));
            proposal.entries.push(Entry {
                name,
                called,
                found: format!("the Secret {}", cluster.secret),
                server: cluster.server.as_ref().map(Server::host),
                kubeconfig,
                context,
                is_reached,
            });
        }
        proposal
    }

    /// The proposal as a whole mesh file, with comments that say what to fill in.
    #[must_use]
    pub fn mesh_file(&self) -> String {
        let mut text = "\
# A proposal of meshca targets discover. No cluster was looked at: go through the comments, save it as mesh.yaml, then
#   meshca -f mesh.yaml report
# Every key, its default and its meaning: docs/reference/mesh-file.md
"
        .to_owned();
        for line in &self.left_out {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "# left out  {line}");
        }
        text.push_str("version: 1\n");
        line(&mut text, "mesh: mesh1", "fill in: Istio's mesh ID");
        line(&mut text, "trustDomain: cluster.local", "as istiod is installed with");
        text.push_str("\nclusters:\n");
        for entry in &self.entries {
            entry.write(&mut text);
        }
        text
    }
}

impl Entry {
    fn write(&self, text: &mut String) {
        let about = if self.name.as_str() == self.called {
            format!("as {} names it; it must be Istio's cluster ID", self.found)
        } else {
            format!("{} names it {}; it must be Istio's cluster ID", self.found, self.called)
        };
        line(text, &format!("  - name: {}", scalar(self.name.as_str())), &about);
        line(text, "    role: primary", "a guess; of a remote: role: remote, and primary: NAME");
        line(text, "    # network: network1", "topology.istio.io/network of its system namespace");
        let path = self.kubeconfig.to_string_lossy();
        let access = format!("    access: {{ kubeconfig: {}, context: {} }}", scalar(&path), scalar(&self.context));
        let relative = if self.kubeconfig.is_relative() { "the path counts from the mesh file" } else { "" };
        let at = self.server.as_ref().map_or_else(String::new, |server| format!("its server is {server}"));
        let fill_in = if self.is_reached { "" } else { "fill in a context that may write its cacerts" };
        let said =
            [fill_in, at.as_str(), relative].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
        if !said.is_empty() {
            line(text, &format!("    # {said}"), "");
        }
        line(text, &access, "");
    }
}

fn line(text: &mut String, what: &str, comment: &str) {
    let comment = plain(comment, 400);
    let _ = match comment.is_empty() {
        true => writeln!(text, "{what}"),
        false => writeln!(text, "{what:<COMMENTS$} # {comment}"),
    };
}

/// A text as YAML in a flow mapping: bare where nothing can mistake it, else in double quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || text.starts_with("./");
    if begins && text.chars().all(bare) && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::mesh::fleet::{Access, Mesh, Role};
    use crate::mesh::mesh_file::parse;
    use crate::mesh::remote_secret::RemoteCluster;
    use crate::pki::secret::Secret;

    /// A kubeconfig with these contexts, each of a server of its own unless one is given.
    fn list(path: &str, contexts: &[(&str, &str)]) -> ContextList {
        let mut text = "contexts:\n".to_owned();
        let mut clusters = "clusters:\n".to_owned();
        for (number, (name, server)) in contexts.iter().enumerate() {
            let name = scalar(name);
            text.push_str(&format!("- {{ name: {name}, context: {{ cluster: c{number} }} }}\n"));
            clusters.push_str(&format!("- {{ name: c{number}, cluster: {{ server: 'https://{server}' }} }}\n"));
        }
        ContextList::parse(&Secret::new((text + &clusters).into_bytes()), Path::new(path)).unwrap()
    }

    fn parsed(proposal: &Proposal) -> Mesh {
        let text = proposal.mesh_file();
        let (mesh, findings) = parse(&text, Path::new("/m/mesh.yaml")).unwrap_or_else(|it| panic!("{it:#?}\n{text}"));
        assert!(findings.is_empty(), "{findings:?}");
        mesh
    }

    fn names(mesh: &Mesh) -> Vec<&str> {
        mesh.clusters.iter().map(|cluster| cluster.name.as_str()).collect()
    }

    #[test]
    fn each_context_becomes_a_primary_that_it_reaches() {
        let proposal = Proposal::of_contexts(&[list("./k.yaml", &[("east", "e"), ("gke_shop_West", "w")])], &[]);
        let mesh = parsed(&proposal);
        assert_eq!(names(&mesh), ["east", "gke-shop-west"]);
        assert!(mesh.clusters.iter().all(|cluster| cluster.role == Role::Primary));
        let access = Access::Kubeconfig { path: "/m/k.yaml".into(), context: Some("gke_shop_West".to_owned()) };
        assert_eq!(mesh.clusters[1].access, access);
        assert!(proposal.mesh_file().contains("the context names it gke_shop_West;"), "{}", proposal.mesh_file());
    }

    #[test]
    fn only_the_chosen_contexts_are_proposed() {
        let lists = [list("k", &[("a", "1"), ("b", "2"), ("c", "3")])];
        let chosen = ["c".to_owned(), "a".to_owned()];
        assert_eq!(names(&parsed(&Proposal::of_contexts(&lists, &chosen))), ["a", "c"]);
    }

    #[test]
    fn of_two_contexts_of_one_server_the_second_is_left_out_and_said() {
        let proposal = Proposal::of_contexts(&[list("k", &[("a", "s"), ("b", "s"), ("c", "s"), ("d", "t")])], &[]);
        assert_eq!(names(&parsed(&proposal)), ["a", "d"]);
        let left_out = ["b: it leads to the same API server as a", "c: it leads to the same API server as a"];
        assert_eq!(proposal.left_out, left_out);
    }

    #[test]
    fn of_two_files_the_first_one_has_the_name() {
        let lists = [list("one", &[("a", "1")]), list("two", &[("a", "2"), ("A", "3")])];
        let mesh = parsed(&Proposal::of_contexts(&lists, &[]));
        assert_eq!(names(&mesh), ["a", "a-2"]);
    }

    fn secrets(clusters: &[(&str, &str)]) -> RemoteSecrets {
        let of = |(name, server): &(&str, &str)| RemoteCluster {
            name: (*name).to_owned(),
            server: list("", &[("c", server)]).contexts[0].server.clone(),
            secret: format!("istio-system/istio-remote-secret-{name}"),
        };
        RemoteSecrets { clusters: clusters.iter().map(of).collect(), passed_over: Vec::new() }
    }

    #[test]
    fn a_remote_secret_names_a_cluster_whose_way_is_to_be_filled_in_unless_a_context_leads_there() {
        let secrets = secrets(&[("east", "e"), ("unknown", "w"), ("east", "e"), ("east", "other")]);
        let proposal = Proposal::of_remote_secrets(&secrets, &[list("/k", &[("to-east", "e"), ("more", "x")])]);
        let mesh = parsed(&proposal);
        assert_eq!(names(&mesh), ["east", "cluster-unknown", "east-2"]);
        let way =
            |path: &str, context: &str| Access::Kubeconfig { path: path.into(), context: Some(context.to_owned()) };
        assert_eq!(mesh.clusters[0].access, way("/k", "to-east"));
        assert_eq!(mesh.clusters[1].access, way("/m/kubeconfig.yaml", "cluster-unknown"));
        assert_eq!(proposal.left_out.len(), 1, "{:?}", proposal.left_out);
        let text = proposal.mesh_file();
        assert!(text.contains("    # fill in a context that may write its cacerts; its server is w; the path counts from the mesh file\n"), "{text}");
    }

    #[test]
    fn what_yaml_would_mistake_is_quoted() {
        for bare in ["east", "/home/a/.kube/config", "./k.yaml", "a_b-c.d"] {
            assert_eq!(scalar(bare), bare);
        }
        for odd in ["", "1", "true", "No", "~", "a: b", "a#b", "[x]", "a,b", "-", "\u{85}", "\u{2028}", "ä@ö", "\\\""]
        {
            let text = format!("{{ a: {}, b: 1 }}", scalar(odd));
            let read: BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(read["a"], odd, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_contexts_are_called_the_proposal_is_a_mesh_file(
            contexts in proptest::collection::vec(".{0,40}", 1..5),
        ) {
            let server: Vec<String> = (0..contexts.len()).map(|number| format!("s{number}")).collect();
            let pairs: Vec<_> = contexts.iter().map(String::as_str).zip(server.iter().map(String::as_str)).collect();
            let proposal = Proposal::of_contexts(&[list("./k", &pairs)], &[]);
            if !proposal.entries.is_empty() {
                let mesh = parsed(&proposal);
                for (cluster, entry) in mesh.clusters.iter().zip(&proposal.entries) {
                    let Access::Kubeconfig { context, .. } = &cluster.access else { panic!("{cluster:?}") };
                    prop_assert_eq!(context.as_deref(), Some(entry.context.as_str()));
                    prop_assert!(contexts.contains(&entry.context));
                }
            }
        }
    }
}
