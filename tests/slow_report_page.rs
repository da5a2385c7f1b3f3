//! The page of `report -o html` in a real Chromium: what it looks like, what it does when somebody types and clicks, what a
//! screen reader is told, and that it asks nobody for anything.
//!
//! Pictures of it lie in `target/tmp/report_page` afterwards.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what cannot be read back is a failed test")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/hostile_lab.rs"]
mod hostile_lab;
#[path = "support/judges.rs"]
mod judges;
#[path = "support/published_lab.rs"]
mod published_lab;

use browser::Browser;
use hostile_lab::{ODD, hostile};
use published_lab::Lab;
use serde_json::Value;

/// A second less than seven days before the first intermediates end.
const LATE: &str = "--at 2027-02-14T10:00:01Z";

/// The rows that are shown, each with its cluster, its end, and all its words.
const SHOWN: &str = "[...document.querySelectorAll('#rows tbody tr')].filter((row) => row.getClientRects().length) \
    .map((row) => [row.cells[0].textContent, row.querySelector('time')?.dateTime ?? '', row.textContent])";

const COUNT: &str = "document.getElementById('count').textContent";

/// Every text that can be seen whose colour is too near to what it stands on, by the formula of WCAG 2.
const FAINT: &str = "(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = { seen: 0, faint: [] };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.getClientRects().length) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.seen += 1;
    if (!(ratio >= 4.5)) found.faint.push(`${ratio.toFixed(2)}: ${walk.currentNode.data.trim()}`);
  }
  return found;
})()";

/// What somebody could type into or click on, and can be seen; the heads of the table are words first of all.
const TOOLS_SHOWN: &str = "[...document.querySelectorAll('input, select, output, button, a.skip')] \
    .filter((element) => element.getClientRects().length && !element.closest('th')).length";

/// A lab with ends at three moments, and a cluster that shows nothing.
fn staggered() -> Lab {
    let lab = Lab::new();
    for (cluster, moment) in [("west", "2026-11-28T10:00:00Z"), ("east", "2026-12-01T10:00:00Z")] {
        lab.ends(&format!("rotate --now {cluster} --reason a_test --passphrase-file passphrase --at {moment}"), 0);
    }
    let north = "  - { name: north, role: primary, access: { directory: ./north } }\n";
    lab.write("mesh.yaml", lab.read("mesh.yaml") + north);
    lab
}

/// A lab with so many clusters.
fn fleet(clusters: usize) -> Lab {
    let lab = Lab::new();
    let more: String = (3..clusters)
        .map(|number| {
            format!("  - {{ name: shop-{number}, role: primary, access: {{ directory: ./shop-{number} }} }}\n")
        })
        .collect();
    lab.write("mesh.yaml", lab.read("mesh.yaml") + &more);
    // Not `issue`, which stretches the passphrase anew for each key that it stores.
    lab.ends("rotate --passphrase-file passphrase", 0);
    lab
}

fn page_of(lab: &Lab, words: &str) -> String {
    let told = lab.run(&format!("report -o html {words}"));
    assert!(told.out.starts_with("<!DOCTYPE html>"), "{}", told.err);
    told.out
}

fn shown(browser: &mut Browser) -> Vec<[String; 3]> {
    serde_json::from_value(browser.says(SHOWN)).unwrap()
}

#[test]
fn the_page_runs_without_a_complaint_and_without_a_request_to_anybody() {
    let mut browser = Browser::start();
    for page in [page_of(&staggered(), LATE), page_of(&hostile(), "")] {
        let address = browser.open(&page);
        assert!(browser.text(COUNT).ends_with(" rows"), "its script ran");
        browser.click("#search");
        browser.write("east");
        browser.click("#clear");
        browser.click("#rows th:nth-child(4) button");
        assert_eq!(browser.complaints(), Vec::<String>::new());
        let requests = browser.requests();
        assert!(requests.contains(&address.as_str()), "the page itself is heard of: {requests:?}");
        assert!(requests.iter().all(|it| *it == address || it.starts_with("data:")), "{requests:?}");
    }
}

#[test]
fn a_page_with_faults_is_found_out() {
    let mut browser = Browser::start();
    browser.open(
        "<!DOCTYPE html><title>bad</title><p style='color:#999'>faint</p><button></button>\
         <img src='http://elsewhere.example/x.png'><script>console.warn('w'); nothing.there = 1</script>",
    );
    let complaints = browser.complaints().concat();
    for part in ["consoleAPICalled", "exceptionThrown", "ERR_NAME_NOT_RESOLVED"] {
        assert!(complaints.contains(part), "{part} is not in {complaints}");
    }
    assert!(browser.requests().contains(&"http://elsewhere.example/x.png"));
    assert_eq!(browser.says(FAINT)["faint"], serde_json::json!(["2.85: faint"]));
    assert_eq!(browser.says(TOOLS_SHOWN), 1);
    assert_eq!(nameless(&browser.spoken()), ["button"]);
}

