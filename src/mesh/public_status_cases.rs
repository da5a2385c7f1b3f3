//! The document of a status says everything that metrics tell, and what is no such document is refused.

use std::collections::BTreeMap;

use time::Duration;

use crate::mesh::change::Change;
use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::counting::count;
use crate::mesh::exposition::Exposition;
use crate::mesh::fleet::ClusterName;
use crate::mesh::fleet_story::{NOW, Story, held, name};
use crate::mesh::metrics::{Build, FAMILIES, Family, Kind, MOST_SERIES_OF_A_CLUSTER, Told, Wording, render};
use crate::mesh::observed::{Replica, Way};
use crate::mesh::plan::Plan;
use crate::mesh::public_status;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::row::Row;
use crate::mesh::status::{Look, Status, status};
use crate::mesh::status_part::parts;
use crate::pki::validity::Validity;
use crate::problem::{Code, Problem};

const PLACE: &str = "status.json";

const BUILT: Build<'static> = Build { version: "0.1.0", revision: "abc" };

fn seen(story: &Story) -> Status {
    status(&story.mesh, &story.holdings, &story.observed, NOW + Duration::milliseconds(700))
}

fn document(status: &Status) -> Vec<u8> {
    serde_json::to_vec_pretty(status).unwrap()
}

fn read(status: &Status) -> ReportDocument {
    public_status::read(&document(status), PLACE).unwrap()
}

fn text(told: Told<'_>, exposition: Exposition) -> String {
    let wording = Wording { exposition, ..Wording::text(&ClusterLabel::USUAL, BUILT) };
    render(told, NOW + Duration::seconds(1), &wording)
}

/// A fleet in the middle of everything: a root change, a replica that signs with an old set, a cluster out of sight, a
/// window ahead, a ledger.
fn eventful() -> Status {
    let mut story = Story::new();
    let second = story.other_root("mesh1 \"root\" \\g2");
    story.holdings.roots.push(held(2, &second));
    story.mesh.root.trusted = [&story.root, &second].map(|made| made.certificate.fingerprint()).to_vec();
    let window = Validity::new(NOW - Duration::days(1), NOW + Duration::days(364));
    let issuing = story.issuing_of(&second, "mesh1 issuing g2", window);
    story.holdings.issuing.push(held(2, &issuing));
    let old = Replica { signer_spki: Some(b"old".to_vec()), ..Replica::new("a:1".to_owned(), Way::Chain) };
    story.look_at("east").replicas = vec![old];
    story.look_at("east").written_at = Some(NOW - Duration::days(30) + Duration::milliseconds(3));
    story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "connection refused"));
    let shut = crate::mesh::window::Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
    story.mesh.rotation.windows = crate::mesh::windows::Windows::new(vec![shut]);
    story.mesh.rotation.paused = true;
    let mut status = Status { recorded_at: Some(NOW - Duration::milliseconds(1)), ..seen(&story) };
    let nothing = Plan { steps: Vec::new(), ceremonies: Vec::new(), root_change: None, leaks: Vec::new() };
    let done =
        BTreeMap::from([(name("east"), Ok(Change::Create)), (name("west"), Err(Problem::new(Code::LockHeld, "?")))]);
    count(&nothing, &done, &mut status);
    status
}

#[test]
fn what_is_read_from_a_document_is_what_the_status_says() {
    let mut assumed = Story::new();
    assumed.cluster("west").istiod.assume_loaded_after = Some(Duration::ZERO);
    assumed.look_at("west").written_at = Some(NOW);
    let mut nothing = Story::new();
    nothing.observed.clear();
    let mut none_yet = Story::new();
    none_yet.look_at("east").secret = Ok(None);
    let eventful = eventful();
    assert!(eventful.root_change.as_ref().is_some_and(|change| !change.holdups.is_empty()), "{eventful:?}");
    for status in [seen(&Story::new()), seen(&assumed), seen(&nothing), seen(&none_yet), eventful] {
        let (of, read) = (ReportDocument::of(&status), read(&status));
        assert_eq!(of, read);
        for exposition in [Exposition::Text, Exposition::OpenMetrics] {
            assert_eq!(text(Told::Present(&of), exposition), text(Told::Present(&read), exposition));
        }
    }
}

