"""The temporary control plane as Ignition delivers it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scenario_fakes import config_of, make_inputs

from harness.cluster.release_payload import ReleasePayload
from harness.guest.bootkube import ADMIN_KUBECONFIG, temporary_control_plane
from harness.guest.limits import Limits
from harness.model.ignition import Config, Unit, render
from harness.model.secret import Secret
from harness.pki.control_plane import make_pki

SPEC = "10.0.2.2:5/release@sha256:0"
RELEASE = ReleasePayload(
    release_pull_spec=SPEC, images={"etcd": "h/etcd@sha256:1", "hyperkube": "h/api@sha256:2"}
)


@pytest.fixture(scope="module")
def config() -> Config:
    return temporary_control_plane(RELEASE, make_pki(), Limits())


def unit(config: Config, name: str) -> Unit:
    return next(unit for unit in config.units if unit.name == name)


def test_bootkube_alone_is_enabled_and_wants_the_release_image(config: Config) -> None:
    bootkube = unit(config, "bootkube.service")

    assert [u.name for u in config.units if u.enabled] == ["bootkube.service"]
    assert "Requires=release-image.service" in str(bootkube.contents)
    assert "ConditionPathExists=!/opt/openshift/.bootkube.done" in str(bootkube.contents)
    for name in ("bootkube.service", "release-image.service"):
        (dropin,) = unit(config, name).dropins
        assert f'Environment="RELEASE_IMAGE={SPEC}"' in dropin.contents


def test_limits_of_a_slow_guest_are_stretched_but_for_tries() -> None:
    slow = temporary_control_plane(RELEASE, make_pki(), Limits().scaled(4.0))
    (dropin,) = unit(slow, "release-image.service").dropins

    assert "TimeoutStartSec=1200\n" in dropin.contents
    assert 'Environment="CONTROL_PLANE_WAIT_S=1200"' in dropin.contents
    assert 'Environment="RELEASE_TRIES=3"' in dropin.contents


def test_keys_are_secrets_of_root(config: Config) -> None:
    secret = {file.path: file.mode for file in config.files if isinstance(file.contents, Secret)}

    assert secret.pop(ADMIN_KUBECONFIG) == 0o600
    assert all(path.startswith("/opt/openshift/tls/") for path in secret)
    assert "/opt/openshift/tls/apiserver.key" in secret
    assert set(secret.values()) == {0o600}


def test_no_image_is_known_before_the_release_image_is_asked(config: Config) -> None:
    pods = [file for file in config.files if file.path.endswith("-pod.json")]

    for pod in pods:
        spec = json.loads(str(pod.contents))["spec"]
        assert [container["image"] for container in spec["containers"]] == ["@IMAGE@"]
    assert len(pods) == 2
    assert not any(file.path.startswith("/etc/kubernetes/manifests") for file in config.files)


@pytest.mark.parametrize("release", [None, RELEASE])
def test_a_bootstrap_has_a_control_plane_where_there_is_a_release(
    tmp_path: Path, release: ReleasePayload | None
) -> None:
    inputs = replace(make_inputs(), release=lambda: release)

    config = render(config_of(tmp_path, inputs))

    assert ("bootkube.service" in config) is (release is not None)
