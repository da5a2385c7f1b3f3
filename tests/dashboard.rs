//! The dashboard for Grafana: its form, and that it asks for nothing but series that there are, in words that Prometheus reads.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use meshca::mesh::manifests::dashboard::SOURCE;
use meshca::mesh::metrics::FAMILIES;
use serde_json::{Value, json};
use support::judges::{program, run};
use support::story::{Story, lab};

fn dashboard() -> Value {
    serde_json::from_str(SOURCE).unwrap()
}

/// The panels that show something.
fn panels() -> Vec<Value> {
    panels_of(&dashboard())
}

fn panels_of(dashboard: &Value) -> Vec<Value> {
    let all = dashboard["panels"].as_array().unwrap().clone();
    all.into_iter().filter(|panel| panel["type"] != "row").collect()
}

/// What is asked of Prometheus, with the variables as they are where everything is chosen.
fn questions() -> Vec<String> {
    questions_of(&dashboard())
}

fn questions_of(dashboard: &Value) -> Vec<String> {
    let asked = panels_of(dashboard).into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    asked.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn filled_in(question: &str) -> String {
    let chosen =
        [("$cluster", "east"), ("$job", ".+"), ("$instance", ".+"), ("$__range", "7d"), ("$__interval", "10m")];
    chosen.iter().fold(question.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[test]
fn each_panel_has_a_title_of_its_own_a_description_a_unit_and_the_chosen_source() {
    let mut titles = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(titles.insert(title.to_owned()), "two panels are named {title}");
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
        assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty(), "{title}");
        let targets = panel["targets"].as_array().unwrap().iter().map(|target| &target["datasource"]);
        for source in targets.chain([&panel["datasource"]]) {
            assert_eq!(source["uid"], "${datasource}", "{title}");
        }
    }
    assert!(titles.len() > 8, "{titles:?}");
    let dashboard = dashboard();
    assert_eq!((dashboard["uid"].as_str(), dashboard["editable"].as_bool()), (Some("meshca"), Some(false)));
    let rows = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "row");
    assert_eq!(rows.filter(|row| row["repeat"] == "cluster").count(), 1, "one row for each cluster");
}

#[test]
fn no_two_panels_lie_on_each_other_and_none_sticks_out() {
    let mut taken = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let place = |of: &str| panel["gridPos"][of].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
    }
}

#[test]
fn it_asks_for_series_that_there_are_and_leaves_out_none_that_warns() {
    let text = questions().join("\n");
    let word = |byte: char| !byte.is_ascii_alphanumeric() && byte != '_';
    let asked: BTreeSet<&str> =
        text.split(word).filter(|it| it.starts_with("meshca_") || it.starts_with("istio_")).collect();
    let known: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert!(asked.is_subset(&known), "{:?}", asked.difference(&known));
    for needed in [
        "istio_cert_expiry_timestamp",
        "meshca_cluster_managed",
        "meshca_cluster_up",
        "meshca_errors_total",
        "meshca_istiod_loaded",
        "meshca_istiod_loaded_grade",
        "meshca_last_rotation_attempt_timestamp_seconds",
        "meshca_root_change_stage",
        "meshca_root_change_waits_for",
        "meshca_rotation_last_safe_start_timestamp_seconds",
        "meshca_rotations_total",
        "meshca_status_timestamp_seconds",
    ] {
        assert!(asked.contains(needed), "{needed} is not on it");
    }
}

