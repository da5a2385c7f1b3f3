//! A lab in which a certificate has a name that tries to get out of every form of a report.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a lab that cannot be made is a failed test")]

use crate::judges::openssl;
use crate::published_lab::Lab;

/// The name.
pub(crate) const ODD: &str = "=1|,\"<script>alert(1)</script>\"&'|`[x](http://y)";

/// A lab in which the remote shows a root of that name.
pub(crate) fn hostile() -> Lab {
    let lab = Lab::new();
    let folder = lab.path("remote/istio-ca-root-cert");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, root) = (lab.path("odd.key"), folder.join("root-cert.pem"));
    let [key, root] = [&key, &root].map(|path| path.to_str().unwrap());
    let made = openssl([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "3650",
        "-keyout",
        key,
        "-out",
        root,
        "-utf8",
        "-subj",
        "/CN==1|,\"<script>alert(1)<\\/script>\"&'|`[x](http:\\/\\/y)",
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::remove_file(key).unwrap();
    lab
}
