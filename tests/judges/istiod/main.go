// The istiod judge: does to a folder of CA files what istiod does when it starts or reloads, and what the mesh then
// does with the certificates that this istiod signs. It restates Istio's checks (security/pkg/pki/util and
// security/pkg/pki/ca, pilot's choice of the file form, pkg/spiffe) with Go's own crypto/x509, the library istiod uses,
// so that its verdict owes nothing to the Rust crates under test.
//
//	istiod [-at 2026-01-02T15:04:05Z] FOLDER...
//
// prints one line of JSON per folder, in the order given:
//
//	{"folder":"…","start":{"accepts":true},"reload":{…},"workload":{…},"agent":{"accepts":false,"error":"…"}}
//
// The exit code is 0 whatever the verdicts are; anything else means that the judge could not judge.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	workloadTTL = 24 * time.Hour
	// What istiod asks of its own CA for the certificate that it serves.
	servingTTL = 10 * 365 * 24 * time.Hour
	// istiod dates every leaf back by this much.
	clockSkew  = 2 * time.Minute
	istiodName = "istiod.istio-system.svc"
)

// bundle is what istiod holds of the folder, in whichever form the folder is.
type bundle struct{ cert, key, chain, roots, crl []byte }

type verdict struct {
	Accepts bool   `json:"accepts"`
	Error   string `json:"error,omitempty"`
}

type report struct {
	Folder   string  `json:"folder"`
	Start    verdict `json:"start"`
	Reload   verdict `json:"reload"`
	Workload verdict `json:"workload"`
	Agent    verdict `json:"agent"`
}

func main() {
	moment := flag.String("at", "", "judge at this moment (RFC 3339) instead of now")
	flag.Parse()
	at := time.Now()
	if *moment != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, *moment); err != nil {
			fail(err)
		}
	}
	if flag.NArg() == 0 {
		fail(errors.New("no folder given"))
	}
	out := json.NewEncoder(os.Stdout)
	for _, folder := range flag.Args() {
		// A folder that is not there is a mistake of the test, not a refusal by istiod.
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			fail(fmt.Errorf("%s is not a folder", folder))
		}
		if err := out.Encode(judge(folder, at)); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "istiod judge:", err)
	os.Exit(2)
}

func judge(folder string, at time.Time) report {
	b, err := load(folder)
	if err != nil {
		none := verdictOf(err)
		return report{folder, none, none, none, none}
	}
	return report{
		Folder:   folder,
		Start:    verdictOf(start(b, at)),
		Reload:   verdictOf(verify(b, at)),
		Workload: verdictOf(workload(b, at)),
		Agent:    verdictOf(agent(b, at)),
	}
}

func verdictOf(err error) verdict {
	if err != nil {
		return verdict{false, err.Error()}
	}
	return verdict{true, ""}
}

// load picks the form as istiod does: a tls.crt wins over the four .pem files; the tls form has no CRL, and its chain is
// the bytes of tls.crt and ca.crt put together as they are.
func load(folder string) (b bundle, err error) {
	read := func(name string) []byte {
		data, readErr := os.ReadFile(filepath.Join(folder, name))
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("incomplete signing CA bundle: %w", readErr))
		}
		return data
	}
	if _, statErr := os.Stat(filepath.Join(folder, "tls.crt")); statErr == nil {
		b = bundle{cert: read("tls.crt"), key: read("tls.key"), roots: read("ca.crt")}
		b.chain = append(append([]byte{}, b.cert...), b.roots...)
		return b, err
	}
	b = bundle{cert: read("ca-cert.pem"), key: read("ca-key.pem"), chain: read("cert-chain.pem"), roots: read("root-cert.pem")}
	if _, statErr := os.Stat(filepath.Join(folder, "ca-crl.pem")); statErr == nil {
		b.crl = read("ca-crl.pem")
	}
	return b, err
}

