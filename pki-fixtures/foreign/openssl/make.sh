#!/bin/sh
# Remakes the fixtures that openssl made, here and in ../../faulty, from the committed keys. Dates and serials are
# fixed; ECDSA signatures differ from run to run.
set -eu
cd "$(dirname "$0")"
fixtures=$(cd ../.. && pwd)
keys=$fixtures/keys
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
maker="openssl 3.0"
export SUBJECT_MASK=utf8only

cat > "$work/openssl.cnf" <<'CNF'
[ ca ]
default_ca = fixture
[ fixture ]
dir = .
database = $ENV::WORK/index.txt
new_certs_dir = $ENV::WORK
serial = $ENV::WORK/serial
crlnumber = $ENV::WORK/crlnumber
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = yes
[ anything ]
organizationName = optional
commonName = optional
[ req ]
distinguished_name = none
string_mask = $ENV::SUBJECT_MASK
utf8 = yes
prompt = no
[ none ]
CN = unused
[ root ]
subjectKeyIdentifier = hash
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[ issuing ]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:true, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
[ signer ]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
[ makefile_root ]
subjectKeyIdentifier = hash
basicConstraints = critical, CA:true
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, keyCertSign
[ makefile_signer ]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, keyCertSign
subjectAltName = DNS:istiod.istio-system.svc
[ makefile_signer_of_openssl_1 ]
subjectKeyIdentifier = hash
authorityKeyIdentifier = none
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, keyCertSign
subjectAltName = DNS:istiod.istio-system.svc
CNF
export WORK="$work"
serial=4C00000000000000000000000000A000

