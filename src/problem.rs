//! What can be wrong, as one register of stable codes and the one shape in which it is told.
//!
//! This file stands outside the five floors: every floor may name it, and it names none of them.
//! A code is a promise to scripts: it is never renumbered, renamed or reused. The page
//! `docs/reference/codes.md` lists each code, and a test keeps page and register equal.

use std::fmt;

macro_rules! codes {
    ($( $area:ident { $( $variant:ident = $name:literal : $meaning:literal ; )* } )*) => {
        /// A stable name for one thing that can be wrong: an error, a refusal or a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $( $( #[doc = $meaning] $variant, )* )* }

        impl Code {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Code] = &[ $( $( Code::$variant, )* )* ];

            /// The code as scripts and people see it, in kebab case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( $( Code::$variant => $name, )* )* }
            }

            /// What the code means, as one sentence without a full stop.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( $( Code::$variant => $meaning, )* )* }
            }

            /// The part of meshca that the code belongs to: a heading of the reference page.
            #[must_use]
            pub const fn area(self) -> Area {
                match self { $( $( Code::$variant => Area::$area, )* )* }
            }
        }
    };
}

/// Which part of meshca a code belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Findings about one certificate, one key or the four files of a `cacerts` set; each has a fixture.
    Certificate,
    /// The mesh file and its rules.
    MeshFile,
    /// Minting: what is refused before a signature is made.
    Minting,
    /// Targets: what is refused, and what cannot be seen.
    Target,
    /// Rotation and expiry.
    Rotation,
    /// Files, folders, locks, passphrases and the ledger.
    Disk,
    /// The command line.
    Usage,
}

impl Area {
    /// The heading of the area on the reference page.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Area::Certificate => "Certificates and the four files",
            Area::MeshFile => "The mesh file",
            Area::Minting => "Minting",
            Area::Target => "Targets",
            Area::Rotation => "Rotation and expiry",
            Area::Disk => "Files, locks, passphrases and the ledger",
            Area::Usage => "The command line",
        }
    }
}

