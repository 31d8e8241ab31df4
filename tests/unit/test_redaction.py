"""Planted secrets of every kind in every form, and ordinary text that must stay as it is."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import json
import lzma
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness.lint.ignition_calls import read
from harness.model.ignition import File, parse, render
from harness.model.ignition.document import Document
from harness.model.secret import Secret
from harness.model.secrets.config import redacted, secrets_in, without_secrets
from harness.model.secrets.redaction import REMOVED, LineRedactor, Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2RlIn0.c2lnbmF0dXJlLW9m-aXQ_"
CRYPT = "$6$rounds=5000$saltsalt$aBcD./0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ"
YESCRYPT = "$y$j9T$saltsaltsalt$aBcD./0123456789aBcDeFgHiJkLmNoPqRs"
SHA = "25ec25d81ccfcf06dd2d6f973de81a7fc9601131dd179f6be1bc38b1c3852bdc"


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(Secret(secret))
    return redactor


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_secrets_of_a_config_within_a_config_are_known() -> None:
    key = private_key()
    inner = {
        "ignition": {"version": "3.2.0"},
        "storage": {"files": [{"path": "/k", "mode": 384, "contents": {"source": data_url(key)}}]},
    }
    for mode in (0o600, 0o644):
        entry = {"path": "/c", "mode": mode, "contents": {"source": data_url(json.dumps(inner))}}
        outer = {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}

        known = list(secrets_in(parse(json.dumps(outer), "outer")))

        assert key in known
        redactor = knowing(*known)
        assert all(line not in redactor(line) for line in key.splitlines()[1:-1])


def data_url(text: str) -> str:
    return f"data:;base64,{packed(text)}"


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def private_key(form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def openssh_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


KEYS = {
    "pkcs8": private_key(),
    "sec1": private_key(PrivateFormat.TraditionalOpenSSL),
    "openssh": openssh_key(),
}


def body_of(key: str) -> list[str]:
    return key.splitlines()[1:-1]


# --- secrets that are known by value

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": in_json,
    "json unescaped": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json of go": lambda text: in_json(text).replace("<", r"\u003c").replace("&", r"\u0026"),
    "json in json": lambda text: in_json(in_json(text)),
    "url": lambda text: quote(text, safe=""),
    "path": quote,
    "query": quote_plus,
    "html": html.escape,
    "base64": packed,
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 of json": lambda text: packed(in_json(text)),
    "base64 twice": lambda text: packed(packed(text)),
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "utf-16": "\0".join,
    "utf-16 in json": lambda text: in_json("\0".join(text)),
    "base64 of utf-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 of utf-16 be": lambda text: base64.b64encode(text.encode("utf-16-be")).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", ["s3cr3t-0f-m1ne", "sixsix", 'p"a\\s<s&wörd/+= 1', "ü?>~~~"])
def test_known_secret_goes_in_every_form(secret: str, form: str) -> None:
    shown = FORMS[form](secret)

    assert knowing(secret)(f"({shown})") == f"({REMOVED})"


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("after", ["", "x", "xy"])
def test_known_secret_goes_in_the_middle_of_base64(before: str, after: str) -> None:
    secret = "s3cr3t-0f-m1ne"
    whole = packed(f"{before}{secret}{after}")

    clean = knowing(secret)(f"config: {whole}")

    left, removed, right = clean.removeprefix("config: ").partition(REMOVED)
    assert removed
    assert len(left) <= 2 * len(before)
    assert len(right) <= 2 * len(after) + len("x===")


def test_several_known_secrets_go_the_longest_first() -> None:
    redactor = knowing("s3cr3t", "s3cr3t-longer", "0ther-one")

    assert redactor("s3cr3t-longer s3cr3t-s3cr3t0ther-one") == (
        f"{REMOVED} {REMOVED}-{REMOVED}{REMOVED}"
    )


@pytest.mark.parametrize("text", ["abc12", "password", "OpenShift", "115200", "9" * 15, " \n"])
def test_short_and_ordinary_secrets_stay(text: str) -> None:
    line = f"console=ttyS0,115200n8 OpenShift password abc12 {text}"

    assert knowing(text)(line) == line


AUTHFILE = json.dumps(
    {
        "auths": {
            "registry.example": {"auth": packed("robot:p4ss-of-robot"), "email": "me@example"},
            "other.example": {
                "identitytoken": "ident1ty-t0ken",
                "registrytoken": "registry-token-me",
            },
            "old.example": {"username": "someone", "password": "0ld-password"},
            "broken.example": {"auth": "no base64 1"},
        }
    },
    indent=1,
)


@pytest.mark.parametrize(
    "part",
    [
        AUTHFILE.strip(),
        packed("robot:p4ss-of-robot"),
        "robot:p4ss-of-robot",
        "p4ss-of-robot",
        "ident1ty-t0ken",
        "registry-token-me",
        "0ld-password",
        "no base64 1",
    ],
)
def test_every_login_of_an_authfile_goes(part: str) -> None:
    for shown in (part, packed(part), in_json(part)):
        assert knowing(AUTHFILE)(f"pull failed: {shown};") == f"pull failed: {REMOVED};"


@pytest.mark.parametrize("name", ["registry.example", "me@example", "someone"])
def test_what_is_public_in_an_authfile_stays(name: str) -> None:
    assert knowing(AUTHFILE)(f"pulling from {name}") == f"pulling from {name}"


@pytest.mark.parametrize("kind", KEYS)
def test_lines_of_a_known_private_key_go_wherever_they_are(kind: str) -> None:
    redactor = knowing(KEYS[kind])

    for line in body_of(KEYS[kind]):
        if len(line) >= 16:
            assert redactor(f"node sshd[7]: {line}") == f"node sshd[7]: {REMOVED}"


def test_line_of_a_key_is_known_from_sixteen_characters_on() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----"
    redactor = knowing(key.format("aB3dEfGhIjKlMnOp", "qR5tUvWxYzAbC=="))

    assert redactor("aB3dEfGhIjKlMnOp and qR5tUvWxYzAbC==") == f"{REMOVED} and qR5tUvWxYzAbC=="


def test_number_is_known_from_sixteen_digits_on() -> None:
    assert knowing("9" * 16)(f"id {'9' * 16}") == f"id {REMOVED}"


def test_secrets_in_the_text_of_a_known_file_are_known_by_themselves() -> None:
    redactor = knowing("API_KEY=k3y-0f-service\nPASSWORD=optional\nUSER=someone\n")

    assert redactor("called with k3y-0f-service") == f"called with {REMOVED}"
    assert redactor("optional for someone") == "optional for someone"


# --- secrets that show by a sign


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("Authorization: Bearer abcdef", "Authorization: Bearer ~"),
        ("> authorization: Basic dXNlcjpw", "> authorization: Basic ~"),
        ("Authorization:[Basic dXNlcjpw] Accept:[*/*]", "Authorization:[Basic ~] Accept:[*/*]"),
        (r"\"Authorization\": \"Token t0ken\"", r"\"Authorization\": \"Token ~\""),
        ('"value": "Basic dXNlcjpwYXNz",', '"value": "Basic ~",'),
        ("sent Bearer t0ken-of-me, got 401", "sent Bearer ~, got 401"),
        ("bearer sha256~abc", "bearer ~"),
        ("login as sha256~AbCdEfGhIjKlMnOpQrStUvWxYz-_0123456789", "login as ~"),
        (f"got {JWT} from it", "got ~ from it"),
        (f"{packed(AUTHFILE)}.", "ewog~."),
        (f"{packed(json.dumps(json.loads(AUTHFILE)))}.", "ey~."),
        ("GET https://me:tok3n@host/x.ign failed", "GET https://~@host/x.ign failed"),
        ("GET https://me:t@k3n@host/x.ign", "GET https://~@host/x.ign"),
        (r"https:\/\/me:tok3n@host", r"https:\/\/~@host"),
        ("clone https://t0ken@git.example/x", "clone https://~@git.example/x"),
        ("ftp://me:tok3n@host/x", "ftp://~@host/x"),
        ("GET /x?token=abcd&y=1", "GET /x?token=~&y=1"),
        (
            "s3?X-Amz-Date=1&X-Amz-Signature=0123456789abcdef0123",
            "s3?X-Amz-Date=1&X-Amz-Signature=~",
        ),
        ("blob?sv=1&sig=0123456789abcdefgh%3D", "blob?sv=1&sig=~"),
        ('"auth": "dXNlcjpwYXNz"', '"auth": "~"'),
        ('{"auth":"a b","email":"x"}', '{"auth":"~","email":"x"}'),
        (r'"MESSAGE":"{\"auth\":\"a\",\"e\":1}"', r'"MESSAGE":"{\"auth\":\"~\",\"e\":1}"'),
        (r"\\\"identitytoken\\\": \\\"abc\\\"", r"\\\"identitytoken\\\": \\\"~\\\""),
        (r'"password": "with \" quote", "x"', '"password": "~", "x"'),
        ('"client_secret": "cut off', '"client_secret": "~'),
        ('"passwordHash": "$6$salt$hash",', '"passwordHash": "~",'),
        ("clientSecret=abcd1234 ApiKey=abcd1234", "clientSecret=~ ApiKey=~"),
        ('"aws_secret_access_key":"x"', '"aws_secret_access_key":"~"'),
        (r"\"--password\" \"$6$salt$hash\" \"x\"", r"\"--password\" \"~\" \"x\""),
        ("curl --password hunter2 x", "curl --password ~ x"),
        ("kubelet --bootstrap-token=abcd --v=2", "kubelet --bootstrap-token=~ --v=2"),
        ("core:$6$salt$hash1234:19000:0", "core:~:19000:0"),
        (f"core:{CRYPT}:1", "core:~:1"),
        (f"hash {YESCRYPT}", "hash ~"),
        (f"{YESCRYPT.replace('$y$', '$gy$')} $sha1$40000$salt$aBcD./0123", "~ ~"),
        ("$2b$12$0123456789012345678901aBcDeFgHiJkLmNoPqRsTuVwXyZ01234", "~"),
        ("    client-key-data: bm8ga2V5IGhlcmU=", "    client-key-data: ~"),
        ("    token: abcdef.0123456789abcdef", "    token: ~"),
        ("    token: abcdefghijklmnopqr", "    token: ~"),
        ("password: hunter", "password: ~"),
        ("'password': 'hunter', 'x': 1", "'password': '~', 'x': 1"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=~"),
        ("aws_secret_access_key = wJalrXUtnFEMI", "aws_secret_access_key = ~"),
        ("as AKIAIOSFODNN7EXAMPLE in", "as ~ in"),
        ("as ASIAIOSFODNN7EXAMPLE in", "as ~ in"),
        (f"ghp_{'a1B2' * 9} github_pat_{'a1_B' * 9} glpat-{'a-1B' * 5}", "~ ~ ~"),
        ("curl -u admin:hunter2 https://h/x", "curl -u admin:~ https://h/x"),
        ("curl -sku admin:hunter2 x", "curl -sku admin:~ x"),
        ("curl -uadmin:hunter2 x", "curl -uadmin:~ x"),
        ("curl --user 'admin:hunter2' x", "curl --user 'admin:~' x"),
        (r"\"curl\", \"-u\", \"admin:hunter2\"", r"\"curl\", \"-u\", \"admin:~\""),
        ("curl -H 'Cookie: sid=abc123; t=1' x", "curl -H 'Cookie: ~' x"),
        ("curl -b sid=abc123 --cookie t=4 x", "curl -b ~ --cookie ~ x"),
        ("< Set-Cookie: sid=abc123; HttpOnly", "< Set-Cookie: ~"),
        ('"Cookie":"sid=abc123","x":1', '"Cookie":"~","x":1'),
        ("skopeo copy --src-creds me:pass-word x", "skopeo copy --src-creds me:~ x"),
        ("wget --user=me --password=x1y2 h", "wget --user=me --password=~ h"),
        ("sshpass -p hunter2 ssh core@host", "sshpass -p ~ ssh core@host"),
        ("sshpass -phunter2 ssh core@host", "sshpass -p~ ssh core@host"),
        ("sshpass -p 'hunter 2' ssh core@host", "sshpass -p ~ ssh core@host"),
        ("SSHPASS=hunter2 sshpass -e ssh", "SSHPASS=~ sshpass -e ssh"),
        ("ipmitool -H bmc -U admin -P calvin power on", "ipmitool -H bmc -U admin -P ~ power on"),
        ("openssl rsa -passin pass:hunter2 -in x", "openssl rsa -passin pass:~ -in x"),
        ("echo core:hunter2 | chpasswd", "echo core:~ | chpasswd"),
        ("echo 'core:hunter 2' | sudo chpasswd", "echo 'core:~' | sudo chpasswd"),
        ("machine h login me password hunter2", "machine h login me password ~"),
        ("join it with abcdef.0123456789abcdef now", "join it with abcdef.~ now"),
        ("kubeadm join --token abcdef.0123456789abcdef", "kubeadm join --token ~"),
        ("--certificate-key 0123456789abcdef0123", "--certificate-key ~"),
        ("kubeadmin is AbCdE-fGhIj-kLmNo-PqRsT", "kubeadmin is AbCdE-~"),
        ("PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "PrivateKey = ~"),
        ("Api-Key: 0123456789abcdef", "Api-Key: ~"),
        (f"{base64.b64encode(gzip.compress(b'x' * 99, mtime=0)).decode()}.", "~."),
        (f"{base64.b64encode(lzma.compress(b'x' * 99)).decode()}.", "/~."),
        (f"{base64.b64encode(bz2.compress(b'x' * 99)).decode()}.", "~."),
        (f"{packed(base64.b64encode(gzip.compress(b'x' * 99, mtime=0)).decode())}.", "~."),
        ("GET /login?pass%77ord=hunter2", "GET ~"),
        ("see https%3A%2F%2Fme%3Apw1%40host%2Fx", "see ~"),
        ("see https%253A%252F%252Fme%253Apw1%2540host", "see ~"),
        ('"source": "data:;base64,TFMwdExT"', '"source": "data:;base64,~"'),
        ('"data:text/plain;charset=utf-8,a%20b"', '"data:text/plain;charset=utf-8,~"'),
        (
            r'{"MESSAGE":"\"source\": \"data:,s3cret\\u0026more\",","PRIORITY":"6"}',
            r'{"MESSAGE":"\"source\": \"data:,~\",","PRIORITY":"6"}',
        ),
    ],
)
def test_secret_goes_by_its_sign(line: str, clean: str) -> None:
    expected = clean.replace("~", REMOVED)

    assert Redactor()(line) == expected
    assert Redactor()(expected) == expected
    assert Redactor()(f"first\n{line}\nlast") == f"first\n{expected}\nlast"


@pytest.mark.parametrize(
    "line",
    [
        f"Target node image is 10.0.2.2:37957/node@sha256:{SHA}",
        f"docker://registry.example:5000/node@sha256:{SHA}",
        f"ostree-unverified-image:docker://node:tag@sha256:{SHA}",
        f"[    0.0] Command line: BOOT_IMAGE=(hd0,gpt3)/boot/ostree/rhcos-{SHA}/vmlinuz rw "
        f"console=ttyS0,115200n8 ignition.platform.id=qemu ostree=/ostree/boot.1/rhcos/{SHA}/0",
        "[   10.2] systemd[1]: Reached target basic.target - Basic System.",
        "[  OK  ] Started systemd-ask-password-console.path - Dispatch Password Requests.",
        "sshd[812]: Accepted publickey for core from 10.0.2.2 port 5 ssh2: ED25519 "
        "SHA256:0VGZrmNgUhmSTRzBkrXuFKj7Nkn0qg3ZCzkgzSAJGBo",
        "sshd[812]: Failed password for root from 10.0.2.2 port 5 ssh2",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMfJlUvmTvUzkZvPzRrOPQwAWwYDBqrCYMTAxWi3 me@host",
        f"ostree checksum {SHA}, boot id 8fb58da5e54643b2b4f116e3609a8ca6",
        '"__CURSOR":"s=15a8ea72662649698f7c98a72f47152d;i=1;b=8fb58da5;m=9e4ebb;t=660f1f42;x=3a56"',
        'audit: op=PAM:authentication grantors=pam_unix acct="root" key=(null) res=success',
        'Www-Authenticate: Bearer realm="https://auth.example/token",service="registry"',
        "error: bearer token is required; invalid token: expired",
        "E1 authentication.go:73] token authentication failed: x509: unknown authority",
        "failed to fetch config: 404; see https://host:8443/x, says me@host",
        "ssh://core@host qemu+ssh://root@host/system git@host:path",
        "ExecStart=/bin/sh -c 'curl -H \"Authorization: Bearer ${TOKEN}\" --password $PASS'",
        "token=$(cat /run/token) password=${PASSWORD} --token <token> password: %s",
        '"auths": {} "token": "" "password": null "secretName": "x"',
        "--authfile /root/.docker/config.json --password-stdin --token-ttl 24h --password --user",
        '"oauth": "x" "userdata:text/plain,x" /x?multisig=0123456789abcdefghij',
        "AKIAIOSFODNN7EXAMPLEOFMORE",
        "podman run -u 1000:1000 --user root:root --user core x; journalctl -u a.service: ok",
        "SYN flooding on port 22. Sending cookies. 100%20 GET /a%20b%2Fc?x=%41",
        "crio-abcdef.scope libpod-0123456789abcdef.scope worker.example0123456789",
        "eyJ is no token, nor is eyJhbGciOiJIUzI1NiJ9, nor eyJhbGciOi.eyJzdWIi",
        "H4sI is short, and so is KLUv/ABC",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        f"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t{SHA}",
    ],
)
def test_ordinary_text_stays(line: str) -> None:
    assert Redactor()(line) == line
    assert knowing(AUTHFILE, *KEYS.values())(line) == line


# --- private keys


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "'\n"])
def test_private_key_goes_from_begin_to_end(kind: str, end: str) -> None:
    lines = KEYS[kind].splitlines()

    clean = Redactor()(f"before\n{end.join(lines)}\nafter\n")

    within = REMOVED + end.replace("'", "")
    assert clean == f"before\n{within * (len(lines) - 1)}{REMOVED}\nafter\n"


def test_private_key_in_colours_goes() -> None:
    coloured = "".join(f"\x1b[31m{line}\x1b[0m\n" for line in KEYS["sec1"].splitlines())

    clean = Redactor()(f"{coloured}after\n")

    assert clean == f"\x1b[31m{f'{REMOVED}{chr(10)}' * coloured.count(chr(10))}after\n"


def test_known_secret_of_several_lines_goes_beside_a_private_key() -> None:
    text = f"{KEYS['sec1']}first line\nsecond line\n"

    clean = knowing("first line\nsecond line")(text)

    assert set(clean.splitlines()) == {REMOVED}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", [in_json, lambda text: in_json(in_json(text))], ids=["1", "2"])
def test_private_key_in_one_line_goes(kind: str, form: Callable[[str], str]) -> None:
    line = f'{{"key": "{form(KEYS[kind])}", "x": 1}}'

    assert Redactor()(line) == line.replace(form(KEYS[kind].strip()), REMOVED)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "])
def test_private_key_under_base64_goes(kind: str) -> None:
    key = f"-----BEGIN {kind}PRIVATE KEY-----\n{body_of(KEYS['pkcs8'])[0]}\n"

    assert Redactor()(f"x {packed(key)};") == f"x {REMOVED};"


def test_begun_private_key_in_one_line_goes_to_the_end_of_its_string() -> None:
    begun = in_json("\n".join(KEYS["pkcs8"].splitlines()[:-1]))

    assert Redactor()(f'"a": "{begun}", "b": 1\nc') == f'"a": "{REMOVED}", "b": 1\nc'


def test_body_of_an_openssh_key_goes_without_its_frame() -> None:
    first = body_of(KEYS["openssh"])[0]

    assert Redactor()(f"key: {first}") == f"key: {REMOVED}"


def test_text_about_private_keys_stays() -> None:
    text = "found no -----BEGIN PRIVATE KEY----- in it\nnext line\n"

    assert Redactor()(text) == f"found no {REMOVED}\nnext line\n"


def test_lone_begin_takes_a_hundred_lines_and_no_more() -> None:
    lines = LineRedactor(Redactor())
    first = lines("-----BEGIN RSA PRIVATE KEY-----\r\n")

    kept = [lines(f"line {number}\r\n") for number in range(102)]

    assert first == f"{REMOVED}\r\n"
    assert kept == [f"{REMOVED}\r\n"] * 100 + ["line 100\r\n", "line 101\r\n"]


def test_key_after_a_lone_begin_goes_to_its_end() -> None:
    lines = LineRedactor(Redactor())
    text = "-----BEGIN PRIVATE KEY-----\n" + "x\n" * 99 + KEYS["pkcs8"] + "after\n"

    clean = lines(text)

    assert clean.splitlines()[-1] == "after"
    assert set(clean.splitlines()[:-1]) == {REMOVED}


@pytest.mark.parametrize("end", ["", "\n"])
def test_journal_in_json_keeps_its_entries_amid_a_private_key(end: str) -> None:
    entries = [
        json.dumps({"PRIORITY": "6", "MESSAGE": f"{line}{end}", "_PID": "7"})
        for line in (*KEYS["sec1"].splitlines(), "after")
    ]

    clean = LineRedactor(Redactor())("".join(f"{entry}\n" for entry in entries))

    *within, after = map(json.loads, clean.splitlines())
    assert {entry["MESSAGE"] for entry in within} == {REMOVED}
    assert {(entry["PRIORITY"], entry["_PID"]) for entry in within} == {("6", "7")}
    assert after["MESSAGE"] == f"after{end}"


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_stream_in_pieces_is_as_clean_as_the_whole(size: int) -> None:
    text = f"a token=t0ken-1\n{KEYS['openssh']}b\r\nc s3cr3t-0f-m1ne d\npassword: at-the-end"
    redactor = knowing("s3cr3t-0f-m1ne")
    lines = LineRedactor(redactor)

    pieces = [lines.feed(text[at : at + size]) for at in range(0, len(text), size)]

    assert "".join(pieces) + lines.finish() == redactor(text)
    assert lines.finish() == ""


def test_line_without_end_does_not_wait_for_ever() -> None:
    lines = LineRedactor(Redactor())

    shown = lines.feed("x" * (1 << 20))

    assert len(shown) > 1 << 19
    assert shown + lines.finish() == "x" * (1 << 20)


@pytest.mark.parametrize("piece", [97, 4096, 1 << 16, 1 << 19])
def test_secret_at_the_cut_of_a_long_line_goes(piece: int) -> None:
    """Wherever a line is cut, a secret is before or after the cut."""
    line = "".join(f"{number:05} s3cr3t-0f-m1ne " for number in range(20_000))
    lines = LineRedactor(knowing("s3cr3t-0f-m1ne"))

    shown = "".join(lines.feed(line[at : at + piece]) for at in range(0, len(line), piece))

    assert shown + lines.finish() == line.replace("s3cr3t-0f-m1ne", REMOVED)


@pytest.mark.parametrize("begin", ["data:;base64,", "token=", "eyJhbGciOi.eyJhbGciOi."])
def test_secret_longer_than_what_is_held_goes_to_its_end(begin: str) -> None:
    lines = LineRedactor(Redactor())
    pieces = [f"a {begin}", *["k3y" * 1000] * 100, ' "b"\n', "c\n"]

    shown = "".join(map(lines.feed, pieces))

    assert "k3y" not in shown
    assert shown.endswith(' "b"\nc\n')


@pytest.mark.parametrize("length", [5000, 100_000])
def test_long_secret_goes_by_its_pieces(length: int) -> None:
    secret = "".join(f"{number:x}-" for number in range(length // 4))
    redactor = knowing(secret)

    for shown in (secret, packed(secret), in_json(secret)):
        assert not redactor(f"a {shown} b").replace(REMOVED, "").strip("ab =")[4 * 64 :]


# --- data


def test_values_lose_their_secrets_and_nothing_else() -> None:
    value = {
        "lines": ["a", *KEYS["sec1"].splitlines(), "b"],
        "nested": ({"text": "see s3cr3t-0f-m1ne"}, 7, None, True, 1.5),
        "auth": "x",
        "myToken": "y",
        "password": "",
        "token": 7,
        "digest": SHA,
    }

    clean = knowing("s3cr3t-0f-m1ne").value(value)  # type: ignore[arg-type]  # tuples, as asdict has

    assert clean == {
        "lines": ["a", *[REMOVED] * len(KEYS["sec1"].splitlines()), "b"],
        "nested": [{"text": f"see {REMOVED}"}, 7, None, True, 1.5],
        "auth": REMOVED,
        "myToken": REMOVED,
        "password": "",
        "token": 7,
        "digest": SHA,
    }


def test_private_key_in_quoted_lines_goes() -> None:
    value = [{"stream": "console", "text": text} for text in (*KEYS["sec1"].splitlines(), "b")]

    clean = Redactor().value(value)  # type: ignore[arg-type]  # a list of dicts of text

    within = {"stream": "console", "text": REMOVED}
    assert clean == [within] * (len(value) - 1) + [{"stream": "console", "text": "b"}]


# --- Ignition configs


def config_with(*files: File) -> Document:
    return {
        "ignition": {
            "version": "3.2.0",
            "config": {
                "merge": [
                    {
                        "source": "https://me:pw%40host-1@host/x.ign",
                        "httpHeaders": [{"name": "Authorization", "value": "Basic dXNlcjpw"}],
                    }
                ]
            },
        },
        "passwd": {
            "users": [
                {
                    "name": "core",
                    "passwordHash": "$6$hash",
                    "sshAuthorizedKeys": ["ssh-rsa AAAA", "b"],
                }
            ]
        },
        "storage": {"files": [file.to_json() for file in files]},
    }


GONE = {"source": "data:,%23%5Bremoved%5D"}
PUBLIC = File(path="/etc/public.conf", contents="max-pods: 250\n")
PRIVATE = File(path="/etc/private.conf", contents=Secret("h1dden contents\n"), mode=0o600)


def contents_by_path(document: Document) -> dict[str, object]:
    files = json.loads(render(document))["storage"]["files"]
    return {file["path"]: file["contents"] for file in files}


def test_config_without_secrets_still_has_what_is_public() -> None:
    document = config_with(PUBLIC, PRIVATE)
    before = render(document)

    clean = without_secrets(document)

    text = render(clean)
    assert contents_by_path(clean) == {
        "/etc/public.conf": PUBLIC.to_json()["contents"],
        "/etc/private.conf": GONE,
    }
    assert "https://%5Bremoved%5D@host/x.ign" in text
    assert not any(secret in text for secret in ("$6$hash", "pw%40", "dXNlcjpw", "AAAA"))
    assert render(document) == before  # which the machine still needs


@pytest.mark.parametrize(
    ("mode", "is_kept"),
    [(0o600, False), (0o640, False), (0o711, False), (0o644, True)],
    ids=oct,
)
def test_contents_that_not_everybody_may_read_go(mode: int, is_kept: bool) -> None:
    entry = {"path": "/etc/x", "mode": mode, "contents": {"source": "data:,s3cret"}}
    config = {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}

    kept = render(without_secrets(parse(json.dumps(config), "x")))

    assert ("s3cret" in kept) is is_kept


def test_files_with_a_secret_in_them_lose_it_even_if_everybody_may_read_them() -> None:
    careless = File(path="/etc/careless", contents="x\ntoken: t0ken-0f-cluster\n")
    known = File(path="/etc/known", contents="and s3cr3t-0f-m1ne in it")
    unit: Document = {"name": "x.service", "contents": "Environment=PASSWORD=hunter2\n"}
    document = config_with(PUBLIC, PRIVATE, careless, known)
    document["systemd"] = {"units": [unit]}

    clean = redacted(document, knowing("s3cr3t-0f-m1ne"))

    assert contents_by_path(clean) == {
        "/etc/public.conf": PUBLIC.to_json()["contents"],
        "/etc/private.conf": GONE,
        "/etc/careless": GONE,
        "/etc/known": GONE,
    }
    assert clean["systemd"] == {"units": [unit | {"contents": f"Environment=PASSWORD={REMOVED}\n"}]}


def test_data_with_a_secret_goes_wherever_a_config_has_it() -> None:
    url = data_url("and s3cr3t-0f-m1ne in it")
    document: Document = {"kernelArguments": {"shouldExist": [url]}}

    assert url not in render(redacted(document, knowing("s3cr3t-0f-m1ne")))


def test_config_without_its_secrets_is_still_a_config() -> None:
    document = config_with(PUBLIC, PRIVATE)
    packed_file: Document = {
        "path": "/etc/packed",
        "mode": 0o700,
        "contents": {"source": "data:,x", "compression": "gzip", "verification": {"hash": "y"}},
        "append": [{"source": "data:,y"}, {"source": "https://host/y"}],
    }
    luks: Document = {"name": "x", "keyFile": {"source": "data:,k3y"}, "clevis": {"tpm2": True}}
    document["storage"] = {"files": [packed_file], "luks": [luks]}

    clean = redacted(document, Redactor())

    assert parse(render(clean), "x") == clean
    users = [{"name": "core", "passwordHash": REMOVED, "sshAuthorizedKeys": [REMOVED]}]
    assert clean["passwd"] == {"users": users}
    assert clean["ignition"] == {
        "version": "3.2.0",
        "config": {
            "merge": [
                {
                    "source": "https://%5Bremoved%5D@host/x.ign",
                    "httpHeaders": [{"name": "Authorization", "value": REMOVED}],
                }
            ]
        },
    }
    assert clean["storage"] == {
        "files": [packed_file | {"contents": GONE, "append": [GONE, GONE]}],
        "luks": [{"name": "x", "keyFile": GONE, "clevis": {}}],
    }


def test_removed_script_calls_nothing() -> None:
    text = "#!/bin/sh\noc login --token=sha256~0123456789abcdefghijklmn\n"
    script = File(path="/usr/local/bin/x", contents=Secret(text), mode=0o700)

    assert read(redacted(config_with(script), Redactor()), "x").calls == ()


UNIT = "[Service]\nExecStart=/usr/local/bin/x\n"
SCRIPT = "#!/bin/bash\npodman run --quiet quay.example/x@sha256:0123456789abcdef0123456789abcdef\n"
MANIFEST = "apiVersion: v1\nkind: ConfigMap\ndata:\n  max-pods: '250'\n"
HASH = base64.b64encode(b"$2a$10$0123456789012345678901").decode()
SECRET = f"apiVersion: v1\nkind: Secret\ndata:\n  kubeadmin: {HASH}\ntype: Opaque\n"
LIST = json.dumps(
    {"apiVersion": "v1", "kind": "List", "items": [{"kind": "Secret", "data": {"x": HASH}}]}
)


@pytest.mark.parametrize(
    ("path", "text", "is_kept"),
    [
        ("/etc/systemd/system/x.service", UNIT, True),
        ("/etc/systemd/system/x.service.d/10-x.conf", "[Unit]\nAfter=y.service\n", True),
        ("/etc/containers/systemd/x.container", "[Container]\nImage=x\n", True),
        ("/usr/local/bin/x.sh", SCRIPT, True),
        ("/usr/local/bin/bootkube.sh", "#!/bin/sh\nrender --pull-secret=/assets/pull.json\n", True),
        ("/opt/openshift/manifests/x.yaml", MANIFEST, True),
        ("/etc/systemd/system/x.service", f"{UNIT}Environment=PASSWORD=hunter2\n", False),
        ("/etc/systemd/system/x.service", "hunter2", False),
        ("/etc/x.service", UNIT, False),
        ("/usr/local/bin/x.sh", "#!/bin/sh\ncurl -u admin:hunter2 https://host\n", False),
        ("/usr/local/bin/x.sh", "#!/bin/sh\nx --to k3yOfTheHouse0123456789ab\n", False),
        ("/usr/local/bin/x.sh", "#!/bin/sh\nx --pull-secret=/9hunter2hunter2\n", False),
        ("/opt/openshift/manifests/x.yaml", SECRET, False),
        ("/opt/openshift/manifests/x.yaml", f"{MANIFEST}---\n{SECRET}", False),
        ("/opt/openshift/manifests/x.json", LIST, False),
        ("/opt/openshift/auth/kubeconfig", "apiVersion: v1\nkind: Config\nusers: []\n", False),
        ("/etc/plain.conf", "max-pods: 250\n", False),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_private_file_stays_where_its_kind_is_plain_and_nothing_in_it_looks_secret(
    path: str, text: str, *, is_kept: bool, is_packed: bool
) -> None:
    contents: Document = {"source": data_url(text)}
    if is_packed:
        packed = base64.b64encode(gzip.compress(text.encode())).decode()
        contents = {"source": f"data:;base64,{packed}", "compression": "gzip"}
    document = config_with()
    document["storage"] = {"files": [{"path": path, "mode": 0o600, "contents": contents}]}

    kept = contents_by_path(redacted(document, Redactor()))[path]

    assert kept == (contents if is_kept else GONE)


def utf_16(text: str) -> bytes:
    return text.encode("utf-16")


def twice(text: str) -> bytes:
    return packed(packed(text)).encode()


def gzip_in_base64(text: str) -> bytes:
    return b"archive: " + base64.b64encode(gzip.compress(text.encode()))


PACKINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip twice": lambda text: gzip.compress(gzip.compress(text.encode())),
    "two gzip members": lambda text: gzip.compress(b"#") + gzip.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "utf-16": utf_16,
    "utf-16 without mark": lambda text: text.encode("utf-16-be"),
    "base64": lambda text: packed(text).encode(),
    "base64 twice": twice,
    "wrapped base64": lambda text: base64.encodebytes(text.encode()),
    "gzip in base64": gzip_in_base64,
    "gzip of utf-16": lambda text: gzip.compress(utf_16(text)),
    "xz of base64 twice": lambda text: lzma.compress(twice(text)),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "base64 of percent": lambda text: packed(quote(text, safe="")).encode(),
}
HARMLESS = "[Unit]\nDescription=A unit of many words that are none of a secret's\n" * 3


@pytest.mark.parametrize("kind", PACKINGS)
@pytest.mark.parametrize(
    "secret",
    [AUTHFILE, KEYS["openssh"], "curl -u admin:hunter2 https://h", "kn0wn-by-value-only"],
    ids=["pull secret", "key", "login", "known"],
)
def test_secret_in_a_public_file_goes_however_it_is_packed(secret: str, kind: str) -> None:
    data = PACKINGS[kind](f"{HARMLESS}\n{secret}\n")
    clean = redacted(file_of(data, 0o644), knowing("kn0wn-by-value-only"))

    assert contents_by_path(clean) == {"/x": GONE}


# As text, compressed data under base64 always goes: there it is not opened.
@pytest.mark.parametrize("kind", sorted(PACKINGS.keys() - {"gzip in base64"}))
def test_public_file_without_a_secret_stays_however_it_is_packed(kind: str) -> None:
    document = file_of(PACKINGS[kind](HARMLESS), 0o644)

    assert redacted(document, knowing("kn0wn-by-value-only")) == document


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(bytes(20 << 20)), id="bomb"),
        pytest.param(gzip.compress(b"x" * 99)[:-4], id="cut off"),
        pytest.param(lzma.compress(b"x" * 99) + b"garbage", id="garbage after xz"),
        pytest.param(b"\x28\xb5\x2f\xfd" + b"x" * 50, id="zstd"),
        pytest.param(b"PK\x03\x04" + b"x" * 50, id="zip"),
    ],
)
def test_packed_data_that_is_not_opened_goes(data: bytes) -> None:
    assert contents_by_path(redacted(file_of(data, 0o644), Redactor())) == {"/x": GONE}


def test_secret_in_packed_private_file_is_known_by_value() -> None:
    document = file_of(gzip.compress(b"h1dden contents"), 0o600)
    document["storage"]["files"][0]["contents"]["compression"] = "gzip"  # type: ignore[index, call-overload]

    assert "h1dden contents" in secrets_in(document)


@pytest.mark.parametrize("scheme", ["data", "DATA", "Data"])
def test_data_url_is_read_whatever_its_case(scheme: str) -> None:
    document = file_of(b"", 0o644, f"{scheme}:;BASE64,{packed('token: t0ken-0f-cluster')}")

    assert contents_by_path(redacted(document, Redactor())) == {"/x": GONE}


def test_encoded_secret_goes_from_a_unit() -> None:
    inner = packed(f"{HARMLESS}curl -u admin:hunter2 https://h")
    unit: Document = {"name": "x.service", "contents": f"[Service]\nEnvironment=X={inner}\n"}
    document: Document = {"ignition": {"version": "3.2.0"}, "systemd": {"units": [unit]}}

    clean = redacted(document, Redactor())

    assert clean["systemd"] == {
        "units": [unit | {"contents": f"[Service]\nEnvironment=X={REMOVED}\n"}]
    }


def file_of(data: bytes, mode: int, source: str = "") -> Document:
    source = source or f"data:;base64,{base64.b64encode(data).decode()}"
    entry: Document = {"path": "/x", "mode": mode, "contents": {"source": source}}
    return {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}


@pytest.mark.parametrize("text", [SECRET, LIST], ids=["yaml", "json"])
def test_secret_of_a_cluster_goes_from_public_files_too(text: str) -> None:
    document = config_with(File(path="/m/secret", contents=text))

    assert contents_by_path(redacted(document, Redactor())) == {"/m/secret": GONE}
    assert knowing(*secrets_in(document))(f"data {HASH}") == f"data {REMOVED}"


@pytest.mark.parametrize("mode", [0o700, 0o644], ids=oct)
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(b"#!/bin/sh\n" + bytes(20 << 20)), id="without end"),
        pytest.param(gzip.compress(b"#!/bin/sh\n")[:-4], id="cut off"),
        pytest.param(b"not gzip", id="something else"),
    ],
)
def test_packed_contents_that_cannot_be_read_go(packed: bytes, mode: int) -> None:
    source = f"data:;base64,{base64.b64encode(packed).decode()}"
    contents: Document = {"source": source, "compression": "gzip"}
    document = config_with()
    document["storage"] = {"files": [{"path": "/x", "mode": mode, "contents": contents}]}

    assert contents_by_path(redacted(document, Redactor())) == {"/x": GONE}


def test_secrets_of_a_config_are_given_to_be_known() -> None:
    binary: Document = {
        "path": "/key",
        "mode": 0o400,
        "contents": {"source": "data:;base64,/////////w=="},
    }
    plain: Document = {"path": "/p", "mode": 0o400, "contents": {"source": "data:,pl%61in"}}
    remote: Document = {"path": "/r", "mode": 0o400, "contents": {"source": "https://host/r"}}
    more: Document = {"storage": {"files": [binary, plain, remote]}}

    found = {*secrets_in(config_with(PUBLIC, PRIVATE)), *secrets_in(more)}

    assert found == {
        "h1dden contents\n",
        "$6$hash",
        "Basic dXNlcjpw",
        "me:pw%40host-1",
        "pw@host-1",
        "/////////w==",
        "plain",
    }


def test_what_a_config_hides_goes_from_the_log_that_quotes_it() -> None:
    redactor = knowing(*secrets_in(config_with(PRIVATE)))

    assert redactor("cat: h1dden contents") == f"cat: {REMOVED}"
