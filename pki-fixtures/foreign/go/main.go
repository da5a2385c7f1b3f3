// Remakes the fixtures that Go's crypto/x509 made, from the committed keys:
//
//	cd pki-fixtures/foreign/go && go run .
//
// Dates and serials are fixed; ECDSA signatures differ from run to run.
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func signer(name string) crypto.Signer {
	block, _ := pem.Decode(must(os.ReadFile("../../keys/" + name + ".pem")))
	return must(x509.ParsePKCS8PrivateKey(block.Bytes)).(crypto.Signer)
}

var serial = int64(0x5e000000)

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func template(name string) *x509.Certificate {
	serial++
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{Organization: []string{"Gopher"}, CommonName: name},
		NotBefore:             time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2027, 1, 30, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func issue(name, key string, parent *authority, change func(*x509.Certificate)) *authority {
	draft := template(name)
	if parent != nil {
		draft.MaxPathLenZero = true
	}
	if change != nil {
		change(draft)
	}
	made := signer(key)
	above, with := draft, made
	if parent != nil {
		above, with = parent.cert, parent.key
	}
	der := must(x509.CreateCertificate(rand.Reader, draft, above, made.Public(), with))
	return &authority{must(x509.ParseCertificate(der)), made}
}

func write(story, file string, blocks ...*pem.Block) {
	if err := os.MkdirAll(story, 0o755); err != nil {
		panic(err)
	}
	out := must(os.Create(filepath.Join(story, file)))
	defer out.Close()
	for _, block := range blocks {
		if err := pem.Encode(out, block); err != nil {
			panic(err)
		}
	}
}

func certificates(list ...*authority) []*pem.Block {
	var blocks []*pem.Block
	for _, one := range list {
		blocks = append(blocks, &pem.Block{Type: "CERTIFICATE", Bytes: one.cert.Raw})
	}
	return blocks
}

func folder(story, expect, reason string, path []*authority, roots []*authority) {
	write(story, "ca-cert.pem", certificates(path[0])...)
	write(story, "ca-key.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(path[0].key))})
	write(story, "cert-chain.pem", certificates(path...)...)
	write(story, "root-cert.pem", certificates(roots...)...)
	text := fmt.Sprintf("moment: 2026-11-23T10:00:00Z\nmaker: go 1.26\nexpect: [%s]\nreason: %q\n", expect, reason)
	if err := os.WriteFile(filepath.Join(story, "case.yaml"), []byte(text), 0o644); err != nil {
		panic(err)
	}
}

func main() {
	type list = []*authority
	root := issue("gopher root", "root-a", nil, nil)
	issuing := issue("gopher issuing", "issuing", root, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false })
	west := issue("gopher west", "west", issuing, nil)
	folder("three-tiers", "", "three tiers as crypto/x509 makes them", list{west, issuing}, list{root})

	lists := []*pem.Block{}
	for _, ca := range (list{root, issuing, west}) {
		der := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number:     big.NewInt(1),
			ThisUpdate: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
			NextUpdate: time.Date(2026, 12, 22, 0, 0, 0, 0, time.UTC),
		}, ca.cert, ca.key))
		lists = append(lists, &pem.Block{Type: "X509 CRL", Bytes: der})
	}
	folder("revocation-lists", "", "a list of every CA of the path, as crypto/x509 makes them", list{west, issuing}, list{root})
	write("revocation-lists", "ca-crl.pem", lists...)

	rsa := issue("gopher west of RSA", "west-rsa2048", root, nil)
	folder("rsa-signer", "", "an RSA signer under an ECDSA root", list{rsa}, list{root})

	open := issue("gopher west", "west", root, func(c *x509.Certificate) { c.MaxPathLenZero = false })
	folder("no-max-path-len-zero", "signer-path-open", "MaxPathLen 0 without MaxPathLenZero means no limit in crypto/x509", list{open}, list{root})

	zero := issue("gopher root", "root-b", nil, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	under := issue("gopher west", "west", zero, nil)
	folder("root-of-path-length-zero", "root-path-too-short", "MaxPathLenZero on the root leaves no room for the signer", list{under}, list{zero})

	narrow := issue("gopher west", "west", root, func(c *x509.Certificate) {
		c.PermittedURIDomains, c.PermittedDNSDomainsCritical = []string{"cluster.local"}, true
	})
	folder("uri-constraint", "uri-name-constraint", "Go honours it, rustls-webpki refuses every workload", list{narrow}, list{root})

	shut := issue("gopher west", "west", root, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"mesh.example"}, true
	})
	folder("dns-constraint", "name-constraint-shuts-out-istiod", "the constraint does not hold istiod.istio-system.svc", list{shut}, list{root})

	usage := issue("gopher west", "west", root, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	folder("server-auth-only", "extended-key-usage-present", "istiod loads it, Envoy refuses every peer", list{usage}, list{root})
}