codes! {
    Certificate {
        SetEmpty = "set-empty": "none of the files is there, neither the four nor the tls form; istiod would start with a self-signed CA of its own";
        FileMissing = "file-missing": "one or more, but not all, of ca-cert.pem, ca-key.pem, cert-chain.pem and root-cert.pem (or of tls.crt, tls.key and ca.crt) are missing";
        TwoForms = "two-forms": "tls.crt lies beside one of the four .pem files; istiod reads the tls form and ignores the four";
        TlsForm = "tls-form": "the set is in the tls form (tls.crt, tls.key, ca.crt), which cannot carry a CRL and cannot be changed in place";
        IstioGenerated = "istio-generated": "the key istio-generated is there: istiod may take the set for its own and overwrite it";
        ExtraFile = "extra-file": "a data key that Istio does not read";
        NoFinalNewline = "no-final-newline": "a value does not end with a newline, so that whatever is appended is lost together with its last block";
        PemTooLarge = "pem-too-large": "a value has more than 4 MiB of text or more than 10000 PEM blocks";
        PemNoBlock = "pem-no-block": "a value that must hold a PEM block holds none, or none that Go finds (cert-chain.pem has its own: chain-empty)";
        PemGlued = "pem-glued": "an END line and a BEGIN line share a line; Go loses both blocks";
        PemTruncated = "pem-truncated": "a BEGIN line has no END line of the same label before the next BEGIN line or the end, or an END line has no BEGIN line";
        PemBadBase64 = "pem-bad-base64": "what stands between BEGIN and END is not base64";
        PemEmptyBlock = "pem-empty-block": "a BEGIN line is followed by its END line with nothing in between";
        PemBlankLine = "pem-blank-line": "an empty line stands inside a block; Go takes it and BoringSSL refuses the whole file";
        PemHeader = "pem-header": "a block in a public file has header lines (Name: value) before its base64; Go takes it and BoringSSL refuses the whole file";
        PemIndented = "pem-indented": "a BEGIN line does not start its line (spaces or other text before it), so that the block is lost to every reader";
        PemByteOrderMark = "pem-byte-order-mark": "the value starts with a byte order mark (or is UTF-16), which hides a first BEGIN line";
        PemNul = "pem-nul": "a NUL byte stands in the value";
        ForeignBlock = "foreign-block": "a public file holds a PEM block that is neither a certificate (or, in ca-crl.pem, a CRL) nor a private key";
        PrivateKeyInPublicFile = "private-key-in-public-file": "a file other than the key file holds a private key; istiod hands the public files to every workload";
        CertificateMalformed = "certificate-malformed": "bytes that should be one X.509 certificate are not, or not to Go";
        SerialNegative = "serial-negative": "a certificate has a negative serial number; Go refuses to read it";
        SerialOdd = "serial-odd": "a certificate has the serial number zero, or one longer than 20 octets";
        SerialRepeated = "serial-repeated": "two different certificates of one issuer have the same serial number";
        UnknownCriticalExtension = "unknown-critical-extension": "a certificate has a critical extension that verifiers do not know and must refuse";
        KeyCurveUnknown = "key-curve-unknown": "a certificate has a key on a curve that Go does not know (secp256k1, Brainpool); Go refuses to read it";
        KeyKindUnusual = "key-kind-unusual": "a key is neither ECDSA P-256 nor P-384 nor RSA up to 8192 bits (Ed25519, P-521, P-224); Istio does not test it and not every ztunnel build takes it";
        RsaTooShort = "rsa-too-short": "an RSA key has fewer than 2048 bits";
        RsaClosePrimes = "rsa-close-primes": "the primes of an RSA key lie so close together that Fermat's method finds them in 100 steps, or that Go refuses to read the private key";
        RsaSmallFactor = "rsa-small-factor": "an RSA modulus has a prime factor below 65536";
        RsaWeakExponent = "rsa-weak-exponent": "an RSA exponent is even, smaller than 65537, or larger than 2147483647 (the most that Go takes)";
        PublishedSampleKey = "published-sample-key": "the private key to this certificate is published in Istio's repository (samples/certs, security/samples)";
        WeakSignature = "weak-signature": "a certificate is signed with SHA-1, MD5 or MD2";
        SignerNotCa = "signer-not-ca": "the certificate in ca-cert.pem is not a CA by its basic constraints; istiod takes it live and exits at its next start";
        IssuerNotCa = "issuer-not-ca": "a root, or a certificate of cert-chain.pem that signed another one of the path, is not a CA by its basic constraints";
        BasicConstraintsNotCritical = "basic-constraints-not-critical": "the basic constraints of a CA are not critical";
        KeyUsageMissing = "key-usage-missing": "a CA certificate has no key usage extension";
        KeyUsageNotCritical = "key-usage-not-critical": "the key usage of a CA is not critical";
        CertSignMissing = "cert-sign-missing": "the key usage of a CA certificate lacks keyCertSign";
        CrlSignMissing = "crl-sign-missing": "the key usage of a CA certificate lacks cRLSign, so that it can never be used with revocation lists";
        ExtendedKeyUsagePresent = "extended-key-usage-present": "a CA certificate has an extended key usage (which ones decides who refuses it)";
        RootPathTooShort = "root-path-too-short": "the path length of a root leaves no room for the CA certificates below it; istio-agent refuses istiod";
        IssuingPathTooShort = "issuing-path-too-short": "the path length of a CA between signer and root leaves no room for the CA certificates below it";
        SignerPathOpen = "signer-path-open": "the signer is no root and has no path length 0, so that further CAs could be made under it";
        NameConstraintShutsOutIstiod = "name-constraint-shuts-out-istiod": "the DNS name constraints of a CA in the path do not permit a name of istiod's serving certificate; istio-agent refuses istiod";
        NameConstraintViolated = "name-constraint-violated": "a name in the signer or in a CA of the path breaks the DNS name constraints of a CA above it";
        UriNameConstraint = "uri-name-constraint": "a CA in the path constrains URI names; rustls-webpki, and so ztunnel, refuses every workload, and Envoy those of a trust domain that is shut out";
        DirectoryNameConstraint = "directory-name-constraint": "a CA in the path constrains directory names; Go (where critical) and rustls-webpki refuse it";
        SubjectKeyIdMissing = "subject-key-id-missing": "a CA certificate has no subject key identifier";
        AuthorityKeyIdMissing = "authority-key-id-missing": "a certificate that is not self-issued has no authority key identifier";
        AuthorityKeyIdMismatch = "authority-key-id-mismatch": "the authority key identifier of a certificate is not the subject key identifier of the one that signed it";
        SubjectRepeated = "subject-repeated": "two different keys in the path from signer to root have the same subject";
        RootsShareSubject = "roots-share-subject": "two roots with different keys have the same subject";
        RootsTooMany = "roots-too-many": "root-cert.pem is so large that Envoy refuses the chains that carry it, or that no agent can connect";
        RootNotSelfSigned = "root-not-self-signed": "a certificate in root-cert.pem is issued by another name or, under the same name, by another key";
        RootUnused = "root-unused": "root-cert.pem holds a root that is expired and signed nothing in this set";
        ChainEmpty = "chain-empty": "cert-chain.pem holds no certificate though the signer is not one of the roots, or holds text without one";
        ChainLacksSigner = "chain-lacks-signer": "cert-chain.pem holds certificates, but not the one of ca-cert.pem";
        ChainOrder = "chain-order": "cert-chain.pem is not in the order signer, its issuer, ..., root";
        ChainForeignCertificate = "chain-foreign-certificate": "cert-chain.pem holds a certificate that is not on the path from signer to root";
        ChainRepeatsCertificate = "chain-repeats-certificate": "cert-chain.pem holds a certificate twice";
        ChainFirstExpired = "chain-first-expired": "the first certificate of cert-chain.pem is expired and is not the signer; istiod exits at its next start";
        PathBroken = "path-broken": "no path leads from the signer through cert-chain.pem to a certificate of root-cert.pem";
        SignatureBroken = "signature-broken": "the issuer's name and identifier match a certificate of the set (of a root: the root itself), and its key did not make the signature";
        CertificateExpired = "certificate-expired": "the signer or a certificate of its path is past its end";
        CertificateExpiresSoon = "certificate-expires-soon": "the signer or a certificate of its path ends within 7 days";
        CertificateNotYetValid = "certificate-not-yet-valid": "the signer or a certificate of its path, or a root, is not valid yet";
        ValidityInverted = "validity-inverted": "a certificate ends before it begins";
        OutlivesIssuer = "outlives-issuer": "a certificate of the path begins before or ends after the one that signed it";
        KeyMismatch = "key-mismatch": "the private key does not belong to the certificate of the signer";
        KeyUnreadable = "key-unreadable": "the first block of the key file is labelled as a private key, and its bytes are not one that Go reads";
        KeyWrongBlock = "key-wrong-block": "the first block of the key file is not a private key (a certificate, a public key)";
        KeyEncrypted = "key-encrypted": "the private key is encrypted; istiod has no passphrase";
        KeyParametersFirst = "key-parameters-first": "an EC PARAMETERS block stands before the private key; istiod reads the first block only";
        KeyFileSurplus = "key-file-surplus": "the key file holds more PEM blocks after the private key";
        CrlMalformed = "crl-malformed": "ca-crl.pem holds no CRL, or a block that is not one";
        CrlIncomplete = "crl-incomplete": "ca-crl.pem is there, and a CA of the chain or a root of the path has no CRL in it";
        CrlExpired = "crl-expired": "a CRL of a CA of the path is past its next update (or not yet in force)";
        CrlSignatureBroken = "crl-signature-broken": "a CRL names a CA of the set as its issuer, and that CA's key did not make the signature";
        CrlIgnored = "crl-ignored": "ca-crl.pem lies beside the tls form, in which istiod reads no CRL";
        CertificateRevoked = "certificate-revoked": "a CRL of this very set revokes the signer or a CA of its path";
        ReloadDropped = "reload-dropped": "istiod would drop this update of what it has loaded, the new signer included, because of the way root-cert.pem differs (needs the loaded set)";
        ReloadHalfApplied = "reload-half-applied": "an istiod that runs would take only a part of this update of what it has loaded, and say the opposite in its log";
        FatalAtNextStart = "fatal-at-next-start": "an istiod that runs would take this set live, and exit at its next start";
    }
    MeshFile {
        MeshFileSyntax = "mesh-file-syntax": "the mesh file is not readable YAML of the expected shape";
        UnknownKey = "unknown-key": "the mesh file has a key that meshca does not know";
        UnknownValue = "unknown-value": "a key of the mesh file has a word that it does not take";
        MissingKey = "missing-key": "a key that the mesh file must have is missing";
        DuplicateKey = "duplicate-key": "a key of the mesh file is given twice";
        MeshFileTooLarge = "mesh-file-too-large": "the mesh file is larger, deeper or more repetitive than any that is meant well";
        VersionUnsupported = "version-unsupported": "the mesh file says a version of the format that this meshca does not read";
        BadDuration = "bad-duration": "a value of the mesh file is not a length of time, or not of a length that its key takes";
        BadValue = "bad-value": "a value of the mesh file is not of the form or in the range that its key takes";
        KeyWithoutEffect = "key-without-effect": "a key of the mesh file is given where it means nothing";
        BadMeshName = "bad-mesh-name": "the name of the mesh cannot be a mesh ID of Istio, or would be left out by alert rules";
        BadTrustDomain = "bad-trust-domain": "the trust domain is not one of SPIFFE";
        BadNamespace = "bad-namespace": "a namespace is not a DNS label";
        BadPin = "bad-pin": "a trusted root is not given as the SHA-256 of its certificate";
        BadLeaked = "bad-leaked": "a leaked key is not given as the SHA-256 of its certificate";
        LeakedTwice = "leaked-twice": "a leaked key is named twice";
        RenewBeforeTooLong = "renew-before-too-long": "a certificate would be due for renewal from its first moment";
        WorkloadOutlivesRenewal = "workload-outlives-renewal": "workload certificates may live longer than their intermediate has left when it is renewed";
        IntermediateOutlivesIssuing = "intermediate-outlives-issuing": "an intermediate may live longer than its issuing CA has left when that is renewed";
        IssuingOutlivesRoot = "issuing-outlives-root": "an issuing CA may live longer than its root has left when that is changed";
        IntermediateOutlivesRoot = "intermediate-outlives-root": "an intermediate may live longer than its root has left when that is changed";
        RenewalWithinAlert = "renewal-within-alert": "intermediates would be renewed so late that the 7-day alert fires while all is well";
        SevenDayAlertUnusable = "seven-day-alert-unusable": "intermediates live so short that the 7-day alert fires while all is well";
        NoClusters = "no-clusters": "the mesh file has no cluster";
        TooManyClusters = "too-many-clusters": "the mesh file has more clusters than meshca takes";
        ClusterWithoutName = "cluster-without-name": "a cluster has no name";
        ClusterNamedUnknown = "cluster-named-unknown": "a cluster is named unknown, which alert rules in the field leave out";
        ClusterNameNotALabel = "cluster-name-not-a-label": "the name of a cluster is not a DNS label";
        DuplicateCluster = "duplicate-cluster": "two clusters have the same name";
        RemoteWithoutPrimary = "remote-without-primary": "a remote does not say which control plane serves it";
        PrimaryUnknown = "primary-unknown": "the control plane that a remote names is not in the mesh file";
        PrimaryIsRemote = "primary-is-remote": "the control plane that a remote names is itself a remote";
        ExternalWithoutConfigCluster = "external-without-config-cluster": "an external control plane does not say whose configuration it reads";
        ConfigClusterUnknown = "config-cluster-unknown": "the configuration cluster that an external control plane names is not in the mesh file";
        ConfigClusterNotItsRemote = "config-cluster-not-its-remote": "the configuration cluster of an external control plane is not one of its remotes";
        AccessNotOne = "access-not-one": "a cluster is reached in no way, or in more than one";
        AccessShared = "access-shared": "two clusters are reached at the same place, so that they would share a signing key";
        CanaryWithoutCacerts = "canary-without-cacerts": "the canary is not a cluster that gets cacerts";
        ExclusionIncomplete = "exclusion-incomplete": "a cluster is excluded without a reason or without an end";
    }
    Minting {
        KeyMalformed = "key-malformed": "bytes that should be a private key are not, or not of a kind that meshca can sign with";
        KeyKindRefused = "key-kind-refused": "a key of this kind or size is not minted, minted under or newly trusted";
        ProfileBroken = "profile-broken": "a certificate that was about to be signed breaks its profile; nothing was signed";
        RehearsalFailed = "rehearsal-failed": "a throw-away workload certificate under the new certificate does not verify; nothing was written";
        RootKeyElsewhere = "root-key-elsewhere": "a ceremony needs the root key, and it is not in the material folder here";
        EndorsementMalformed = "endorsement-malformed": "the file beside a root is not an endorsement of it in meshca's words";
        RootExists = "root-exists": "the material folder holds a root already, or the one that would be taken in";
        RootEnded = "root-ended": "the root that would endorse the next one, or be taken in, is past its end";
        RootNotTrusted = "root-not-trusted": "the root that was named is neither pinned in the mesh file, endorsed nor the founding one";
        RootAmbiguous = "root-ambiguous": "clusters run under different roots, and nothing says under which one to mint";
        NoIssuingTier = "no-issuing-tier": "the mesh file has no issuing tier, so there is no issuing CA to make";
        SigningFailed = "signing-failed": "the signature could not be made";
        IssuerUnfit = "issuer-unfit": "a certificate that nothing may be minted under: not a CA, no room in its path length, or not allowed to sign";
        PlaintextKeyRefused = "plaintext-key-refused": "a private key at rest is not sealed, which only a lab may have";
        IssuerKeyMismatch = "issuer-key-mismatch": "the private key that should sign does not belong to the certificate of the issuer";
        LifetimeNotNested = "lifetime-not-nested": "a certificate would outlive the one that signs it";
    }
    Target {
        AlreadyRunningUnderAnotherRoot = "already-running-under-another-root": "there is no cacerts here, but istiod runs on a root that is not ours; publishing would swap signer and root at its next restart";
        OwnedBySomebodyElse = "owned-by-somebody-else": "the cacerts there was not written by meshca for this mesh and cluster; it is never overwritten";
        IstioGeneratedSecret = "istio-generated-secret": "istiod made this cacerts for itself and would overwrite what is published";
        SecretTypeFixed = "secret-type-fixed": "the cacerts there is not of type Opaque, and a Secret's type never changes";
        SecretImmutable = "secret-immutable": "the cacerts there is immutable; Kubernetes refuses every change of it";
        RemoteGetsNoCacerts = "remote-gets-no-cacerts": "a remote cluster has no signer of its own and gets no cacerts";
        TargetUnreadable = "target-unreadable": "a target could not be looked at, so nothing is known and nothing is changed";
        NothingInStock = "nothing-in-stock": "a target has no cacerts, and nothing that may be used now lies in stock for it";
        CacertsMissing = "cacerts-missing": "a cluster that should have cacerts has none";
        TooManyValues = "too-many-values": "a target holds more values than any cacerts has, or more Deployments of istiod than anybody runs";
        TargetChangedMeanwhile = "target-changed-meanwhile": "a target changed between the decision and the write; it was left as it is";
        WrittenDiffersFromRead = "written-differs-from-read": "what was read back from a target is not what was written to it";
        NamespaceMissing = "namespace-missing": "a cluster has no namespace of the name that its target has";
        ControlPlaneNotNamed = "control-plane-not-named": "the namespace of a remote does not name its control plane, which therefore never hands it a trust bundle";
        KubeconfigUnusable = "kubeconfig-unusable": "a kubeconfig, or the service account of a pod, gives no way to an API server";
        CredentialPluginFailed = "credential-plugin-failed": "the credential plug-in of a kubeconfig failed, took too long or gave nothing that can be used";
        ApiServerUnreachable = "api-server-unreachable": "no connection to an API server comes about";
        ApiServerUntrusted = "api-server-untrusted": "the certificate of an API server does not lead to the CA that the kubeconfig names";
        ApiServerSlow = "api-server-slow": "an API server did not answer within the deadline of a target";
        ApiServerFailing = "api-server-failing": "an API server answers that it is overloaded or broken";
        ApiAnswerMalformed = "api-answer-malformed": "an answer is not one that an API server gives";
        AnswerLost = "answer-lost": "a connection ended before the answer was whole; whether a write was done is not known, and was looked up";
        NotAuthenticated = "not-authenticated": "an API server does not know who asks; a token or client certificate is wrong or has ended";
        NotAllowed = "not-allowed": "an API server knows who asks and does not allow it; the rule that is missing is named";
        ApiRefused = "api-refused": "an API server refused a request for a reason of its own";
        NotLoaded = "not-loaded": "an istiod was not seen to sign with what lies in its target, though that was waited for";
        UnknownCluster = "unknown-cluster": "the mesh file has no cluster of this name";
        RootDiffers = "root-differs": "a target runs under another root than the one that meshca may use; changing a root is a walk of its own";
        SharedSigningKey = "shared-signing-key": "two clusters sign with the same private key; whoever takes it from one signs for both";
        NoCommonRoot = "no-common-root": "two clusters have no valid root in common, so that their workloads refuse each other";
        BundlesDiffer = "bundles-differ": "clusters share a root, and not all of them trust the same roots";
        BundleMissing = "bundle-missing": "istiod's system namespace does not show the roots that workloads trust: the ConfigMap or its root-cert.pem is missing";
        BundleDamaged = "bundle-damaged": "the text of a trust bundle has more than sound certificates, so that its readers do not take it alike";
        SameCluster = "same-cluster": "two contexts lead to the same API server, so that comparing them says nothing";
        IstiodUnreachable = "istiod-unreachable": "a replica of istiod could not be connected to, or did not answer within its time; what it has loaded is unknown";
        IstiodNotProven = "istiod-not-proven": "whoever answered at the address of istiod did not prove to be istiod with the signer that it shows; what istiod has loaded is unknown";
        IstiodMetricsUnreadable = "istiod-metrics-unreadable": "the metrics of istiod could not be had, or say nothing about its certificates; what it has loaded is unknown";
        IstiodServesAnother = "istiod-serves-another": "a replica of istiod signs with another intermediate than the one in its cacerts; it has not loaded it";
        WorkloadTtlUnbounded = "workload-ttl-unbounded": "istiod may sign workload certificates that live longer than the mesh file says, so that a root change waits longer";
        IstiodSettingsUnknown = "istiod-settings-unknown": "what the Deployments of istiod set cannot be told from them, so that a root change reckons with the worst";
        IstiodNotRestartable = "istiod-not-restartable": "istiod cannot be restarted through the Kubernetes API: no Deployment of it is there, one is paused, or the target is reached in another way";
        IntermediateNotInLedger = "intermediate-not-in-ledger": "a target holds, under our mark, an intermediate that no entry of our ledger names; somebody else has minted under our roots, or records were lost";
    }
    Rotation {
        NoUsableRoot = "no-usable-root": "no root in the material folder is pinned in the mesh file, endorsed or the founding one";
        RotationPaused = "rotation-paused": "rotation is paused in the mesh file, and something is due";
        ClockImplausible = "clock-implausible": "the present moment lies before certificates that are already in use, or before this program was written, or far from what an API server says; nothing is minted";
        ClusterForgotten = "cluster-forgotten": "a cluster that had a part in the root change under way is not in the mesh file any more; no stage is changed";
        RootChangeLate = "root-change-late": "a root change waits for something that should have come by now, or the latest safe start of its next stage has passed";
        NoRootChange = "no-root-change": "there is no root change to be turned back or forward again";
        RootChangeUnderWay = "root-change-under-way": "the fleet walks from one root to the next, and clusters are adopted only when that has ended";
        AdoptionUnsound = "adoption-unsound": "what a cluster signs with could not be used as cacerts, so that it cannot be adopted as it is";
        NothingToAdopt = "nothing-to-adopt": "a cluster that is to be adopted has neither cacerts nor a CA that istiod made for itself";
        AdoptedSigner = "adopted-signer": "a cluster signs with what it was adopted with, which cannot be renewed or brought back";
        RemovalBegun = "removal-begun": "an old root was removed from a trust bundle, so the root change cannot be turned back";
        SignerTainted = "signer-tainted": "the key of an intermediate that a cluster had may be in other hands, and the intermediate has not ended";
        KeyLeaked = "key-leaked": "the private key of a root or an issuing CA may be in other hands; it endorses or signs nothing new, and whoever has it can make certificates that clusters accept until its root is removed from them";
        RemovalNotDue = "removal-not-due": "the removal of a root was approved that the fleet is not ready to lose, or that it does not walk away from";
        CeremonyNeeded = "ceremony-needed": "nothing that may be used without people can renew this certificate";
    }
    Disk {
        FileUnreadable = "file-unreadable": "a file cannot be read";
        FileTooLarge = "file-too-large": "a file is larger than anything meshca reads of its kind";
        FileUnwritable = "file-unwritable": "a file or folder cannot be written; what was there is unchanged";
        FileExists = "file-exists": "a file or folder that would be created is already there";
        LockHeld = "lock-held": "another run of meshca works on the same records or the same material";
        LeaseLost = "lease-lost": "the Lease that keeps two replicas apart was lost or could not be renewed before a write; nothing was written";
        PassphraseNeeded = "passphrase-needed": "a key is sealed, and there is no passphrase and no terminal to ask on";
        PassphraseRefused = "passphrase-refused": "a passphrase for a new key is too short, or was typed differently the second time";
        PassphraseShared = "passphrase-shared": "outside a lab, the passphrase of the root key would seal another key as well; whoever opens that one could open the root's";
        WrongPassphrase = "wrong-passphrase": "the passphrase does not open the key";
        StatusUnreadable = "status-unreadable": "the public status that an exporter reads is missing, incomplete, or not one that this version reads";
        ExporterGone = "exporter-gone": "where an exporter should be, nothing answers as one";
        ExporterBlind = "exporter-blind": "an exporter stands by, cannot read the status, tells of an old one, or not of every cluster";
        TickOverdue = "tick-overdue": "rotate has left no status for more than two ticks, so that nothing is renewed";
        LedgerBroken = "ledger-broken": "a line of the ledger is not an entry, or does not name the line before it";
        NoLedger = "no-ledger": "records go to standard output, so there is no ledger file to read";
        LedgerMissing = "ledger-missing": "a target holds a set of ours, and there is no ledger that could know its intermediate; records were lost, or lie elsewhere";
        LedgerCut = "ledger-cut": "the ledger ends in the middle of a line, as a crash leaves it";
        RandomnessUnavailable = "randomness-unavailable": "the operating system gave no random bytes";
    }
    Usage {
        NothingRecognised = "nothing-recognised": "a file holds no PEM block, no certificate and no Secret";
        SecretManifestMalformed = "secret-manifest-malformed": "text that should be a Kubernetes Secret is not";
        NotConfirmed = "not-confirmed": "what cannot be undone was not confirmed by its name; nothing was made";
        NoTerminal = "no-terminal": "something must be asked, or is to be shown again and again, and there is no terminal";
        BadArgument = "bad-argument": "an argument cannot be understood";
        NotBuiltIn = "not-built-in": "what is asked for was left out of this build of meshca";
        NotYet = "not-yet": "a feature that the mesh file or the command line asks for is not built yet";
        SignalsUnheard = "signals-unheard": "the operating system gives no way to wait for SIGTERM";
        ListenFailed = "listen-failed": "the address that metrics are to be served at cannot be listened on";
        PushgatewayFailed = "pushgateway-failed": "a Pushgateway was not reached, or did not take the metrics";
        Interrupted = "interrupted": "the run was asked to end (SIGTERM or SIGINT); what it had begun is finished, and the rest is left for the next";
        ReportMalformed = "report-malformed": "a file is no report of meshca as JSON, or one of another mesh, so that nothing can be compared with it";
        OutputFailed = "output-failed": "a result could not be put into the form that was asked for, or not be written where standard output goes";
        NoApiAccess = "no-api-access": "a cluster is not reached through the Kubernetes API, so that there is nothing to grant in it";
        UnfitForAPod = "unfit-for-a-pod": "the mesh file names a path that a pod of `manifests cronjob` or `daemon` would not have, or is too large for a ConfigMap";
        ScheduleMissesWindows = "schedule-misses-windows": "no start of the CronJob falls into a maintenance window of the mesh file, so that it would renew only what cannot wait";
        TickWithoutSchedule = "tick-without-schedule": "cron has no schedule for `rotation.tick`, and none was given";
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong: a stable code, one sentence, the facts that disagree, and what to type next.
///
/// The sentence is in lower case, has no full stop and names the cluster or the path. No part of a problem may
/// hold private key bytes or a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    what: String,
    facts: Vec<String>,
    hint: Option<String>,
    remedy: Option<Box<Remedy>>,
}

/// What somebody else can apply in a cluster, so that a problem does not come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The cluster in which it is to be applied.
    pub cluster: String,
    /// Kubernetes objects, as YAML that `kubectl apply -f -` takes. It may be the same for many clusters.
    pub manifest: String,
}