# certificate NAME KEY SECTION SUBJECT ISSUER-CERT ISSUER-KEY [DIGEST]; self-signed where the issuer is "self".
certificate() {
  serial=$(printf '%s%04X' "${serial%????}" $((0x${serial#????????????????????????????} + 1)))
  echo "$serial" > "$work/serial"
  : > "$work/index.txt"
  openssl req -new -config "$work/openssl.cnf" -key "$keys/$2.pem" -utf8 -multivalue-rdn -subj "$4" -out "$work/$1.csr"
  if [ "$5" = self ]; then
    set -- "$1" "$2" "$3" "$4" "$5" "$6" "${7:-sha256}" -selfsign -keyfile "$keys/$2.pem"
  else
    set -- "$1" "$2" "$3" "$4" "$5" "$6" "${7:-sha256}" -cert "$work/$5.pem" -keyfile "$keys/$6.pem"
  fi
  name=$1 section=$3 digest=$7
  shift 7
  openssl ca -config "$work/openssl.cnf" -batch -notext -preserveDN -md "$digest" -extensions "$section" \
    -startdate 20261101000000Z -enddate 20270130000000Z -in "$work/$name.csr" -out "$work/$name.pem" "$@" 2> "$work/log" ||
    { cat "$work/log" >&2; exit 1; }
}

# folder FOLDER SIGNER KEY-FILE CHAIN ROOTS: names of certificates, separated by spaces.
folder() {
  to=$fixtures/$1
  rm -rf "$to"
  mkdir -p "$to"
  cat "$work/$2.pem" > "$to/ca-cert.pem"
  cat "$keys/$3.pem" > "$to/ca-key.pem"
  for name in $4; do cat "$work/$name.pem"; done > "$to/cert-chain.pem"
  for name in $5; do cat "$work/$name.pem"; done > "$to/root-cert.pem"
}

# verdict EXPECT REASON, of the folder made last.
verdict() {
  printf 'moment: 2026-11-23T10:00:00Z\nmaker: %s\nexpect: [%s]\nreason: "%s"\n' "$maker" "$1" "$2" > "$to/case.yaml"
}

# --- sound shapes
certificate root root-a root "/O=Acme/CN=Acme root" self -
certificate issuing issuing issuing "/O=Acme/CN=Acme issuing" root root-a
certificate west west signer "/O=Acme/CN=Acme west" issuing issuing
folder foreign/openssl/three-tiers west west "west issuing" root
verdict "" "three tiers, P-256, as openssl ca makes them: SKI by SHA-1 (RFC 5280 method 1)"

folder foreign/openssl/sec1-key west west.sec1 "west issuing" root
verdict "" "the key as openssl ec writes it: EC PRIVATE KEY"
folder foreign/openssl/parameters-first-key west west.parameters-first "west issuing" root
verdict "key-parameters-first" "the key as openssl ecparam -genkey writes it: istiod reads the first block only (crypto.go)"
folder foreign/openssl/encrypted-key west west.encrypted "west issuing" root
verdict "key-encrypted" "the key as openssl pkcs8 -topk8 writes it: istiod has no passphrase (crypto.go)"

for ca in "root root-a" "issuing issuing" "west west"; do
  set -- $ca
  echo 01 > "$work/crlnumber"
  : > "$work/index.txt"
  openssl ca -config "$work/openssl.cnf" -gencrl -cert "$work/$1.pem" -keyfile "$keys/$2.pem" \
    -crl_lastupdate 20261122000000Z -crl_nextupdate 20261222000000Z -out "$work/$1.crl" 2> /dev/null
done
folder foreign/openssl/revocation-lists west west "west issuing" root
cat "$work/root.crl" "$work/issuing.crl" "$work/west.crl" > "$to/ca-crl.pem"
verdict "" "openssl ca -gencrl writes version 1 lists without extensions unless told; a list of every CA of the path"

certificate root384 root-p384 root "/O=Acme/CN=Acme root P-384" self - sha384
certificate west384 west-p384 signer "/O=Acme/CN=Acme west P-384" root384 root-p384 sha384
folder foreign/openssl/p384 west384 west-p384 "west384" root384
verdict "" "two tiers of P-384"

certificate rootrsa root-rsa4096 root "/O=Acme/CN=Acme root RSA" self - sha512
certificate westrsa west-rsa2048 signer "/O=Acme/CN=Acme west RSA" rootrsa root-rsa4096 sha384
folder foreign/openssl/rsa westrsa west-rsa2048 "westrsa rootrsa" rootrsa
verdict "" "RSA 4096 over RSA 2048, SHA-512 and SHA-384, root in the chain"
folder foreign/openssl/pkcs1-key westrsa west-rsa2048.pkcs1 "westrsa" rootrsa
verdict "" "the key as openssl rsa -traditional writes it: RSA PRIVATE KEY"

# --- names
certificate manydc root-a root "/DC=example/DC=corp/O=Acme/OU=One/OU=Two+L=Ulm/CN=Corporate root" self -
certificate undermany west signer "/O=Acme/CN=Acme west under many" manydc root-a
folder foreign/openssl/repeated-attributes-and-a-multi-valued-rdn undermany west undermany manydc
verdict "" "directory services write such names: DC and OU twice, and an RDN of two attributes"
SUBJECT_MASK=MASK:0x4 certificate teletex root-a root "/O=Übergrößen AG/CN=Wurzel" self -
certificate underteletex west signer "/O=Acme/CN=Acme west under teletex" teletex root-a
folder foreign/openssl/teletex-name underteletex west underteletex teletex
verdict "" "TeletexString in the root's name: bytes are compared, never texts"
SUBJECT_MASK=MASK:0x800 certificate bmp root-a root "/O=Übergrößen AG/CN=Wurzel 根" self -
certificate underbmp west signer "/O=Acme/CN=Acme west under bmp" bmp root-a
folder foreign/openssl/bmp-name underbmp west underbmp bmp
verdict "" "BMPString in the root's name: bytes are compared, never texts"

# --- the shape of tools/certs/common.mk of Istio
certificate mkroot root-rsa4096 makefile_root "/O=Istio/CN=Root CA" self -
certificate mkwest west-rsa4096 makefile_signer "/O=Istio/CN=Intermediate CA/L=west" mkroot root-rsa4096
folder foreign/openssl/istio-makefile mkwest west-rsa4096 "mkwest mkroot" mkroot
verdict "crl-sign-missing" "Istio's Makefile with OpenSSL 3: RSA 4096, other usages, no cRLSign (tools/certs/common.mk)"
certificate mkwest1 west-rsa4096 makefile_signer_of_openssl_1 "/O=Istio/CN=Intermediate CA/L=west" mkroot root-rsa4096
folder foreign/openssl/istio-makefile-with-openssl-1 mkwest1 west-rsa4096 "mkwest1 mkroot" mkroot
verdict "authority-key-id-missing, crl-sign-missing" "the same with OpenSSL 1.1, which wrote no authority key identifier (istio#31987)"
certificate mkroot2 root-a makefile_root "/O=Istio/CN=Root CA" self -
folder foreign/openssl/istio-makefile-run-twice mkwest west-rsa4096 "mkwest mkroot" "mkroot2 mkroot"
verdict "roots-share-subject, crl-sign-missing" "two roots of the Makefile are both O=Istio, CN=Root CA (istio#31987, istio#37096)"

# --- faulty sets that need what the Rust maker cannot sign
certificate westsha1 west-rsa2048 signer "/O=Acme/CN=Acme west SHA-1" rootrsa root-rsa4096 sha1
folder faulty/weak-signature/signer-sha1 westsha1 west-rsa2048 westsha1 rootrsa
verdict "weak-signature" "Go refuses SHA-1 signatures since 1.18, so istiod exits (istio#38049)"
certificate rootsha1 root-rsa4096 root "/O=Acme/CN=Acme root RSA" self - sha1
certificate underold west signer "/O=Acme/CN=Acme west under an old root" rootsha1 root-rsa4096
folder faulty/weak-signature/root-sha1 underold west underold rootsha1
verdict "weak-signature" "nobody checks a root's own signature, so this one only looks old"
certificate westmd5 west-rsa2048 signer "/O=Acme/CN=Acme west MD5" rootrsa root-rsa4096 md5
folder faulty/weak-signature/signer-md5 westmd5 west-rsa2048 westmd5 rootrsa
verdict "weak-signature" "MD5 is refused by every consumer"
certificate brain brainpool root "/O=Partner/CN=Brainpool root" self -
folder faulty/key-curve-unknown/spare-root west west "west issuing" "root brain"
verdict "key-curve-unknown, fatal-at-next-start" "taken live with multi-root, and istiod exits at its next start: unsupported elliptic curve (seen)"
certificate spare p521 root "/O=Partner/CN=P-521 root" self - sha512
folder faulty/key-kind-unusual/p521-root west west "west issuing" "root spare"
verdict "key-kind-unusual" "not every ztunnel build has P-521, and an unreadable root is dropped there"
for bits in 8192 8208; do
  certificate "root$bits" "root-rsa$bits" root "/O=Partner/CN=RSA $bits root" self -
  certificate "under$bits" west signer "/O=Acme/CN=Acme west" "root$bits" "root-rsa$bits"
done
folder sound/rsa-8192-root under8192 west under8192 root8192
verdict "" "the longest RSA key that every consumer verifies with"
folder faulty/key-kind-unusual/rsa-8208-root under8208 west under8208 root8208
verdict "key-kind-unusual" "Go verifies by it, rustls does not: ring ends at 8192 bits"
