// Asks Istio's own code whether istiod would start with each fixture, at the fixture's moment, and writes
// ../../istiod-start.txt. Run it in a folder of Istio's source, with Go 1.25 or newer:
//
//	FIXTURES=…/pki-fixtures go test …/pki-fixtures/foreign/istio/verdict_test.go
//
// Not asked: the choice of the files and the self-signed fallback, which need a cluster.
package verdict

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/security/pkg/pki/ca"
)

func start(folder string) error {
	in := func(name string) string { return filepath.Join(folder, name) }
	files := ca.SigningCAFileBundle{
		RootCertFile: in("root-cert.pem"), CertChainFiles: []string{in("cert-chain.pem")},
		SigningCertFile: in("ca-cert.pem"), SigningKeyFile: in("ca-key.pem"),
	}
	if _, err := os.Stat(in("ca-crl.pem")); err == nil {
		files.CRLFile = in("ca-crl.pem")
	}
	if _, err := os.Stat(in("tls.crt")); err == nil {
		files = ca.SigningCAFileBundle{
			RootCertFile: in("ca.crt"), CertChainFiles: []string{in("tls.crt"), in("ca.crt")},
			SigningCertFile: in("tls.crt"), SigningKeyFile: in("tls.key"),
		}
	}
	options, err := ca.NewPluggedCertIstioCAOptions(files, 24*time.Hour, 90*24*time.Hour, 2048)
	if err != nil {
		return err
	}
	authority, err := ca.NewIstioCA(options)
	if err != nil {
		return err
	}
	chain, key, err := authority.GenKeyCert([]string{"istiod.istio-system.svc"}, time.Hour, false)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	for _, one := range pair.Certificate {
		if _, err := x509.ParseCertificates(one); err != nil {
			return err
		}
	}
	return spiffe.NewPeerCertVerifier().AddMappingFromPEM("cluster.local", authority.GetCAKeyCertBundle().GetRootCertPem())
}

func TestVerdicts(t *testing.T) {
	fixtures := os.Getenv("FIXTURES")
	moments := regexp.MustCompile(`(?m)^moment: (\S+)$`)
	var lines []string
	err := filepath.Walk(fixtures, func(path string, _ os.FileInfo, err error) error {
		if err != nil || filepath.Base(path) != "case.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		moment, err := time.Parse(time.RFC3339, moments.FindStringSubmatch(string(text))[1])
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		name, _ := filepath.Rel(fixtures, folder)
		if strings.Contains(string(text), "fillRootsTo") || name == "faulty/set-empty" {
			return nil
		}
		synctest.Test(t, func(*testing.T) {
			time.Sleep(time.Until(moment))
			if err := start(folder); err == nil {
				lines = append(lines, fmt.Sprintf("%s\taccepts\t", name))
			} else {
				said := strings.ReplaceAll(err.Error(), folder+"/", "")
				lines = append(lines, fmt.Sprintf("%s\trefuses\t%s", name, strings.Join(strings.Fields(said), " ")))
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(fixtures, "istiod-start.txt"), []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}
