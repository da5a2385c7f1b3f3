//! The meshes that walk: their mesh files, and what a test must make in an API server for them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::times::Times;
use crate::clusters::{ApiServer, kubeconfig};
use crate::scripted_istiod::{MultiRoot, Place, Script, ScriptedIstiod};
use crate::support::story::Story;
use crate::walk::gateway::{Dooms, Gateway, Way};

/// The name of every mesh that walks.
pub(crate) const MESH: &str = "shop";

/// A control plane: how its istiod takes another trust bundle, and how it is restarted if it takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Live.
    MultiRoot,
    /// At a restart, which meshca asks its Deployment for.
    RestartedByMeshca,
    /// At a restart, which people see to.
    RestartedByPeople,
}

/// In which order a run writes its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each run in the same one.
    OneByOne,
    /// In any, as runs do unless the mesh file says otherwise.
    AtOnce,
}

/// A control plane that is about to walk.
pub(crate) struct Plane {
    pub(crate) name: &'static str,
    pub(crate) habit: Habit,
    pub(crate) istiod: ScriptedIstiod,
    pub(crate) home: Place,
}

/// A mesh whose folder holds nothing but its mesh file.
pub(crate) struct Layout {
    pub(crate) story: Story,
    pub(crate) planes: Vec<Plane>,
    /// Where the trust bundle of each remote is shown.
    pub(crate) remotes: Vec<Place>,
    /// The ways to the API servers, in their order.
    pub(crate) ways: Vec<Way>,
}

impl Layout {
    /// Control planes in folders, each with an istiod whose chain can be looked at.
    pub(crate) fn in_folders(planes: &[(&'static str, Habit)], order: Order, times: &Times) -> Self {
        let story = Story::new("");
        let mut text = head(order);
        let planes = planes.iter().map(|(name, habit)| {
            let home = Place::Folder(story.path(&format!("clusters/{name}")));
            let istiod = down(&home, *habit, Vec::new(), times);
            let access = format!("directory: ./clusters/{name}");
            text.push_str(&primary(name, "istio-system", &access, *habit, &istiod));
            Plane { name, habit: *habit, istiod, home }
        });
        let planes = planes.collect();
        story.write("mesh.yaml", text);
        Self { story, planes, remotes: Vec::new(), ways: Vec::new() }
    }

    /// Two primaries and a remote of the first, in this namespace of three API servers. `east` takes trust bundles live,
    /// `west` at a restart that meshca asks for.
    pub(crate) fn on_servers(
        servers: [&'static ApiServer; 3],
        namespace: &str,
        order: Order,
        times: &Times,
        dooms: &Dooms,
    ) -> Self {
        let story = Story::new("");
        let mut text = head(order);
        let place = |server| Place::Namespace(server, namespace.to_owned());
        let remote = place(servers[2]);
        let (mut planes, mut ways) = (Vec::new(), Vec::new());
        for (name, server) in ["east", "west", "far"].into_iter().zip(servers) {
            let gateway = Gateway::to(server, times, dooms);
            ways.push(gateway.way);
            let url = format!("http://127.0.0.1:{}", gateway.port);
            let config = kubeconfig(name, &url, server.authority(), server.token("admin"));
            story.write(&format!("{name}.kubeconfig"), config.to_string());
            let access = format!("kubeconfig: ./{name}.kubeconfig");
            if name == "far" {
                make_namespace(server, namespace, Some("east"));
                writeln!(
                    text,
                    "  - {{ name: far, role: remote, primary: east, namespace: {namespace}, access: {{ {access} }} }}"
                )
                .unwrap();
                continue;
            }
            make_namespace(server, namespace, None);
            let (habit, also) = match name {
                "east" => (Habit::MultiRoot, vec![remote.clone()]),
                _ => (Habit::RestartedByMeshca, Vec::new()),
            };
            deploy(server, namespace, habit);
            let home = place(server);
            let istiod = down(&home, habit, also, times);
            text.push_str(&primary(name, namespace, &access, habit, &istiod));
            planes.push(Plane { name, habit, istiod, home });
        }
        story.write("mesh.yaml", text);
        Self { story, planes, remotes: vec![remote], ways }
    }
}

fn head(order: Order) -> String {
    let write = match order {
        Order::OneByOne => "write: 1, ",
        Order::AtOnce => "",
    };
    format!("version: 1\nmesh: {MESH}\nlab: true\nrotation: {{ {write}deadline: 20s }}\nclusters:\n")
}

fn primary(name: &str, namespace: &str, access: &str, habit: Habit, istiod: &ScriptedIstiod) -> String {
    let more = match habit {
        Habit::MultiRoot => ", multiRoot: true",
        Habit::RestartedByMeshca => ", restart: true",
        Habit::RestartedByPeople => "",
    };
    let address = istiod.address();
    format!(
        "  - {{ name: {name}, network: {name}, role: primary, namespace: {namespace}, access: {{ {access} }}, istiod: {{ \
         addresses: ['{address}']{more} }} }}\n"
    )
}

fn down(home: &Place, habit: Habit, also_shows: Vec<Place>, times: &Times) -> ScriptedIstiod {
    let multi_root = if habit == Habit::MultiRoot { MultiRoot::Substring } else { MultiRoot::Off };
    let namespace = match home {
        Place::Namespace(_, namespace) => namespace.clone(),
        Place::Folder(_) => "istio-system".to_owned(),
    };
    let clock = times.clock.clone();
    let script = Script { multi_root, also_shows, clock, namespace, ..Script::new(home.clone(), home.clone()) };
    ScriptedIstiod::down_from_the_start(script)
}

/// What a Deployment says that `kubectl rollout restart` is to have done.
pub(crate) fn restarted_at(home: &Place) -> Value {
    let Place::Namespace(server, namespace) = home else { return Value::Null };
    let path = format!("GET /apis/apps/v1/namespaces/{namespace}/deployments/istiod");
    let deployment = server.ask(server.token("admin"), &path, "", "").unwrap().json();
    deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].clone()
}

fn make_namespace(server: &ApiServer, name: &str, control_planes: Option<&str>) {
    let annotations = control_planes.map(|named| json!({ "topology.istio.io/controlPlaneClusters": named }));
    let object =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "annotations": annotations } });
    post(server, "/api/v1/namespaces", &object);
}

/// The Deployment of an istiod, as far as meshca reads it. No pod ever runs here: the test restarts its istiod.
fn deploy(server: &ApiServer, namespace: &str, habit: Habit) {
    let multi_root = if habit == Habit::MultiRoot { "true" } else { "false" };
    let env = json!([{ "name": "ISTIO_MULTIROOT_MESH", "value": multi_root },
        { "name": "MAX_WORKLOAD_CERT_TTL", "value": "24h" }]);
    let labels = json!({ "app": "istiod" });
    let template = json!({ "metadata": { "labels": labels },
        "spec": { "containers": [{ "name": "discovery", "image": "pilot:1", "env": env }] } });
    let object = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "istiod", "labels": labels },
        "spec": { "selector": { "matchLabels": labels }, "template": template } });
    post(server, &format!("/apis/apps/v1/namespaces/{namespace}/deployments"), &object);
}

fn post(server: &ApiServer, path: &str, object: &Value) {
    let request = format!("POST {path}");
    let answer = server.ask(server.token("admin"), &request, "application/json", &object.to_string()).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
}