#[test]
fn typing_leaves_the_rows_with_all_the_words_and_the_count_says_how_many() {
    let mut browser = Browser::start();
    browser.open(&page_of(&staggered(), LATE));
    let all = shown(&mut browser);
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(browser.text(COUNT), "6 of 6 rows");
    browser.click("#search");
    browser.write("EAST inter");
    let left = shown(&mut browser);
    let fits = |row: &&[String; 3]| {
        let words = row[2].to_lowercase();
        words.contains("east") && words.contains("inter")
    };
    assert_eq!(left, all.iter().filter(fits).cloned().collect::<Vec<_>>());
    assert!((1..6).contains(&left.len()), "{left:?}");
    assert_eq!(browser.text(COUNT), format!("{} of 6 rows", left.len()));
    browser.write(" nothing like it");
    assert_eq!((shown(&mut browser).len(), browser.text(COUNT)), (0, "0 of 6 rows".to_owned()));
    browser.click("#clear");
    assert_eq!((shown(&mut browser), browser.text(COUNT)), (all, "6 of 6 rows".to_owned()));
    assert_eq!(browser.text("document.activeElement.id"), "search", "who cleared it types on");
}

#[test]
fn a_status_and_a_role_are_chosen_with_the_keys() {
    let mut browser = Browser::start();
    browser.open(&page_of(&staggered(), LATE));
    browser.click("#search");
    browser.press("Tab", 9);
    assert_eq!(browser.text("document.activeElement.id"), "status");
    browser.press("ArrowDown", 40);
    assert_eq!(
        browser.text("status.selectedOptions[0].textContent".replace("status", "document.activeElement").as_str()),
        "needs somebody"
    );
    let left =
        browser.says("[...document.querySelectorAll('#rows tbody tr')].map((row) => [row.hidden, row.dataset.o])");
    for row in left.as_array().unwrap() {
        assert_eq!(row[0] == true, row[1] == "fine", "{left}");
    }
    assert_ne!(browser.text(COUNT), "6 of 6 rows");
    browser.press("ArrowUp", 38);
    browser.press("Tab", 9);
    assert_eq!(browser.text("document.activeElement.id"), "role");
    browser.press("ArrowDown", 40);
    let role = browser.text("document.activeElement.value");
    let kept = shown(&mut browser);
    assert!(!kept.is_empty() && kept.iter().all(|row| row[2].contains(&role)), "{role}: {kept:?}");
}