#[test]
fn an_eventful_fleet_has_a_sample_of_every_family() {
    let text = text(Told::Present(&read(&eventful())), Exposition::Text);
    for family in FAMILIES {
        let begins = |line: &str| line.strip_prefix(family.name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert!(text.lines().any(begins), "{} has none\n{text}", family.name);
    }
}

#[test]
fn the_parts_of_a_status_together_say_what_the_whole_says() {
    let whole = eventful();
    let mut large = whole.clone();
    let (looks, rows) = (whole.clusters.clone(), whole.rows.clone());
    for number in 0..600 {
        let cluster = ClusterName::parse(&format!("c{number}")).unwrap();
        large.clusters.push(Look { cluster: cluster.clone(), ..looks[0].clone() });
        large.rows.extend(
            rows.iter()
                .filter(|row| row.cluster == Some(name("east")))
                .map(|row| Row { cluster: Some(cluster.clone()), ..row.clone() }),
        );
    }
    for status in [whole, large] {
        let maps = parts(&status, "meshca", "meshca-status").unwrap();
        let read = maps.iter().map(|(name, body)| {
            let map: serde_json::Value = serde_json::from_slice(body.expose()).unwrap();
            public_status::read(map["data"]["status.json"].as_str().unwrap().as_bytes(), name).unwrap()
        });
        let gathered = ReportDocument::gathered(read).unwrap();
        let told = text(Told::Present(&gathered), Exposition::Text);
        assert_eq!(told, text(Told::Present(&ReportDocument::of(&status)), Exposition::Text));
    }
    assert_eq!(ReportDocument::gathered([]), None);
}

#[test]
fn of_parts_of_different_age_the_oldest_counts() {
    let (mut older, newer) = (read(&seen(&Story::new())), read(&seen(&Story::new())));
    older.generated_at_seconds -= Duration::HOUR;
    let gathered = ReportDocument::gathered([newer, older.clone()]).unwrap();
    assert_eq!(gathered.generated_at_seconds, older.generated_at_seconds);
}

#[test]
fn a_status_that_cannot_be_read_any_more_is_told_as_such_and_one_that_never_could_leaves_two_samples() {
    let status = ReportDocument::of(&seen(&Story::new()));
    let (present, past) = (text(Told::Present(&status), Exposition::Text), text(Told::Past(&status), Exposition::Text));
    assert!(past == present.replace("\nmeshca_status_readable 1\n", "\nmeshca_status_readable 0\n") && past != present);
    let nothing = text(Told::Nothing, Exposition::Text);
    let samples: Vec<&str> = nothing.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, ["meshca_status_readable 0", "meshca_build_info{version=\"0.1.0\",revision=\"abc\"} 1"]);
    let stands_by = text(Told::StandsBy, Exposition::Text);
    let samples: Vec<&str> = stands_by.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        ["meshca_build_info{version=\"0.1.0\",revision=\"abc\"} 1"],
        "what it does not tell, another does"
    );
}

#[test]
fn what_is_no_status_is_refused_and_an_unknown_key_is_passed_over() {
    let good: serde_json::Value = serde_json::to_value(seen(&Story::new())).unwrap();
    let refused = |text: &[u8]| public_status::read(text, PLACE).unwrap_err();
    let changed = |key: &str, value: serde_json::Value| {
        let mut it = good.clone();
        it[key] = value;
        serde_json::to_vec(&it).unwrap()
    };
    let whole = serde_json::to_vec(&good).unwrap();
    for bad in [
        b"".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        b"[]".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        changed("apiVersion", "meshca.io/v2".into()),
        changed("kind", "Tick".into()),
        changed("rows", serde_json::Value::Null),
        changed("generatedAtSeconds", i64::MAX.into()),
        changed("clusters", vec![serde_json::json!({ "cluster": 7 })].into()),
    ] {
        let problem = refused(&bad);
        assert_eq!(problem.code(), Code::StatusUnreadable, "{problem:?}");
        assert!(problem.what().starts_with("status.json is not the public status of a mesh: "), "{problem:?}");
    }
    assert!(public_status::read(&changed("somethingNew", 1.into()), PLACE).is_ok());
    let mut old = good.clone();
    old.as_object_mut().unwrap().remove("recordedAtSeconds");
    assert!(
        public_status::read(&serde_json::to_vec(&old).unwrap(), PLACE).is_ok(),
        "what was written before there was one"
    );
}

#[test]
fn open_metrics_is_the_same_and_ends_with_its_mark() {
    let status = ReportDocument::of(&eventful());
    let plain = text(Told::Present(&status), Exposition::Text);
    // A counter has its ending at its samples alone.
    let named = |line: &str| if line.starts_with('#') { line.replace("_total ", " ") } else { line.to_owned() };
    let open: String = plain.lines().map(|line| named(line) + "\n").collect();
    assert_eq!(text(Told::Present(&status), Exposition::OpenMetrics), format!("{open}# EOF\n"));
    assert!(open.contains("# TYPE meshca_errors counter\nmeshca_errors_total{"), "{open}");
    for Family { name, help, kind, .. } in FAMILIES {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        // OpenMetrics has a rule more than 0.0.4: a quotation mark in a help text is escaped.
        assert!(!help.contains('"'), "{name}");
    }
}

