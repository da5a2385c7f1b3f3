//! What lies in `pki-fixtures`, for the tests of this floor.

use crate::pki::certificate::Certificate;
use crate::pki::read_pem::certificates;

/// The text of a file there.
macro_rules! fixture {
    ($($name:literal),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/", $($name),+))
    };
}
pub(in crate::pki) use fixture;

/// The first certificate of a text.
pub(in crate::pki) fn first(pem: &str) -> Certificate {
    certificates(pem.as_bytes())[0].clone()
}

// Certificates of `keys/rsa-1024.pem`, which signed them itself.

/// A signature by 1024 bits of RSA over SHA-256.
pub(in crate::pki) const SHORT_SHA_256: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCB+AIBATANBgkqhkiG9w0BAQsFADAQMQ4wDAYDVQQDDAVzaG9ydDAeFw0y
NjExMzAxMzIwNTJaFw0zNjExMjcxMzIwNTJaMBAxDjAMBgNVBAMMBXNob3J0MIGf
MA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCoVoHyr/nO8N0FnES2VjVxw8es7xoh
9xQWrbEIZeyGqHPHaq0LLv3DDOgcJNiAG+u3r4EXUjKOVvGbbnuVNTZIbUXPJDhS
XZNkct0pNtCpxQOdnLrBG4ZcWKWTMnBX8X2CiwLy+XBD8XutikgAGkD+YDkivOdG
ye+ZCjC31kNUSwIDAQABMA0GCSqGSIb3DQEBCwUAA4GBAKDCoNCoYfktsPSk5ct8
xJc3iAtJdjfaSk382RFqdvPh0fTaU7afUPRlVNt30I2zH4Ecy1AJtnw1VwQFiQN3
806cpHY1rIOdUPZL918GKYLetCOgJNadxMzKWhD2EyM1e/8FIoE8/Ve+6ic0gB4/
XJTaHhYAFk+XvU6zobUVno7w
-----END CERTIFICATE-----
";

/// A signature by 1024 bits of RSA over SHA-384.
pub(in crate::pki) const SHORT_SHA_384: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCB+AIBATANBgkqhkiG9w0BAQwFADAQMQ4wDAYDVQQDDAVzaG9ydDAeFw0y
NjExMzAxMzIwNTJaFw0zNjExMjcxMzIwNTJaMBAxDjAMBgNVBAMMBXNob3J0MIGf
MA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCoVoHyr/nO8N0FnES2VjVxw8es7xoh
9xQWrbEIZeyGqHPHaq0LLv3DDOgcJNiAG+u3r4EXUjKOVvGbbnuVNTZIbUXPJDhS
XZNkct0pNtCpxQOdnLrBG4ZcWKWTMnBX8X2CiwLy+XBD8XutikgAGkD+YDkivOdG
ye+ZCjC31kNUSwIDAQABMA0GCSqGSIb3DQEBDAUAA4GBAHfEHuoAgLVM4rHcD9xU
tUIJuBdar3BkGlKAZUSklDyvtxi3B25xEO3mNzGrT06kgnedZgheonC9WA+5dc6v
u8R+M+VJZ05rPfJuF7z5awyn9/2wUFFA17SgYfolYq+Rm8GgHu1yhOMitv+72RYD
d6tJpIT1Vd3VmuE34dVE/KB6
-----END CERTIFICATE-----
";

/// A signature by 1024 bits of RSA over SHA-512.
pub(in crate::pki) const SHORT_SHA_512: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCB+AIBATANBgkqhkiG9w0BAQ0FADAQMQ4wDAYDVQQDDAVzaG9ydDAeFw0y
NjExMzAxMzIwNTJaFw0zNjExMjcxMzIwNTJaMBAxDjAMBgNVBAMMBXNob3J0MIGf
MA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCoVoHyr/nO8N0FnES2VjVxw8es7xoh
9xQWrbEIZeyGqHPHaq0LLv3DDOgcJNiAG+u3r4EXUjKOVvGbbnuVNTZIbUXPJDhS
XZNkct0pNtCpxQOdnLrBG4ZcWKWTMnBX8X2CiwLy+XBD8XutikgAGkD+YDkivOdG
ye+ZCjC31kNUSwIDAQABMA0GCSqGSIb3DQEBDQUAA4GBAEICygNhxJ7wDhvJdFCt
t0RMKs5co+fjVUsXITVBjQmy4Gys/kN7xkAc10MkNZ5YVG0swHh5HwnPyuzf493u
wRFyf6W2WmCwC8V5uv0jqjaPAOGzM7bq350gK+vjQ5lOWbVFBxURFyZ5I1nQfHqa
OqdZ9jMN1IOX3jiXbSXOpDEP
-----END CERTIFICATE-----
";

/// A signature by 1024 bits of RSA over SHA-1, by the identifier that the OIW gave it (1.3.14.3.2.29).
pub(in crate::pki) const SHORT_SHA_1_OF_OIW: &str = "\
-----BEGIN CERTIFICATE-----
MIIBhjCB9AIBATAJBgUrDgMCHQUAMBAxDjAMBgNVBAMMBXNob3J0MB4XDTI2MTEz
MDEzMjA1MloXDTM2MTEyNzEzMjA1MlowEDEOMAwGA1UEAwwFc2hvcnQwgZ8wDQYJ
KoZIhvcNAQEBBQADgY0AMIGJAoGBAKhWgfKv+c7w3QWcRLZWNXHDx6zvGiH3FBat
sQhl7Iaoc8dqrQsu/cMM6Bwk2IAb67evgRdSMo5W8Ztue5U1NkhtRc8kOFJdk2Ry
3Sk20KnFA52cusEbhlxYpZMycFfxfYKLAvL5cEPxe62KSAAaQP5gOSK850bJ75kK
MLfWQ1RLAgMBAAEwCQYFKw4DAh0FAAOBgQBbO946KiXCu62uCgMoCyLoPFasTSlG
aFSu5bxsA5Um0sl9H9aohz6OlWyASyIhKlPCtyBR8KiBMYRL7UcGjohvv5S/5Gj2
wce4WdiEdZ99484OzwJgwALN6RFAAO9FODeLn8hOX70zWONs7cquhIcre4GHJFX/
7spYAepHZmc7uA==
-----END CERTIFICATE-----
";
