"""Units and scripts in the shape of the installer's, as templates for `installer_bootstrap`.

They are our own, and do what the installer's do as far as a node without a cluster can see it.

Source: openshift/installer data/data/bootstrap
"""

GENERATOR = """\
#!/bin/bash
rpm --query --quiet openshift-clients && exit 0
ln --symbolic --force /etc/systemd/system/node-image-overlay.target "$1/default.target"
"""
TARGET = """\
[Unit]
Description=Node Image Overlay Target
Requires=basic.target sshd.service getty.target systemd-user-sessions.service
Requires=node-image-overlay.service node-image-finish.service
"""
PULL_UNIT = """\
[Unit]
Description=Node Image Pull
Requires=network.target NetworkManager.service
After=network.target$after
$wants
[Service]
Type=oneshot
ExecStartPre=chcon --reference=/usr/bin/ostree /usr/local/bin/node-image-pull.sh
ExecStart=/usr/local/bin/node-image-pull.sh
MountFlags=slave
RemainAfterExit=yes
"""
OVERLAY_UNIT = """\
[Unit]
Description=Node Image Overlay
Requires=node-image-pull.service
After=node-image-pull.service

[Service]
Type=oneshot
ExecStart=/usr/local/bin/node-image-overlay.sh
RemainAfterExit=yes
"""
FINISH_UNIT = """\
[Unit]
Description=Node Image Finish
Requires=node-image-overlay.service
After=node-image-overlay.service

[Service]
Type=oneshot
ExecStart=/usr/bin/echo "$finished"
ExecStart=/usr/bin/systemctl --no-block isolate multi-user.target
$kill_mode
"""
TMPFS = """\
[Unit]
Requires=run-ephemeral.mount
After=run-ephemeral.mount
ConditionPathExists=/run/ostree-live

[Mount]
What=tmpfs
Where=$live
Type=tmpfs
Options=size=5G
"""
RELEASE_LIBRARY = """\
# Sourced: image_for asks the release image.
release=$$(podman inspect "$release" --format json | jq --raw-output '.[0].RepoDigests[0]') || true
[[ $$release == *@* ]] || release=$release
image_for() {
    podman run --quiet --rm --net=none "$$release" image "$$1"
}
"""
RELEASE_SCRIPT = """\
#!/usr/bin/env bash
RELEASE_IMAGE=$release
until podman pull --quiet "$$RELEASE_IMAGE"; do
    echo "Pull failed. Retrying $$RELEASE_IMAGE..."
    sleep 1
done
"""
RELEASE_UNIT = """\
[Unit]
Description=Download the OpenShift Release Image
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/local/bin/release-image-download.sh
RemainAfterExit=true
"""
PULL_SCRIPT = """\
#!/bin/bash
set -euo pipefail
. /usr/local/bin/release-image.sh
until image=$$(image_for rhel-coreos); do
    echo 'Failed to query release image; retrying...'
    sleep 10
done
echo "$on $$(rpm-ostree status --json | jq --raw-output '.deployments[0].version')"
echo "$target $$image"
repo=/ostree/repo
checkout=$$repo/tmp/node-image
links=(--require-hardlinks)
if [[ -e /run/ostree-live ]]; then
    echo 'In live environment; creating temporary repo to pull node image'
    repo=$live/repo
    checkout=$live/checkout
    links=()
    mkdir --parents "$$repo"
    ostree init --mode=bare --repo="$$repo"
else
    mount -o remount,rw /sysroot
fi
echo "Pulling $$image"
until ostree container image pull --authfile /root/.docker/config.json "$$repo" \\
        "ostree-unverified-image:docker://$$image"; do
    echo 'Failed to fetch release image; retrying...'
    sleep 10
done
df -h "$$repo"
ref=$$(ostree refs --repo "$$repo" | grep '^ostree/container/image/docker')
ostree refs --repo "$$repo" "$$ref" --create coreos/node-image
kept=$$(ostree admin config-diff | cut --fields=5 --delimiter=' ' | sed 's,^,/usr/etc/,')
echo "$checking_out"
ostree checkout --repo "$$repo" "$${links[@]}" --skip-list=<(echo "$$kept") \\
    coreos/node-image "$$checkout"
if grep --quiet coreos.liveiso= /proc/cmdline; then
    echo 'Deleting temporary repo'
    rm --recursive --force "$$repo"
fi
"""
OVERLAY_SCRIPT = """\
#!/bin/bash
set -euo pipefail
checkout=/ostree/repo/tmp/node-image
[[ -d $$checkout ]] || checkout=$live/checkout
echo "$overlaying"
mount -o bind,ro /usr/lib/modules "$$checkout/usr/lib/modules"
mount -o rbind,ro "$$checkout/usr" /usr
rsync --archive "$$checkout/usr/etc/" /etc
semodule -R
$sshd
"""
CRIO_SCRIPT = """\
#!/usr/bin/env bash
set -euo pipefail
. /usr/local/bin/release-image.sh
pause=$$(image_for pod)
mkdir --parents /etc/crio/crio.conf.d
cat >/etc/crio/crio.conf.d/50-bootstrap-override.conf <<END
[crio]
[crio.image]
pause_image = "$$pause"
pause_command = "/usr/bin/pod"
END
"""
CRIO_UNIT = """\
[Unit]
Description=Configure CRI-O to use the pause image
Requires=release-image.service
After=release-image.service
Before=crio.service

[Service]
Type=oneshot
ExecStart=/usr/local/bin/crio-configure.sh
RemainAfterExit=true

[Install]
RequiredBy=crio.service
"""
RECORD_LIBRARY = """\
# Sourced: units say what they do. Only bash knows a nameref.
record() {
    local -n said=$$1
    echo "stage: $$said"
}
stage=start
record stage
"""
CHOWN_UNIT = """\
[Unit]
Description=Change ownership of journal-gatewayd.key
Before=systemd-journal-gatewayd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c ". /usr/local/bin/bootstrap-service-record.sh; \
getent passwd systemd-journal-gateway &>/dev/null || useradd -r systemd-journal-gateway; \
chown systemd-journal-gateway: /opt/openshift/tls/journal-gatewayd.{crt,key}"

[Install]
WantedBy=multi-user.target
"""
APPROVE_SCRIPT = """\
#!/usr/bin/env bash
echo 'Approving all CSR requests until bootstrapping is complete...'
until [ -f /opt/openshift/.bootkube.done ]; do
    sleep 5
done
"""
APPROVE_UNIT = """\
[Unit]
Description=Approve CSRs during bootstrap phase
Wants=bootkube.service
After=bootkube.service

[Service]
ExecStart=/usr/local/bin/approve-csr.sh /opt/openshift/auth/kubeconfig
Restart=on-failure
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
PROGRESS_SCRIPT = """\
#!/usr/bin/env bash
echo 'Waiting for bootstrap to complete...'
until [ -f /opt/openshift/.bootkube.done ]; do
    sleep 5