#[test]
fn the_table_of_time_left_begins_with_the_least_and_no_table_is_sorted_by_a_column_that_it_has_not() {
    let (panels, mut sorted) = (panels(), BTreeMap::new());
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        let steps = panel["transformations"].as_array().into_iter().flatten();
        let columns: Vec<(&String, &Value)> =
            steps.filter_map(|step| step["options"]["renameByName"].as_object()).flatten().collect();
        for by in panel["options"]["sortBy"].as_array().into_iter().flatten() {
            let column = columns.iter().find(|(_, shown)| **shown == by["displayName"]);
            assert!(column.is_some(), "{title} has no column {by}");
            sorted.insert(title, (column.unwrap().0.as_str(), by["desc"].clone()));
        }
    }
    assert_eq!(sorted.get("Time left, worst first"), Some(&("Value #A", json!(false))), "{sorted:?}");
    assert_eq!(sorted.get("Last safe starts"), Some(&("Value", json!(false))), "{sorted:?}");
    // The first question of the one is how long until the end, and the answer is in its order already.
    let worst = panels.iter().find(|panel| panel["title"] == "Time left, worst first").unwrap();
    let asked = (worst["targets"][0]["refId"].as_str().unwrap(), worst["targets"][0]["expr"].as_str().unwrap());
    assert_eq!(asked.0, "A");
    assert!(asked.1.starts_with("sort(min by (cluster, role) (istio_cert_expiry_timestamp{"), "{}", asked.1);
    assert!(asked.1.ends_with(" - time())"), "{}", asked.1);
}

#[test]
fn prometheus_reads_every_question() {
    let story = Story::new(&lab("mesh1", "", &["east"]));
    are_read(&story, &questions());
}

fn are_read(story: &Story, questions: &[String]) {
    let records: Vec<Value> = (questions.iter().enumerate())
        .map(|(number, question)| json!({ "record": format!("question:{number}"), "expr": filled_in(question) }))
        .collect();
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": records }] });
    fs::write(story.path("questions.yaml"), rules.to_string()).unwrap();
    let mut promtool = Command::new(program("promtool"));
    let output = run(promtool.current_dir(story.path("")).args(["check", "rules", "questions.yaml"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The words of a question.
fn words(question: &str) -> Vec<&str> {
    question.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').collect()
}

#[test]
fn under_another_label_every_question_column_and_choice_goes_by_it() {
    let story = Story::new(&lab("mesh1", "", &["east"]));
    let text = story.meshca("manifests dashboard --plain --cluster-label mesh_cluster").fine().out;
    let other: Value = serde_json::from_str(&text).unwrap();
    let asked = questions_of(&other);
    for (usual, other) in questions().iter().zip(&asked) {
        assert!(!words(other).contains(&"cluster"), "{other}");
        let count = |question, word: &str| words(question).into_iter().filter(|it| *it == word).count();
        assert_eq!(count(usual, "cluster"), count(other, "mesh_cluster"), "{other}");
        assert_eq!(count(usual, "$cluster"), count(other, "$cluster"), "{other}");
    }
    are_read(&story, &asked);
    // The variable keeps its name, and finds its values by the label.
    let variables = other["templating"]["list"].as_array().unwrap();
    let cluster = variables.iter().find(|it| it["name"] == "cluster").unwrap();
    for asked in [&cluster["definition"], &cluster["query"]["query"]] {
        assert!(asked.as_str().unwrap().ends_with(", mesh_cluster)"), "{asked}");
    }
    assert!(other["panels"].as_array().unwrap().iter().any(|panel| panel["repeat"] == "cluster"));
    // Tables have a column for each label.
    let mut columns = 0;
    for panel in panels_of(&other) {
        for step in panel["transformations"].as_array().into_iter().flatten() {
            for list in ["indexByName", "renameByName"] {
                let named = step["options"][list].as_object();
                assert!(named.is_none_or(|it| !it.contains_key("cluster")), "{step}");
                columns += usize::from(named.is_some_and(|it| it.contains_key("mesh_cluster")));
            }
        }
    }
    assert_eq!(columns, 7);
    let printed = story.meshca("manifests dashboard --cluster-label mesh_cluster").fine().out;
    let read: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(read["data"]["meshca.json"], text);
}

#[test]
fn it_is_printed_letter_for_letter_or_as_a_config_map() {
    let story = Story::new(&lab("mesh1", "", &["east"]));
    assert_eq!(story.meshca("manifests dashboard --plain").fine().out, SOURCE);
    let printed = story.meshca("manifests dashboard --namespace monitoring --label team=mesh").fine().out;
    let read: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(read["data"]["meshca.json"], SOURCE);
    assert_eq!(read["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(read["metadata"]["labels"]["team"], "mesh");
}
