#!/bin/sh
# Copies the sample CAs that Istio publishes, private keys and all (Apache License 2.0, Copyright Istio Authors):
#   make.sh FOLDER-OF-ISTIO'S-SOURCE
set -eu
samples=$1/samples/certs
cd "$(dirname "$0")/../.."
# folder FOLDER SIGNER KEY CHAIN ROOTS EXPECT REASON
folder() {
  rm -rf "$1"
  mkdir -p "$1"
  for pair in "$2 ca-cert" "$3 ca-key" "$4 cert-chain" "$5 root-cert"; do
    cat "$samples/${pair% *}.pem" > "$1/${pair#* }.pem"
    chmod 644 "$1/${pair#* }.pem"
  done
  printf 'moment: 2026-11-23T10:00:00Z\nmaker: istio samples\nexpect: [%s]\nreason: "%s"\n' "$6" "$7" > "$1/case.yaml"
}
folder faulty/published-sample-key/plugged-in ca-cert ca-key cert-chain root-cert \
  "published-sample-key, basic-constraints-not-critical, key-usage-missing, key-usage-not-critical, crl-sign-missing, \
signer-path-open, subject-key-id-missing, authority-key-id-missing" \
  "samples/certs of Istio: whoever reads the repository can sign for a mesh that uses it"
folder faulty/published-sample-key/alternative ca-cert-alt ca-key-alt cert-chain-alt root-cert-alt \
  "published-sample-key, crl-sign-missing, outlives-issuer" \
  "samples/certs of Istio, the second CA that its tests rotate to"