done
echo 'Reporting install progress...'
"""
PROGRESS_UNIT = """\
[Unit]
Description=Report the completion of the cluster bootstrap process
Wants=bootkube.service
After=bootkube.service

[Service]
ExecStart=/usr/local/bin/report-progress.sh /opt/openshift/auth/kubeconfig bootstrap-complete
Restart=on-failure
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
PAUSE_SCRIPT = """\
#!/usr/bin/env bash
set -euo pipefail
. /usr/local/bin/release-image.sh
pause=$$(image_for pod)
echo "MACHINE_CONFIG_INFRA_IMAGE=$$pause" >/etc/kubernetes/kubelet-pause-image-override
"""
KUBELET_SCRIPT = """\
#!/usr/bin/env bash
/usr/bin/kubelet \\
    --anonymous-auth=false \\
    --container-runtime-endpoint=/var/run/crio/crio.sock \\
    --runtime-request-timeout=10m \\
    --pod-manifest-path=/etc/kubernetes/manifests \\
    --minimum-container-ttl-duration=6m0s \\
    --cluster-domain=cluster.local \\
    --cgroup-driver=systemd \\
    --serialize-image-pulls=false \\
    --volume-plugin-dir=/etc/kubernetes/kubelet-plugins/volume/exec \\
    --v=2$pause_flag
"""
KUBELET_UNIT = """\
[Unit]
Description=Kubernetes Kubelet
Wants=rpc-statd.service crio.service release-image.service
After=crio.service release-image.service

[Service]
Type=notify
NotifyAccess=all
ExecStartPre=/bin/mkdir --parents /etc/kubernetes/manifests
ExecStartPre=/bin/mkdir --parents /etc/kubernetes/kubelet-plugins/volume/exec
$pause_step
EnvironmentFile=-/etc/kubernetes/kubelet-pause-image-override
ExecStart=/usr/local/bin/kubelet.sh
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
BOOTKUBE_SCRIPT = """\
#!/usr/bin/env bash
set -euoE pipefail
. /usr/local/bin/release-image.sh
image=$$(image_for pod)
cat >/etc/kubernetes/manifests/$pod.json <<END
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$pod", "namespace": "kube-system"},
 "spec": {"hostNetwork": true, "automountServiceAccountToken": false,
  "containers": [{"name": "one", "image": "$$image", "imagePullPolicy": "IfNotPresent"}]}}
