//! The bytes of a trust bundle (`root-cert.pem`) through a change of root.
//!
//! Where multi-root is on, istiod takes a changed bundle only if one of the two, the loaded one and the new one, holds
//! the other byte for byte (Istio 1.20 to 1.29, `istio_ca.go`, `handleEvent`; later versions compare the certificates).
//! So a root is added behind the bytes that are there, and removed by leaving bytes out at one end.

use std::ops::Range;

use crate::pki::certificate::Certificate;
use crate::pki::read_pem;

/// The bundle with this root behind it. What is there stays byte for byte; a newline is put between only if it is
/// missing.
#[must_use]
pub fn appended(bundle: &[u8], root: &Certificate) -> Vec<u8> {
    let mut grown = bundle.to_vec();
    if !grown.is_empty() && grown.last() != Some(&b'\n') {
        grown.push(b'\n');
    }
    grown.extend_from_slice(root.pem().as_bytes());
    grown
}

/// The bundle without these roots, as one piece of the bytes that are there. `None`: that cannot be had, since other
/// roots stand on both sides of one of them, or since there is no other.
#[must_use]
pub fn without(bundle: &[u8], gone: &[&Certificate]) -> Option<Vec<u8>> {
    let blocks = blocks(bundle);
    let is_gone = |range: &Range<usize>| {
        let block = bundle.get(range.clone()).map(read_pem::certificates);
        block.is_some_and(|block| block.iter().any(|it| gone.contains(&it)))
    };
    let verdicts: Vec<bool> = blocks.iter().map(is_gone).collect();
    let first_kept = verdicts.iter().position(|gone| !gone)?;
    let last_kept = verdicts.iter().rposition(|gone| !gone)?;
    let kept = verdicts.get(first_kept..=last_kept)?;
    if kept.iter().any(|gone| *gone) {
        return None;
    }
    let is_cut_before = first_kept > 0;
    let is_cut_behind = last_kept + 1 < blocks.len();
    // Comments at an end where nothing goes stay where they are.
    let from = if is_cut_before { blocks.get(first_kept)?.start } else { 0 };
    let to = if is_cut_behind { blocks.get(last_kept)?.end } else { bundle.len() };
    bundle.get(from..to).map(<[u8]>::to_vec)
}

/// The places of the PEM blocks: from the first byte of the line that begins one to the newline that ends it.
fn blocks(bundle: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at, mut begun) = (Vec::new(), 0, None);
    for line in bundle.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"-----BEGIN ") {
            begun = Some(at);
        }
        at += line.len();
        if line.starts_with(b"-----END ")
            && let Some(start) = begun.take()
        {
            found.push(start..at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::Story;

    struct Roots {
        a: Certificate,
        b: Certificate,
        c: Certificate,
    }

    fn roots() -> Roots {
        let story = Story::new();
        let made = |name| story.other_root(name).certificate;
        Roots { a: made("a"), b: made("b"), c: made("c") }
    }

    fn text(parts: &[&str]) -> Vec<u8> {
        parts.concat().into_bytes()
    }

    #[test]
    fn a_root_is_added_behind_the_bytes_that_are_there() {
        let Roots { a, b, .. } = roots();
        let (a_pem, b_pem) = (a.pem(), b.pem());
        let odd = format!("# kept\n\n{}", a_pem.trim_end());
        assert_eq!(appended(a_pem.as_bytes(), &b), text(&[&a_pem, &b_pem]));
        assert_eq!(appended(odd.as_bytes(), &b), text(&[&odd, "\n", &b_pem]));
        assert_eq!(appended(b"", &b), text(&[&b_pem]));
    }

    #[test]
    fn several_roots_go_at_once_where_they_stand_together() {
        let Roots { a, b, c } = roots();
        let [a_pem, b_pem, c_pem] = [a.pem(), b.pem(), c.pem()];
        let all = text(&[&a_pem, &b_pem, &c_pem]);
        assert_eq!(without(&all, &[&a, &b]), Some(text(&[&c_pem])));
        assert_eq!(without(&all, &[&a, &c]), Some(text(&[&b_pem])));
        assert_eq!(without(&all, &[&a, &b, &c]), None);
    }

    #[test]
    fn a_root_goes_at_either_end_and_what_stays_is_a_piece_of_the_bytes() {
        let Roots { a, b, c } = roots();
        let [a_pem, b_pem, c_pem] = [a.pem(), b.pem(), c.pem()];
        let both = text(&["# ours\n", &a_pem, "\n", &b_pem]);
        assert_eq!(without(&both, &[&a]), Some(text(&[&b_pem])));
        assert_eq!(without(&both, &[&b]), Some(text(&["# ours\n", &a_pem])));
        assert_eq!(without(&both, &[&c]), Some(both.clone()));
        let twice = text(&[&a_pem, &a_pem, &b_pem, &b_pem]);
        assert_eq!(without(&twice, &[&a]), Some(text(&[&b_pem, &b_pem])));
        let three = text(&[&a_pem, &b_pem, &c_pem]);
        assert_eq!(without(&three, &[&a]), Some(text(&[&b_pem, &c_pem])));
    }

    #[test]
    fn a_root_between_others_or_alone_cannot_go() {
        let Roots { a, b, c } = roots();
        let [a_pem, b_pem, c_pem] = [a.pem(), b.pem(), c.pem()];
        assert_eq!(without(&text(&[&a_pem, &b_pem, &c_pem]), &[&b]), None);
        assert_eq!(without(&text(&[&a_pem, &b_pem, &a_pem]), &[&b]), None);
        assert_eq!(without(a_pem.as_bytes(), &[&a]), None);
        assert_eq!(without(b"", &[&a]), None);
    }

    #[test]
    fn adding_and_removing_again_is_back_at_the_bytes_that_were_there() {
        let Roots { a, b, .. } = roots();
        let old = format!("# by hand\n{}", a.pem()).into_bytes();
        let grown = appended(&old, &b);
        assert_eq!(without(&grown, &[&b]), Some(old));
        assert_eq!(without(&grown, &[&a]), Some(b.pem().into_bytes()));
    }

    #[test]
    fn windows_line_ends_are_kept() {
        let Roots { a, b, .. } = roots();
        let old = a.pem().replace('\n', "\r\n").into_bytes();
        let grown = appended(&old, &b);
        assert_eq!(without(&grown, &[&a]), Some(b.pem().into_bytes()));
        assert_eq!(without(&grown, &[&b]), Some(old));
    }

    #[test]
    fn remarks_stay_at_an_end_where_nothing_goes() {
        let Roots { a, b, .. } = roots();
        let (first, last) = ("# first\n", "# last\n");
        let both = text(&[first, &a.pem(), &b.pem(), last]);
        assert_eq!(without(&both, &[&a]), Some(text(&[&b.pem(), last])));
        assert_eq!(without(&both, &[&b]), Some(text(&[first, &a.pem()])));
    }
}