impl Problem {
    /// A problem with its sentence.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), facts: Vec::new(), hint: None, remedy: None }
    }

    /// Adds one line of evidence, shown indented below the sentence.
    #[must_use]
    pub fn fact(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// Sets the hint: a command that can be typed, or one thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets what would keep it from coming again.
    #[must_use]
    pub fn remedy(mut self, remedy: Option<Remedy>) -> Self {
        self.remedy = remedy.map(Box::new);
        self
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whether it is about a write that was sent and of which nobody said what became.
    #[must_use]
    pub const fn leaves_open_whether_it_was_done(&self) -> bool {
        matches!(self.code, Code::AnswerLost | Code::ApiServerFailing | Code::ApiServerSlow | Code::ApiAnswerMalformed)
    }

    /// The sentence.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The lines of evidence.
    #[must_use]
    pub fn facts(&self) -> &[String] {
        &self.facts
    }

    /// The hint, where there is one.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What would keep it from coming again, where that is something to apply.
    #[must_use]
    pub fn to_apply(&self) -> Option<&Remedy> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for Problem {
    /// One line: code and sentence. The command line shows facts and hint as well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.what)
    }
}

impl std::error::Error for Problem {}

/// How bad a finding is. The order is the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody should act, nothing is broken yet.
    Warning,
    /// Something is broken, or will be at the next restart.
    Critical,
}

impl Severity {
    /// The word that people and machines see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// A problem that a check found, with how bad it is and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The cluster, path or certificate that it is about.
    pub place: String,
    /// What is wrong.
    pub problem: Problem,
}
