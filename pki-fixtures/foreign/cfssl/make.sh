#!/bin/sh
# Remakes the fixtures that cfssl made. It makes its own RSA keys and dates a root by the clock, so every case is
# judged at a moment some months later.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$PWD
cd "$work"

cat > root.json <<'JSON'
{"CN": "cfssl root", "names": [{"O": "Acme", "C": "DE", "L": "Ulm"}], "key": {"algo": "ecdsa", "size": 256}, "ca": {"expiry": "87600h"}}
JSON
cat > west.json <<'JSON'
{"CN": "cfssl west", "names": [{"O": "Acme"}], "key": {"algo": "rsa", "size": 2048}}
JSON
cat > west-ecdsa.json <<'JSON'
{"CN": "cfssl west", "names": [{"O": "Acme"}], "key": {"algo": "ecdsa", "size": 256}}
JSON
cat > config.json <<'JSON'
{"signing": {"default": {"expiry": "8760h"}, "profiles": {
  "right": {"usages": ["cert sign", "crl sign"], "expiry": "43800h", "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}},
  "open": {"usages": ["cert sign", "crl sign"], "expiry": "43800h", "ca_constraint": {"is_ca": true}},
  "usual": {"usages": ["signing", "key encipherment", "server auth", "client auth", "cert sign", "crl sign"], "expiry": "43800h", "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}},
  "outliving": {"usages": ["cert sign", "crl sign"], "expiry": "175200h", "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}}
}}}
JSON
cfssl gencert -loglevel 4 -initca root.json | cfssljson -bare root

# folder STORY PROFILE CSR EXPECT REASON
folder() {
  to=$here/$1
  rm -rf "$to"
  mkdir -p "$to"
  cfssl gencert -loglevel 4 -ca root.pem -ca-key root-key.pem -config config.json -profile "$2" "$3" | cfssljson -bare signer
  cp signer.pem "$to/ca-cert.pem"
  cp signer-key.pem "$to/ca-key.pem"
  chmod 644 "$to/ca-key.pem"
  cat signer.pem root.pem > "$to/cert-chain.pem"
  cp root.pem "$to/root-cert.pem"
  printf 'moment: 2027-06-01T10:00:00Z\nmaker: cfssl 1.2\nexpect: [%s]\nreason: "%s"\n' "$4" "$5" > "$to/case.yaml"
}
folder rsa-signer right west.json "" "a PKCS#1 key and a profile with path length 0"
folder ecdsa-signer right west-ecdsa.json "" "a SEC1 key and a profile with path length 0"
folder profile-without-path-length open west-ecdsa.json "signer-path-open" "a CA profile without max_path_len puts no limit below the signer"
folder profile-of-the-tutorials usual west-ecdsa.json "extended-key-usage-present" "server auth and client auth in a CA profile, as tutorials have it"
folder longer-than-the-root outliving west-ecdsa.json "outlives-issuer" "cfssl does not clamp a child to its parent"
