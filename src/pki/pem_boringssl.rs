//! PEM text as BoringSSL reads it (`crypto/pem/pem_lib.c`, `PEM_read_bio`), and with it Envoy.
//!
//! It reads line by line, at most 253 bytes at a time, and one bad block makes its callers in Envoy
//! (`PEM_X509_INFO_read_bio` for trusted roots, `PEM_read_bio_X509` for chains) refuse the whole text.

use zeroize::Zeroizing;

use crate::pki::pem_block::{PemBlock, base64};

/// What one call of `BIO_gets` with BoringSSL's buffer gives at most.
const CHUNK: usize = 253;

/// The blocks that it finds.
///
/// # Errors
/// Its own reason for refusing the text, with the line of the block.
pub(crate) fn read(text: &[u8]) -> Result<Vec<PemBlock>, String> {
    let mut chunks = Chunks { text, position: 0, line: 1 };
    let mut blocks = Vec::new();
    while let Some((label, line)) = next_begin(&mut chunks) {
        let block = body(&mut chunks, label, line).map_err(|reason| format!("{reason} (block of line {line})"))?;
        blocks.push(block);
    }
    Ok(blocks)
}

fn next_begin<'a>(chunks: &mut Chunks<'a>) -> Option<(&'a [u8], usize)> {
    loop {
        let line = chunks.line;
        let chunk = chunks.next()?;
        if let Some(label) = chunk.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----")) {
            return Some((label, line));
        }
    }
}

fn body(chunks: &mut Chunks<'_>, label: &[u8], line: usize) -> Result<PemBlock, &'static str> {
    const BAD_END: &str = "BAD_END_LINE";
    let mut header = Zeroizing::new(Vec::new());
    let mut data = Zeroizing::new(Vec::new());
    let mut end = loop {
        let Some(chunk) = chunks.next() else { return Err(BAD_END) };
        if chunk.is_empty() {
            break None;
        }
        if chunk.starts_with(b"-----END ") {
            break Some(chunk);
        }
        header.extend_from_slice(chunk);
        header.push(b'\n');
    };
    if end.is_some() {
        std::mem::swap(&mut header, &mut data);
    } else {
        // After a blank line the data is read by stricter rules: lines of 64 characters, only the last one shorter.
        loop {
            let Some(chunk) = chunks.next() else { return Err(BAD_END) };
            if chunk.starts_with(b"-----END ") {
                end = Some(chunk);
                break;
            }
            if chunk.len() > 64 {
                return Err(BAD_END);
            }
            data.extend_from_slice(chunk);
            data.push(b'\n');
            if chunk.len() != 64 {
                end = chunks.next();
                break;
            }
        }
    }
    let closed = end
        .and_then(|end| end.strip_prefix(b"-----END "))
        .and_then(|rest| rest.strip_prefix(label))
        .is_some_and(|rest| rest == b"-----");
    if !closed {
        return Err(BAD_END);
    }
    let der = base64(&data).ok_or("BAD_BASE64_DECODE")?;
    if der.is_empty() {
        return Err("an empty block");
    }
    let label = String::from_utf8_lossy(label).into_owned();
    if !header.is_empty() && is_read(&label) {
        return Err("NOT_PROC_TYPE");
    }
    Ok(PemBlock { label, der, line, has_headers: !header.is_empty(), end: chunks.position })
}

/// The labels whose headers Envoy's callers look at; other blocks are passed over.
fn is_read(label: &str) -> bool {
    label.ends_with("CERTIFICATE") || label.ends_with("CRL") || label.ends_with("PRIVATE KEY")
}

struct Chunks<'a> {
    text: &'a [u8],
    position: usize,
    line: usize,
}

impl<'a> Chunks<'a> {
    /// The next line or piece of a line, without what is not above a space at its end.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.text.get(self.position..).filter(|rest| !rest.is_empty())?;
        let window = rest.get(..CHUNK).unwrap_or(rest);
        let length = match window.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                self.line += 1;
                at + 1
            }
            None => window.len(),
        };
        self.position += length;
        let chunk = window.get(..length).unwrap_or_default();
        let kept = chunk.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
        chunk.get(..kept)
    }
}