// verify is all that a running istiod asks of new files before it takes them (its hot reload).
func verify(b bundle, at time.Time) error {
	cert, err := firstCertificate(b.cert)
	if err != nil {
		return fmt.Errorf("failed to parse cert PEM: %w", err)
	}
	// No KeyUsages: Go then asks for serverAuth, and so does istiod.
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(b.roots), Intermediates: pool(b.chain), CurrentTime: at}); err != nil {
		return fmt.Errorf("cannot verify the cert with the provided root chain and cert pool: %w", err)
	}
	if _, err := firstKey(b.key); err != nil {
		return fmt.Errorf("failed to parse private key PEM: %w", err)
	}
	if _, err := tls.X509KeyPair(b.cert, b.key); err != nil {
		return fmt.Errorf("the cert does not match the key: %w", err)
	}
	if len(b.crl) > 0 {
		return verifyCRL(b.chain, b.crl)
	}
	return nil
}

// verifyCRL wants a CRL from every certificate of the chain. The certificates are told apart by subject alone, so of two
// with one subject only the later counts: istiod's own flaw, kept.
func verifyCRL(chain, crl []byte) error {
	missing := map[string]*x509.Certificate{}
	for _, block := range blocks(chain) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("failed to parse cert chain PEM: %w", err)
		}
		missing[cert.Subject.String()] = cert
	}
	for _, block := range blocks(crl) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return fmt.Errorf("failed to parse CRL PEM: %w", err)
		}
		for subject, cert := range missing {
			if list.CheckSignatureFrom(cert) == nil {
				delete(missing, subject)
			}
		}
	}
	for subject := range missing {
		return fmt.Errorf("missing CRL signed by certificates: %s", subject)
	}
	return nil
}

// start is verify and what istiod asks besides when it starts.
func start(b bundle, at time.Time) error {
	if err := verify(b, at); err != nil {
		return err
	}
	signer, err := firstCertificate(b.cert)
	if err != nil {
		return err
	}
	if !signer.IsCA {
		return errors.New("certificate is not authorized to sign other certificates")
	}
	if len(b.chain) > 0 {
		first, err := firstCertificate(b.chain)
		if err != nil {
			return fmt.Errorf("failed to get cert chain TTL: %w", err)
		}
		if !at.Before(first.NotAfter) {
			return errors.New("cert chain has expired")
		}
	}
	// The verifier of client certificates parses every block of the roots, of whatever type, and forgives none.
	for _, block := range blocks(b.roots) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("parse certificate from rootPEM got error: %w", err)
		}
	}
	return nil
}

// workload signs for a workload as istiod would and looks at the result as a peer in the mesh would.
func workload(b bundle, at time.Time) error {
	id := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/default/sa/default"}
	leaf, err := sign(b, at, workloadTTL, &x509.Certificate{URIs: []*url.URL{id}})
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: pool(b.roots), Intermediates: pool(b.chain), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// agent signs istiod's own serving certificate and looks at it as the agent beside a workload would.
func agent(b bundle, at time.Time) error {
	leaf, err := sign(b, at, servingTTL, &x509.Certificate{DNSNames: []string{istiodName}})
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: pool(b.roots), Intermediates: pool(b.chain), CurrentTime: at, DNSName: istiodName,
	})
	return err
}

// sign mints a leaf under the signer with a key that nobody keeps. Like istiod it never outlives the signer; like istiod
// it looks at no constraint of the signer, which is for those who verify.
func sign(b bundle, at time.Time, ttl time.Duration, leaf *x509.Certificate) (*x509.Certificate, error) {
	signer, err := firstCertificate(b.cert)
	if err != nil {
		return nil, err
	}
	signerKey, err := firstKey(b.key)
	if err != nil {
		return nil, err
	}
	if !at.Before(signer.NotAfter) {
		return nil, errors.New("the signing certificate has expired")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if leaf.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	leaf.NotBefore, leaf.NotAfter = at.Add(-clockSkew), at.Add(ttl)
	if leaf.NotAfter.After(signer.NotAfter) {
		leaf.NotAfter = signer.NotAfter
	}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf.BasicConstraintsValid = true
	// CreateCertificate writes the authority key identifier from the signer.
	der, err := x509.CreateCertificate(rand.Reader, leaf, signer, key.Public(), signerKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func firstCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("invalid PEM encoded certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func firstKey(data []byte) (crypto.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("invalid PEM-encoded key")
	}
	switch block.Type {
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	return nil, fmt.Errorf("unsupported PEM block type for a private key: %s", block.Type)
}

func blocks(data []byte) (found []*pem.Block) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		found = append(found, block)
	}
	return found
}

func pool(data []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(data)
	return p
}
