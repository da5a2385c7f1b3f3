//! Which files are there.

use crate::mesh::checks::parts::{critical, graded, warning};
use crate::mesh::consumers::istiod_start::{expected, missing};
use crate::mesh::consumers::material::Material;
use crate::mesh::secret_files::{CA_CRL, FOUR, Form, ISTIO_GENERATED, TLS_CERT, TLS_THREE};
use crate::problem::{Code, Finding, Problem};

pub(super) fn presence(material: &Material<'_>) -> Vec<Finding> {
    let missing = missing(material);
    let expected = expected(material);
    if missing.len() == expected.len() {
        let what = format!("none of {} is there: istiod would start with a self-signed CA", expected.join(", "));
        let hint = "kubectl get secret cacerts -n istio-system -o jsonpath='{.data}' shows what there is";
        return vec![critical("cacerts", Problem::new(Code::SetEmpty, what).hint(hint))];
    }
    missing
        .into_iter()
        .map(|name| {
            let what = format!(
                "{name} is missing: istiod exits at its next start (before 1.26.1 it fell back to a self-signed CA)"
            );
            critical(
                name,
                Problem::new(Code::FileMissing, what).hint(format!("the set consists of {}", expected.join(", "))),
            )
        })
        .collect()
}

pub(super) fn surplus(material: &Material<'_>) -> Vec<Finding> {
    let files = material.files;
    let mut found = Vec::new();
    if material.form == Form::Tls {
        let beside: Vec<_> = FOUR.iter().copied().filter(|name| files.has(name)).collect();
        if beside.is_empty() {
            let what =
                "the set is in the tls form: no CRL is read, and the type of its Secret cannot be changed in place";
            found.push(warning(
                TLS_CERT,
                Problem::new(Code::TlsForm, what).hint("make a new Secret of type Opaque with the four .pem files"),
            ));
        } else {
            let what = format!("tls.crt lies beside {}: istiod reads the tls form and ignores them", beside.join(", "));
            found.push(critical(
                TLS_CERT,
                Problem::new(Code::TwoForms, what).hint("take tls.crt, tls.key and ca.crt out of the Secret"),
            ));
        }
        if files.has(CA_CRL) {
            let what = "ca-crl.pem lies beside tls.crt, and istiod reads no CRL in the tls form";
            found.push(warning(
                CA_CRL,
                Problem::new(Code::CrlIgnored, what).hint("use the four .pem files if revocation is meant"),
            ));
        }
    }
    if files.has(ISTIO_GENERATED) {
        let what = "istio-generated is there: with USE_CACERTS_FOR_SELF_SIGNED_CA=true istiod takes the set for its own and overwrites it";
        let hint = "kubectl patch secret cacerts -n istio-system --type json -p '[{\"op\":\"remove\",\"path\":\"/data/istio-generated\"}]'";
        found.push(critical(ISTIO_GENERATED, Problem::new(Code::IstioGenerated, what).hint(hint)));
    }
    let known =
        |name: &str| FOUR.contains(&name) || TLS_THREE.contains(&name) || [CA_CRL, ISTIO_GENERATED].contains(&name);
    // Without tls.crt the other two files of that form are read by nobody.
    let idle = |name: &str| material.form == Form::Istio && TLS_THREE.contains(&name);
    for name in files.names().filter(|name| !known(name) || idle(name)) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let what = format!("Istio does not read {shown}");
        found.push(graded(
            false,
            &shown,
            Problem::new(Code::ExtraFile, what).hint("keep records in annotations of the Secret"),
        ));
    }
    found
}
