#!/bin/sh
# Makes the fixture keys. They are public by definition: nothing real may ever trust one of them.
# Every certificate of the tree belongs to one of these keys, so run this only to add a kind: a key that is there stays.
set -eu
cd "$(dirname "$0")"
ec() { [ -e "$1.pem" ] || openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.pem"; }
rsa() { [ -e "$1.pem" ] || openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.pem" 2>/dev/null; }

for name in root-a root-b root-c issuing west east leaf; do ec $name P-256; done
for name in root-p384 issuing-p384 west-p384; do ec $name P-384; done
ec p521 P-521
ec brainpool brainpoolP256r1
[ -e ed25519.pem ] || openssl genpkey -algorithm ED25519 -out ed25519.pem
rsa root-rsa4096 4096
rsa root-rsa8192 8192
rsa root-rsa8208 8208
rsa west-rsa2048 2048
rsa west-rsa4096 4096
rsa rsa-1024 1024
[ -e rsa-exponent-3.pem ] ||
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3 -out rsa-exponent-3.pem 2>/dev/null
if [ ! -e rsa-close-primes.pem ]; then
  python3 weak.py .
  for name in rsa-close-primes rsa-small-factor; do
    openssl pkcs8 -topk8 -nocrypt -in $name.rsa -out $name.pem
    rm $name.rsa
  done
fi
for key in *.pem; do
  case $key in *.public.pem | west.*.pem | west-rsa2048.*.pem) continue ;; esac
  openssl pkey -in "$key" -pubout -out "${key%.pem}.public.pem"
done

# The same key in the other shapes in which people have it.
[ -e west.sec1.pem ] || openssl ec -in west.pem -out west.sec1.pem 2>/dev/null
if [ ! -e west.parameters-first.pem ]; then
  { openssl ecparam -name prime256v1; cat west.sec1.pem; } > west.parameters-first.pem
fi
[ -e west.encrypted.pem ] ||
  openssl pkcs8 -topk8 -in west.pem -v2 aes-256-cbc -iter 2048 -passout pass:fixture -out west.encrypted.pem
[ -e west.proc-type.pem ] ||
  openssl ec -in west.sec1.pem -aes256 -passout pass:fixture -out west.proc-type.pem 2>/dev/null
[ -e west-rsa2048.pkcs1.pem ] || openssl rsa -traditional -in west-rsa2048.pem -out west-rsa2048.pkcs1.pem 2>/dev/null
