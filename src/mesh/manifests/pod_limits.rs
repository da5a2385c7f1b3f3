//! What every pod of meshca keeps to: the restricted profile of Pod Security, and how much it takes of a node.

use crate::mesh::manifests::job_spec::{
    Capabilities, ContainerSecurity, Limits, PodSecurity, Requests, Resources, Seccomp,
};

/// A user and group that is nobody's.
const NOBODY: u32 = 65_532;

/// What holds for all of the pod.
pub(in crate::mesh::manifests) const fn pod_security() -> PodSecurity {
    PodSecurity {
        run_as_non_root: true,
        run_as_user: NOBODY,
        run_as_group: NOBODY,
        fs_group: NOBODY,
        seccomp_profile: Seccomp { kind: "RuntimeDefault" },
    }
}

/// What holds for its container.
pub(in crate::mesh::manifests) const fn container_security() -> ContainerSecurity {
    ContainerSecurity {
        allow_privilege_escalation: false,
        read_only_root_filesystem: true,
        capabilities: Capabilities { drop: ["ALL"] },
    }
}

/// What it takes, of memory so much at most: no limit of processor time, which would only make it late.
pub(in crate::mesh::manifests) const fn resources(memory: &'static str) -> Resources {
    Resources { requests: Requests { cpu: "50m", memory: "64Mi" }, limits: Limits { memory } }
}