END
names='.containers[].labels["io.kubernetes.pod.name"]'
until crictl ps --output=json | jq --raw-output "$$names" | grep --quiet '^$pod-'; do
    echo 'No pod yet. Retrying in 5 seconds...'
    sleep 5
done
touch .bootkube.done
echo 'bootkube.service complete'
"""
BOOTKUBE_UNIT = """\
[Unit]
Description=Bootstrap a Kubernetes cluster
Requires=crio-configure.service
Wants=kubelet.service
After=kubelet.service crio-configure.service
ConditionPathExists=!/opt/openshift/.bootkube.done

[Service]
WorkingDirectory=/opt/openshift
ExecStart=/usr/local/bin/bootkube.sh
Restart=on-failure
RestartSec=5s
"""
IN_PLACE_BOOTKUBE_SCRIPT = """\
#!/usr/bin/env bash
set -euoE pipefail
. /usr/local/bin/release-image.sh
server=$$(image_for machine-config-operator)
sed "s,@IMAGE@,$$server," bootstrap-manifests/machine-config-server-pod.json \\
    >/etc/kubernetes/manifests/bootstrap-machine-config-server-pod.json
image=$$(image_for pod)
cat >/etc/kubernetes/manifests/etcd-member-pod.yaml <<END
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$pod", "namespace": "kube-system"},
 "spec": {"hostNetwork": true, "automountServiceAccountToken": false,
  "containers": [{"name": "etcd", "image": "$$image", "imagePullPolicy": "IfNotPresent"}]}}
END
until crictl ps --state running -o json | jq --exit-status '$etcd' >/dev/null; do
    echo 'No pod yet. Retrying in 5 seconds...'
    sleep 5
done
. /usr/local/bin/bootstrap-in-place.sh
touch .bootkube.done
echo 'bootkube.service complete'
"""
IN_PLACE_SCRIPT = """\
#!/usr/bin/env bash
set -euoE pipefail
if [ ! -f stop-etcd.done ]; then
    echo 'Stop etcd static pod by moving the manifest'
    mv /etc/kubernetes/manifests/etcd-member-pod.yaml /etc/kubernetes
    until ! crictl ps --state running -o json | jq --exit-status '$etcd' >/dev/null; do
        echo 'Waiting for etcd to go down'
        sleep 5
    done
    touch stop-etcd.done
fi
if [ ! -f master-ignition.done ]; then
    echo 'Creating master ignition and writing it to disk'
    until curl --silent --show-error --fail \\
            --header 'Accept:application/vnd.coreos.ignition+json;version=3.2.0' \\
            http://localhost:22624/config/master --output original-master.ign; do
        sleep 5
    done
    cp original-master.ign master.ign
    touch master-ignition.done
fi
"""
INSTALL_SCRIPT = """\
#!/usr/bin/env bash
set -euoE pipefail
echo 'Waiting for /opt/openshift/.bootkube.done'
until [ -f /opt/openshift/.bootkube.done ]; do
    sleep 5
done
if [ ! -f coreos-installer.done ]; then
    coreos-installer install -n -i /opt/openshift/master.ign $disk
    touch coreos-installer.done
fi
echo 'Going to reboot'
shutdown -r +1 'Bootstrap completed, server is going to reboot.'
touch /opt/openshift/.install-to-disk.done
echo 'Done'
"""
INSTALL_UNIT = """\
[Unit]
Description=Install to disk
Requires=bootkube.service
Wants=bootkube.service
After=bootkube.service
ConditionPathExists=!/opt/openshift/.install-to-disk.done

[Service]
WorkingDirectory=/opt/openshift
ExecStart=/usr/local/bin/install-to-disk.sh
Restart=on-failure
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
PIVOT_UNIT = """\
[Unit]
Description=Machine Config Daemon Firstboot
ConditionPathExists=/run/ostree-booted
ConditionPathExists=/etc/ignition-machine-config-encapsulated.json
Wants=network-online.target
After=network-online.target
Before=crio.service kubelet.service

[Service]
Type=oneshot
ExecStart=/usr/local/bin/firstboot.sh

[Install]
WantedBy=multi-user.target
RequiredBy=crio.service kubelet.service
"""
PIVOT_SCRIPT = """\
#!/usr/bin/env bash
set -euo pipefail
encapsulated=/etc/ignition-machine-config-encapsulated.json
image=$$(jq --raw-output .spec.osImageURL $$encapsulated)
rpm-ostree rebase --experimental "ostree-unverified-registry:$$image"
mv $$encapsulated $$encapsulated.bak
systemctl --no-block reboot
sleep infinity
"""