#[test]
fn heads_sort_by_mouse_and_keys_and_say_so_and_what_has_no_end_comes_last() {
    let mut browser = Browser::start();
    browser.open(&page_of(&staggered(), LATE));
    let sorts = "[...document.querySelectorAll('#rows thead th')].map((head) => head.ariaSort ?? '')";
    let says = |browser: &mut Browser| -> Vec<String> { serde_json::from_value(browser.says(sorts)).unwrap() };
    assert_eq!(says(&mut browser).concat(), "");
    browser.click("#rows th:nth-child(4) button");
    assert_eq!(says(&mut browser)[3], "ascending");
    let ends: Vec<String> = shown(&mut browser).into_iter().map(|row| row[1].clone()).collect();
    let (last, first) = ends.split_last().unwrap();
    assert_eq!(last, "", "{ends:?}");
    assert!(first.is_sorted() && first[0] < first[4] && !first[0].is_empty(), "{first:?}");
    browser.press("Enter", 13);
    assert_eq!(says(&mut browser)[3], "descending");
    let turned: Vec<String> = shown(&mut browser).into_iter().map(|row| row[1].clone()).collect();
    let (last, turned) = turned.split_last().unwrap();
    assert_eq!(last, "");
    assert!(turned.is_sorted_by(|a, b| a >= b), "{turned:?}");
    browser.click("#rows th:nth-child(1) button");
    assert_eq!(says(&mut browser).concat(), "ascending", "one column at a time");
    let names: Vec<String> = shown(&mut browser).into_iter().map(|row| row[0].clone()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

/// The roles of what can be used and has no name.
fn nameless(spoken: &[Value]) -> Vec<String> {
    let usable = |node: &&Value| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let properties = node["properties"].as_array().into_iter().flatten();
        let focusable = properties.into_iter().any(|it| it["name"] == "focusable" && it["value"]["value"] == true);
        let known =
            ["button", "searchbox", "textbox", "combobox", "link", "table", "heading", "columnheader", "rowheader"];
        (known.contains(&role) || focusable) && role != "RootWebArea"
    };
    let without = spoken.iter().filter(usable).filter(|node| node["name"]["value"].as_str().is_none_or(str::is_empty));
    without.map(|node| node["role"]["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_screen_reader_is_told_a_name_of_everything_that_can_be_used() {
    let mut browser = Browser::start();
    for page in [page_of(&staggered(), LATE), page_of(&hostile(), "")] {
        browser.open(&page);
        let spoken = browser.spoken();
        assert_eq!(nameless(&spoken), Vec::<String>::new());
        let named = |role: &str| -> Vec<&str> {
            let of = spoken.iter().filter(|node| node["role"]["value"] == role);
            of.map(|node| node["name"]["value"].as_str().unwrap_or_default()).collect()
        };
        assert_eq!(named("searchbox"), ["Words"]);
        assert_eq!(named("combobox"), ["Status", "Role"]);
        assert_eq!(named("search"), ["Filter certificates"]);
        assert!(["Clear", "Cluster", "Expires in"].iter().all(|name| named("button").contains(name)));
        assert!(["Mesh m1", "Certificates", "Who verifies whom"].iter().all(|name| named("heading").contains(name)));
        assert!(named("table").iter().any(|name| name.contains("Bars are drawn on a scale for each role")));
        assert!(named("rowheader").contains(&"east"));
        let bars: Vec<&str> = named("image").into_iter().chain(named("img")).collect();
        assert!(!bars.is_empty() && bars.iter().all(|bar| bar.starts_with("issued ")), "{bars:?}");
        let live = |node: &&Value| node["role"]["value"] == "status";
        assert_eq!(spoken.iter().filter(live).count(), 1, "the count is announced");
    }
}

#[test]
fn each_scheme_has_its_ground_and_every_text_stands_out_from_it() {
    let mut browser = Browser::start();
    browser.open(&page_of(&staggered(), LATE));
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.shown_on("screen", scheme);
        grounds.push(browser.text("getComputedStyle(document.body).backgroundColor"));
        let found = browser.says(FAINT);
        assert!(found["seen"].as_u64().unwrap() > 50, "{found}");
        assert_eq!(found["faint"], serde_json::json!([]), "{scheme}");
        browser.picture(scheme);
    }
    assert_eq!(grounds, ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]);
}

#[test]
fn on_paper_there_is_nothing_to_click_and_no_table_is_cut() {
    let mut browser = Browser::start();
    browser.open(&page_of(&staggered(), LATE));
    assert!(browser.says(TOOLS_SHOWN).as_u64().unwrap() >= 5);
    browser.shown_on("print", "dark");
    // A4 upright, less the margins that browsers leave: 210 mm less 2 of 10 are 718 pixels of CSS.
    browser.sized(718, 1000);
    browser.picture("print");
    assert_eq!(browser.says(TOOLS_SHOWN), 0);
    assert_eq!(browser.text("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "no ink wasted");
    assert_eq!(browser.says(FAINT)["faint"], serde_json::json!([]));
    // The longest name that a cluster can have, without a place to break it at.
    browser.says("document.querySelector('#rows tbody th').textContent = 'x'.repeat(63)");
    let widths =
        browser.says("[...document.querySelectorAll('table')].map((table) => table.getBoundingClientRect().right)");
    let widths: Vec<f64> = serde_json::from_value(widths).unwrap();
    assert!(widths.len() >= 2 && widths.iter().all(|right| *right <= 718.0), "{widths:?}");
    assert!(browser.printed("print").starts_with(b"%PDF-"));
}

#[test]
fn on_a_telephone_the_tables_scroll_and_the_page_does_not() {
    let mut browser = Browser::start();
    browser.sized(360, 740);
    browser.open(&page_of(&staggered(), LATE));
    browser.picture("telephone");
    assert_eq!(browser.says("document.documentElement.scrollWidth"), 360);
}

#[test]
fn without_its_script_every_row_is_there_and_nothing_that_would_not_work() {
    let mut browser = Browser::start();
    browser.ask("Emulation.setScriptExecutionDisabled", &serde_json::json!({ "value": true }));
    browser.open(&page_of(&staggered(), LATE));
    assert_eq!(shown(&mut browser).len(), 6);
    let usable =
        "[...document.querySelectorAll('input, select, button')].filter((it) => it.getClientRects().length).length";
    assert_eq!(browser.says(usable), 0);
}

#[test]
fn a_name_that_is_a_script_is_read_as_text_and_nothing_of_it_runs() {
    let mut browser = Browser::start();
    // Should it run, the page stands still with a question, and the browser says so.
    browser.open(&page_of(&hostile(), ""));
    assert!(browser.text("document.querySelector('#rows').textContent").contains(ODD));
    assert_eq!(browser.says("document.scripts.length"), 1);
    // The mesh file stands in the command to type next.
    let (lab, trap) = (staggered(), "<img src=x onerror=alert(2)>\"&'.yaml");
    lab.write(trap, lab.read("mesh.yaml"));
    browser.open(&page_of(&lab, &format!("{LATE} -f {}", trap.replace(' ', "_"))));
    let text = browser.text("document.querySelector('pre').textContent");
    assert!(text.contains("<img src=x onerror=alert(2)>\"&"), "{text}");
    assert_eq!(browser.says("document.images.length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Notes every task that keeps the page from answering for 50 milliseconds or longer.
const WATCH_LONG_TASKS: &str = "window.long = [];
  window.note = (seen) => { for (const task of seen) long.push(Math.round(task.duration)) };
  window.seer = new PerformanceObserver((seen) => note(seen.getEntries()));
  seer.observe({ type: 'longtask', buffered: true });";

/// What an act cost, for people to read: the processor time of the page's thread, of that the layout, and the long tasks.
fn cost(browser: &mut Browser, of: &str, act: impl FnOnce(&mut Browser)) -> String {
    let spent = |browser: &mut Browser| {
        let told = browser.ask("Performance.getMetrics", &serde_json::json!({}));
        let metrics = told["metrics"].as_array().unwrap().clone();
        ["TaskDuration", "LayoutDuration"].map(|name| {
            let found = metrics.iter().find(|metric| metric["name"] == name);
            found.unwrap()["value"].as_f64().unwrap() * 1000.0
        })
    };
    let before = spent(browser);
    act(browser);
    let after = spent(browser);
    let long = "new Promise((done) => setTimeout(() => { note(seer.takeRecords()); done(long.splice(0)) }, 100))";
    let long = browser.says(long);
    format!("{of}: {:.0} ms of processor, layout {:.0}; long tasks {long}", after[0] - before[0], after[1] - before[1])
}

#[test]
fn the_page_of_a_thousand_clusters_opens_and_answers_and_stays_of_a_bounded_size() {
    let lab = fleet(1000);
    let mut browser = Browser::start();
    browser.ask("Performance.enable", &serde_json::json!({ "timeDomain": "threadTicks" }));
    browser.ask("Page.addScriptToEvaluateOnNewDocument", &serde_json::json!({ "source": WATCH_LONG_TASKS }));
    let page = page_of(&lab, LATE);
    let mut costs = vec![cost(&mut browser, "opening", |browser| {
        browser.open(&page);
        browser.settle();
    })];
    let rows = shown(&mut browser).len();
    assert!(rows >= 1000, "{rows}");
    assert_eq!(browser.text(COUNT), format!("{rows} of {rows} rows"));
    browser.picture("thousand");
    // A row has its cells, its bar with the marks, and the moments: no cluster adds anything elsewhere.
    let elements = browser.says("document.querySelectorAll('*').length").as_u64().unwrap();
    assert!(elements <= 20 * 1000 + 2000, "{elements}");
    assert!(browser.says("document.querySelectorAll('.m td').length").as_u64().unwrap() <= 2 * 40 * 40);
    browser.click("#search");
    costs.push(cost(&mut browser, "typing seven letters", |browser| browser.write("shop-99")));
    let left = shown(&mut browser);
    let names: Vec<&str> = left.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names.len(), 11, "shop-99 and shop-990 to shop-999: {names:?}");
    assert_eq!(browser.text(COUNT), format!("11 of {rows} rows"));
    costs.push(cost(&mut browser, "clearing", |browser| browser.click("#clear")));
    costs.push(cost(&mut browser, "sorting", |browser| browser.click("#rows th:nth-child(1) button")));
    let names: Vec<String> = shown(&mut browser).into_iter().map(|row| row[0].clone()).collect();
    let shops: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with("shop-")).collect();
    assert_eq!(shops[..8].join(" "), "shop-3 shop-4 shop-5 shop-6 shop-7 shop-8 shop-9 shop-10", "as people count");
    assert_eq!(shown(&mut browser).len(), rows);
    println!("{} bytes, {elements} elements\n{}", page.len(), costs.join("\n"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
