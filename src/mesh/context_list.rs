//! The contexts of a kubeconfig and the servers that they lead to. Users, and with them every token and key, are passed
//! over.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::pki::plain_text::plain;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// The largest kubeconfig that is read, in bytes.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// The contexts of one kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextList {
    /// The file, as the user or the environment names it.
    pub path: PathBuf,
    /// The contexts, in the order of the file.
    pub contexts: Vec<Context>,
    /// The context that is used where none is named.
    pub current: Option<String>,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The API server that it leads to; `None`: the file does not say.
    pub server: Option<Server>,
}

/// An API server, by all that tells it from others: a proxy may lead to many by path or by server name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    url: String,
    tls_name: Option<String>,
}

impl Server {
    /// Host and port, without anything that could be a credential.
    #[must_use]
    pub fn host(&self) -> String {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        plain(authority.rsplit('@').next().unwrap_or_default(), 120)
    }
}

impl std::fmt::Debug for Server {
    /// A URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.host())
    }
}

#[derive(Deserialize)]
struct Written {
    contexts: Option<Vec<WrittenContext>>,
    clusters: Option<Vec<WrittenCluster>>,
    #[serde(rename = "current-context")]
    current: Option<String>,
}

#[derive(Deserialize)]
struct WrittenContext {
    name: String,
    context: Option<ClusterOf>,
}

#[derive(Deserialize)]
struct ClusterOf {
    cluster: Option<String>,
}

#[derive(Deserialize)]
struct WrittenCluster {
    name: String,
    cluster: Option<ServerOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ServerOf {
    server: Option<String>,
    tls_server_name: Option<String>,
}

impl ContextList {
    /// Reads a kubeconfig. Errors never quote it: it may hold a token.
    ///
    /// # Errors
    /// `kubeconfig-unusable`.
    pub fn parse(text: &Secret, path: &Path) -> Result<Self, Problem> {
        let unusable = |why: String| {
            Problem::new(Code::KubeconfigUnusable, format!("{} is not a kubeconfig{why}", path.display()))
                .hint(format!("kubectl --kubeconfig {} config get-contexts", path.display()))
        };
        let words = std::str::from_utf8(text.expose()).map_err(|_| unusable(": it is not UTF-8 text".to_owned()))?;
        let options = serde_saphyr::options! { with_snippet: false };
        let written: Written = serde_saphyr::from_str_with_options(words, options).map_err(|error| {
            unusable(
                error.location().map_or_else(String::new, |at| format!(": line {} is not as it should be", at.line())),
            )
        })?;
        let clusters = written.clusters.unwrap_or_default();
        let server = |name: &str| {
            let found = clusters.iter().find(|it| it.name == name)?.cluster.as_ref()?;
            let url = found.server.as_ref()?.trim_end_matches('/').to_owned();
            Some(Server { url, tls_name: found.tls_server_name.clone() })
        };
        let contexts = written.contexts.unwrap_or_default().into_iter().map(|it| {
            let server = it.context.and_then(|context| context.cluster).and_then(|cluster| server(&cluster));
            Context { name: it.name, server }
        });
        Ok(Self { path: path.to_owned(), contexts: contexts.collect(), current: written.current })
    }

    /// The context of this name.
    #[must_use]
    pub fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.name == name)
    }

    /// The server of the context that is used where none is named, or of the only one.
    #[must_use]
    pub fn usual_server(&self) -> Option<&Server> {
        let current = self.current.as_deref().and_then(|name| self.context(name));
        current.or_else(|| self.contexts.first()).and_then(|context| context.server.as_ref())
    }
}

/// The first file that has a context of this name, as kubectl takes it from several.
///
/// # Errors
/// `kubeconfig-unusable`, with the contexts that there are.
pub fn find<'a>(lists: &'a [ContextList], name: &str) -> Result<(&'a ContextList, &'a Context), Problem> {
    lists.iter().find_map(|list| Some((list, list.context(name)?))).ok_or_else(|| {
        let files: Vec<String> = lists.iter().map(|list| list.path.display().to_string()).collect();
        let known: Vec<&str> = lists.iter().flat_map(|list| &list.contexts).map(|it| it.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let name = plain(name, 200);
        Problem::new(Code::KubeconfigUnusable, format!("{name}: {} has no context of this name", files.join(" or ")))
            .fact(format!("contexts  {}", plain(&known, 1000)))
            .hint(match lists {
                [only] => format!("kubectl --kubeconfig {} config get-contexts", only.path.display()),
                _ => "kubectl config get-contexts".to_owned(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
apiVersion: v1
kind: Config
current-context: west
contexts:
- { name: east, context: { cluster: c1, user: admin } }
- { name: west, context: { cluster: c2, user: admin } }
- { name: nowhere, context: { cluster: c3, user: admin } }
clusters:
- { name: c1, cluster: { server: 'https://user:word@east.example:6443/path', tls-server-name: e } }
- { name: c2, cluster: { server: 'https://[::1]:6443' } }
users:
- { name: admin, user: { token: TOKEN-VALUE } }
";

    fn parse(text: &str) -> Result<ContextList, Problem> {
        ContextList::parse(&Secret::new(text.into()), Path::new("k.yaml"))
    }

    #[test]
    fn contexts_and_their_servers_are_read_and_users_are_not() {
        let list = parse(TEXT).unwrap();
        let server = |name: &str| list.context(name).unwrap().server.clone();
        assert_eq!(server("east").unwrap().host(), "east.example:6443");
        assert_eq!(server("nowhere"), None);
        assert_eq!(list.usual_server().unwrap().host(), "[::1]:6443");
        let shown = format!("{list:?}");
        assert!(!shown.contains("TOKEN-VALUE") && !shown.contains("word"), "{shown}");
    }

    #[test]
    fn servers_behind_one_host_are_told_apart_by_path_and_by_name() {
        let server = |cluster: &str| {
            let text = format!(
                "contexts: [{{ name: a, context: {{ cluster: c }} }}]\nclusters: [{{ name: c, cluster: {{ {cluster} }} }}]"
            );
            parse(&text).unwrap().contexts[0].server.clone().unwrap()
        };
        let plain = server("server: 'https://h/'");
        assert_eq!(plain, server("server: 'https://h'"));
        assert_ne!(plain, server("server: 'https://h/k8s/clusters/c-1'"));
        assert_ne!(plain, server("server: 'https://h', tls-server-name: one"));
    }

    #[test]
    fn what_is_not_a_kubeconfig_is_refused_and_not_quoted() {
        for text in ["contexts: TOKEN-VALUE", "- TOKEN-VALUE", "contexts: [{ TOKEN-VALUE: 1 }]", "\u{0}", "a: &a [*a]"]
        {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.code(), Code::KubeconfigUnusable, "{text}");
            assert!(!format!("{problem:?}").contains("TOKEN-VALUE"), "{problem:?}");
        }
    }

    #[test]
    fn a_context_is_taken_from_the_first_file_that_has_it() {
        let (first, mut second) = (parse("contexts: [{ name: east }]").unwrap(), parse(TEXT).unwrap());
        second.path = "second.yaml".into();
        let lists = [first, second];
        assert_eq!(find(&lists, "east").unwrap().0.path, Path::new("k.yaml"));
        assert_eq!(find(&lists, "west").unwrap().0.path, Path::new("second.yaml"));
        let problem = find(&lists, "north").unwrap_err();
        assert_eq!(problem.facts(), ["contexts  east, east, west, nowhere"]);
    }
}
