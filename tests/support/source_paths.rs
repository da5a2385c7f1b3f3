//! Which paths a piece of code names, and which files of the house they lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source_text::{Tree, code, without_tests};

/// What a Rust file says.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) code: String,
    pub(crate) said: Said,
    /// The same without the tests at the end of the file.
    pub(crate) said_outside_tests: Said,
}

#[derive(Debug)]
pub(crate) struct Said {
    /// Each word with its line, and the sign after it, where there is one.
    pub(crate) words: Vec<(usize, String, Option<char>)>,
    pub(crate) paths: Vec<Named>,
}

impl Said {
    fn by(code: &str) -> Self {
        Self { words: words(code), paths: paths(code) }
    }
}

/// Reads a Rust file. The same text is read once, however many copies of the sources there are.
pub(crate) fn reading(text: &str) -> Arc<Reading> {
    static READ: Mutex<BTreeMap<String, Arc<Reading>>> = Mutex::new(BTreeMap::new());
    let known = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reading) = known().get(text) {
        return Arc::clone(reading);
    }
    let code = code(text);
    let (said, said_outside_tests) = (Said::by(&code), Said::by(&without_tests(&code)));
    let reading = Arc::new(Reading { code, said, said_outside_tests });
    known().insert(text.to_owned(), Arc::clone(&reading));
    reading
}

/// A path as code names it, with every group taken apart: `crate::a::{b, c}` is two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

impl Named {
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }

    /// Whether these words follow each other somewhere in the path.
    pub(crate) fn has(&self, words: &[&str]) -> bool {
        self.segments.windows(words.len()).any(|it| it.iter().eq(words))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Colons,
    Sign(char),
}

/// The words and signs of code, with their lines.
fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let (token, length) = if is_word(first) {
                let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
                (Token::Word(rest.get(..length).unwrap_or_default()), length)
            } else if rest.starts_with("::") {
                (Token::Colons, 2)
            } else {
                (Token::Sign(first), first.len_utf8())
            };
            tokens.push((line, token));
            rest = rest.get(length..).unwrap_or_default().trim_start();
        }
    }
    tokens
}

fn words(code: &str) -> Vec<(usize, String, Option<char>)> {
    let tokens = tokens(code);
    let next = tokens.iter().skip(1).map(|(_, token)| Some(*token)).chain([None]);
    let words = tokens.iter().zip(next).filter_map(|((line, token), next)| match (token, next) {
        (Token::Word(word), Some(Token::Sign(sign))) => Some((*line, (*word).to_owned(), Some(sign))),
        (Token::Word(word), _) => Some((*line, (*word).to_owned(), None)),
        _ => None,
    });
    words.collect()
}

/// Every path that the code names. `pub(in …)` names none: it says who may look in, and not what is used.
pub(crate) fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        let Token::Word(word) = token else {
            at += 1;
            continue;
        };
        let before = at.checked_sub(2).and_then(|from| tokens.get(from..at)).unwrap_or_default();
        let is_visibility = matches!(before, [(_, Token::Sign('(')), (_, Token::Word("in"))]);
        let known = found.len();
        let end = tree(&tokens, at + 1, vec![(*word).to_owned()], *line, &mut found);
        if is_visibility {
            found.truncate(known);
        }
        at = end;
    }
    found
}

/// Reads what follows a word of a path, and returns where it ends.
fn tree(
    tokens: &[(usize, Token<'_>)],
    mut at: usize,
    mut path: Vec<String>,
    line: usize,
    found: &mut Vec<Named>,
) -> usize {
    while let Some((_, Token::Colons)) = tokens.get(at) {
        match tokens.get(at + 1) {
            Some((_, Token::Word(word))) => path.push((*word).to_owned()),
            Some((_, Token::Sign('*'))) => path.push("*".to_owned()),
            Some((_, Token::Sign('{'))) => return group(tokens, at + 2, &path, found),
            _ => break,
        }
        at += 2;
    }
    if path.len() > 1 {
        found.push(Named { line, segments: path });
    }
    at
}

fn group(tokens: &[(usize, Token<'_>)], mut at: usize, path: &[String], found: &mut Vec<Named>) -> usize {
    while let Some((line, token)) = tokens.get(at) {
        match token {
            Token::Sign('}') => return at + 1,
            Token::Word("self") => {
                found.push(Named { line: *line, segments: path.to_vec() });
                at += 1;
            }
            Token::Sign('*') => {
                found.push(Named { line: *line, segments: [path, &["*".to_owned()]].concat() });
                at += 1;
            }
            Token::Word("as") => at += 2,
            Token::Word(word) => at = tree(tokens, at + 1, [path, &[(*word).to_owned()]].concat(), *line, found),
            Token::Colons | Token::Sign(_) => at += 1,
        }
    }
    at
}

/// The path from the top of the crate: what `crate`, `self` and `super` mean in this file. `None`: not of this crate.
pub(crate) fn absolute(file: &str, named: &Named) -> Option<Vec<String>> {
    let mut here: Vec<String> = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .filter(|it| !["mod", "lib", "main"].contains(it))
        .map(str::to_owned)
        .collect();
    let mut rest = named.segments.as_slice();
    match rest.first()?.as_str() {
        "crate" | "meshca" => here.clear(),
        "self" | "super" => {}
        _ => return None,
    }
    while let [first, others @ ..] = rest
        && ["crate", "meshca", "self", "super"].contains(&first.as_str())
    {
        if first == "super" {
            here.pop();
        }
        rest = others;
    }
    here.extend(rest.iter().cloned());
    Some(here)
}

/// The files that a path from the top of the crate leads to. A path that ends at a folder could go on, through the name
/// that it brings, to every file there; so it counts as all of them.
pub(crate) fn leads_to<'a>(tree: &'a Tree, absolute: &[String]) -> BTreeSet<&'a str> {
    for length in (1..=absolute.len()).rev() {
        let path = format!("src/{}", absolute.get(..length).unwrap_or_default().join("/"));
        if let Some((file, _)) = tree.get_key_value(&format!("{path}.rs")) {
            return [file.as_str()].into();
        }
        if tree.contains_key(&format!("{path}/mod.rs")) {
            return tree.keys().map(String::as_str).filter(|it| it.starts_with(&format!("{path}/"))).collect();
        }
    }
    tree.keys().map(String::as_str).filter(|it| it.starts_with("src/")).collect()
}
