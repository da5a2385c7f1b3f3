// Command sets makes complete cacerts sets with Go's standard library on all cores and prints how many per second: for
// each a key, an intermediate under the issuing CA, a rehearsal (a workload certificate under the intermediate,
// verified up to the issuing CA) and the PEM text of the four files.
//
// x509.CreateCertificate verifies each signature that it makes, and Verify does it again; both are how Go is used.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

type workshop struct {
	curve    elliptic.Curve
	root     authority
	issuing  authority
	anchors  *x509.CertPool
	workload *ecdsa.PublicKey
	identity *url.URL
	rehearse bool
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func serial() *big.Int {
	bytes := make([]byte, 16)
	must(rand.Read(bytes))
	bytes[0] = bytes[0]&0x7f | 0x40
	return new(big.Int).SetBytes(bytes)
}

func mint(curve elliptic.Curve, name pkix.Name, pathLength int, life time.Duration, issuer *authority) authority {
	key := must(ecdsa.GenerateKey(curve, rand.Reader))
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               name,
		NotBefore:             now.Add(-5 * time.Minute),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            pathLength,
		MaxPathLenZero:        pathLength == 0,
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
	return authority{must(x509.ParseCertificate(der)), key}
}

func (w *workshop) set(number int) [4][]byte {
	name := pkix.Name{
		Organization:       []string{"shop"},
		OrganizationalUnit: []string{fmt.Sprintf("c%d", number)},
		CommonName:         "shop intermediate g2",
	}
	made := mint(w.curve, name, 0, 90*24*time.Hour, &w.issuing)
	if w.rehearse {
		w.rehearsal(made)
	}
	signer := armour("CERTIFICATE", made.certificate.Raw)
	key := armour("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(made.key)))
	chain := bytes.Join([][]byte{signer, armour("CERTIFICATE", w.issuing.certificate.Raw)}, nil)
	return [4][]byte{signer, key, chain, armour("CERTIFICATE", w.root.certificate.Raw)}
}

func (w *workshop) rehearsal(made authority) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		NotBefore:             now.Add(-2 * time.Minute),
		NotAfter:              now.Add(2 * time.Minute),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{w.identity},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, made.certificate, w.workload, made.key))
	leaf := must(x509.ParseCertificate(der))
	between := x509.NewCertPool()
	between.AddCert(made.certificate)
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	must(leaf.Verify(x509.VerifyOptions{Roots: w.anchors, Intermediates: between, KeyUsages: usages}))
}

func armour(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func main() {
	kind := flag.String("key", "ecdsa-p256", "ecdsa-p256 or ecdsa-p384")
	sets := flag.Int("sets", 1000, "how many sets")
	rehearse := flag.Bool("rehearse", true, "verify a workload certificate under each intermediate")
	flag.Parse()
	curve := elliptic.P256()
	if *kind == "ecdsa-p384" {
		curve = elliptic.P384()
	}
	root := mint(curve, pkix.Name{Organization: []string{"shop"}, CommonName: "shop root g1"}, -1, 3650*24*time.Hour, nil)
	name := pkix.Name{Organization: []string{"shop"}, CommonName: "shop issuing g1"}
	issuing := mint(curve, name, 1, 365*24*time.Hour, &root)
	w := &workshop{curve: curve, root: root, issuing: issuing, anchors: x509.NewCertPool(), rehearse: *rehearse}
	w.anchors.AddCert(issuing.certificate)
	w.workload = &must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey
	w.identity = must(url.Parse("spiffe://cluster.local/ns/rehearsal/sa/rehearsal"))

	made := make([][4][]byte, *sets)
	var next atomic.Int64
	var workers sync.WaitGroup
	start := time.Now()
	for range runtime.NumCPU() {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				number := int(next.Add(1)) - 1
				if number >= len(made) {
					return
				}
				made[number] = w.set(number)
			}
		}()
	}
	workers.Wait()
	fmt.Printf("%.1f\n", float64(*sets)/time.Since(start).Seconds())
}