#[test]
fn the_label_of_the_cluster_has_the_name_that_is_wished_for_everywhere() {
    let status = ReportDocument::of(&eventful());
    let label = ClusterLabel::parse("mesh_cluster").unwrap();
    let wording = Wording::text(&label, BUILT);
    let renamed = render(Told::Present(&status), NOW + Duration::seconds(1), &wording);
    assert!(!renamed.contains("{cluster=") && !renamed.contains(",cluster="));
    let back = renamed.replace("{mesh_cluster=", "{cluster=").replace(",mesh_cluster=", ",cluster=");
    assert_eq!(back, text(Told::Present(&status), Exposition::Text));
}

/// So many clusters, each with this many different roots in its bundle.
fn fleet(clusters: usize, roots: usize) -> ReportDocument {
    let mut status = eventful();
    let (look, rows) = (status.clusters[0].clone(), status.rows.clone());
    let east: Vec<Row> = rows.into_iter().filter(|row| row.cluster == Some(name("east"))).collect();
    let change = status.root_change.as_mut().unwrap();
    let holdup = change.holdups[0].clone();
    let start = status.last_starts.iter().find(|it| it.cluster.is_some()).unwrap().clone();
    (status.clusters, status.rows) = (Vec::new(), Vec::new());
    status.last_starts.retain(|it| it.cluster.is_none());
    change.holdups.clear();
    for number in 0..clusters {
        let cluster = ClusterName::parse(&format!("c{number}")).unwrap();
        let row = |row: &Row| Row { cluster: Some(cluster.clone()), ..row.clone() };
        status.clusters.push(Look { cluster: cluster.clone(), ..look.clone() });
        for kind in &east {
            status.rows.extend((0..roots).map(|each| {
                let mut row = row(kind);
                if let Some(facts) = &mut row.certificate {
                    facts.fingerprint = crate::pki::fingerprint::Fingerprint::of(format!("{number}/{each}").as_bytes());
                }
                row
            }));
        }
        change.holdups.push(crate::mesh::progress::Holdup { cluster: cluster.clone(), ..holdup.clone() });
        status.last_starts.push(crate::mesh::cadence::LastStart { cluster: Some(cluster), ..start.clone() });
    }
    ReportDocument::of(&status)
}

fn series(status: &ReportDocument) -> usize {
    text(Told::Present(status), Exposition::Text).lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn ten_thousand_clusters_have_so_many_series_each_and_no_more_whatever_lies_in_their_bundles() {
    let own = series(&fleet(0, 1));
    let each = (series(&fleet(10_000, 1)) - own) / 10_000;
    assert_eq!(each, 31 + 1, "docs/reference/metrics.md says it");
    assert_eq!(series(&fleet(10_000, 1)), own + 10_000 * each, "none is lost");
    assert!(each <= MOST_SERIES_OF_A_CLUSTER);
    for roots in [7, 8, 9, 200] {
        let more = series(&fleet(3, roots)) - own;
        assert_eq!(more, 3 * (each + 3 * 3 * (roots.min(8) - 1)), "{roots}");
        assert!(more <= 3 * MOST_SERIES_OF_A_CLUSTER);
    }
}

#[test]
fn of_too_many_certificates_those_that_end_first_have_their_detail() {
    let mut status = fleet(1, 1);
    let mut root = status.rows.iter().find(|row| row.role == "root").unwrap().clone();
    status.rows.retain(|row| row.role != "root");
    for number in (0..20).rev() {
        root.not_after_seconds = Some(NOW + Duration::days(100 + number));
        root.fingerprint = Some(format!("{number:064}"));
        status.rows.push(root.clone());
    }
    let text = text(Told::Present(&status), Exposition::Text);
    let detail = "meshca_certificate_not_after_timestamp_seconds{cluster=\"c0\",role=\"root\"";
    let ends =
        text.lines().filter(|line| line.starts_with(detail)).map(|line| line.rsplit_once(' ').unwrap().1.to_owned());
    let wanted: Vec<String> = (0..8).map(|it| (NOW + Duration::days(100 + it)).unix_timestamp().to_string()).collect();
    assert_eq!(ends.collect::<Vec<_>>(), wanted);
}
