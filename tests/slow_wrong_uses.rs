//! The examples of `src/pki/draft.rs` that must not compile fail for the reason they name. Rustdoc looks at the code of an
//! error only with a nightly compiler; with a stable one any mistake would do, a misspelt import too.

#[path = "support/project_copy.rs"]
mod project_copy;

use project_copy::ProjectCopy;

const DRAFT: &str = include_str!("../src/pki/draft.rs");

/// The examples: the word after "```" and the lines up to the next "```".
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut lines = DRAFT.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_start);
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            examples.push((kind.to_owned(), text.join("\n")));
        }
    }
    examples
}

#[test]
fn each_wrong_use_of_a_draft_fails_for_the_reason_it_names() {
    let copy = ProjectCopy::new();
    let mut wanted = Vec::new();
    for (number, (kind, text)) in (1..).zip(examples()) {
        let file = format!("src/bin/example_{number}.rs");
        copy.append(&file, &format!("//! An example.\n\n{text}\nfn main() {{}}\n"));
        wanted.extend(kind.strip_prefix("compile_fail,").map(|error| (file, error.to_owned())));
    }
    assert_eq!(wanted.len(), 3, "the wrong uses that src/pki/draft.rs shows");
    let (found, words) = copy.cargo(&["check", "--bins", "--keep-going"]);
    let errors: Vec<_> = found.into_iter().filter(|(_, code)| code.starts_with('E')).collect();
    assert_eq!(errors, wanted, "left: what the compiler said; right: what it should say\n{words}");
}
