"""The run's SSH keys: usable, unguessable and never shown."""

from __future__ import annotations

import io

import paramiko

from harness.guest.keys import make_run_keys


def test_private_key_matches_its_public_line() -> None:
    pair = make_run_keys().host

    key = paramiko.Ed25519Key(file_obj=io.StringIO(pair.private.reveal()))

    assert pair.public.split()[:2] == ["ssh-ed25519", key.get_base64()]


def test_private_key_is_in_openssh_format() -> None:
    private = make_run_keys().client.private.reveal()

    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert private.endswith("-----END OPENSSH PRIVATE KEY-----\n")


def test_public_line_is_one_line_with_a_comment() -> None:
    public = make_run_keys().client.public

    assert "\n" not in public
    assert public.split()[2] == "node-image-client"


def test_no_two_keys_are_equal() -> None:
    first, second = make_run_keys(), make_run_keys()

    publics = {
        pair.public.split()[1] for keys in (first, second) for pair in (keys.client, keys.host)
    }

    assert len(publics) == 4


def test_repr_shows_nothing_of_the_keys() -> None:
    keys = make_run_keys()

    assert repr(keys) == "RunKeys()"
    assert repr(keys.host) == "KeyPair(private=Secret())"
