"""Signs of secrets: patterns as data, for `redaction` and `known`.

The last group of a pattern is removed, or all of it if it has none; an empty group means that the
match is not a secret (`secret_span`). No pattern crosses the end of a line. Each begins with plain
characters, which Python's `re` finds at the speed of memory: a pass for each takes a third of the
time of one pass for all of them joined.

Guests choose these lines, so each pattern takes time in proportion to a line's length: what it
looks at and rejects is bounded, contains no other beginning of the pattern, or is consumed by an
alternative with an empty group. `tests/unit/test_redaction_linear.py` checks it.
"""

from __future__ import annotations

import base64
import re

from harness.model.secrets.words import any_of

KEY_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
KEY_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

NO_FRAME = r"-(?!----(?:BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY)"
"""A dash that begins neither of the two."""

_KEY_KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")
_PASSWORDS = ("password", "passwd", "passphrase", "password hash")
_TOKENS = (
    "token", "client secret", "client key data", "secret access key", "api key", "account key"
)  # fmt: skip
_IN_QUOTES_ONLY = ("secret", "private key", "secret key")


def _packed_keys() -> str:
    """Match private keys in PEM under base64, by its beginning."""
    heads = (f"-----BEGIN {kind}PRIVATE KEY-----".encode() for kind in _KEY_KINDS)
    # The last bytes of an incomplete group of three depend on what follows.
    packed = (base64.b64encode(head[: len(head) // 3 * 3]).decode() for head in heads)
    rests = (re.escape(head.removeprefix("LS0t")) for head in packed)
    return rf"LS0t(?:{'|'.join(rests)})[A-Za-z0-9+/=]*"


def _spelled(*names: str) -> str:
    """Match names in every spelling: `api_key`, `api-key`, `apikey`, `apiKey`, `API_KEY`, ..."""
    spellings: set[str] = set()
    for words in (name.split() for name in names):
        camel = "".join(word.capitalize() for word in words)
        spellings |= {"".join(words), "_".join(words), "-".join(words), "_".join(words).upper()}
        titled = "-".join(word.capitalize() for word in words)
        spellings |= {camel, camel[0].lower() + camel[1:], titled}
    return any_of(sorted(spellings))


_NAMED = _spelled(*_PASSWORDS, *_TOKENS)
_VALUE = r"""[^\s"'\\&]"""
# A variable, a placeholder or a format in place of the secret.
_NO_VALUE = r"(?![<({%\[]|\$[({A-Za-z_])"
# A file that holds the secret, as in --pull-secret=/assets/pull-secret.
_NO_PATH = r"(?!/(?:assets|dev|etc|home|mnt|opt|proc|root|run|srv|tmp|usr|var)/)"
_LIKE_RANDOM = rf"(?:{_VALUE}{{16}}|(?={_VALUE}{{0,14}}[0-9]){_VALUE}{{6}})"
_QUOTE = r"""(?:\\*["'])?"""
_AT_END = r"""(?=["'\\]|[ \t]*$)"""
_OPTIONS = "password|passwd|passphrase|token|secret|certificate-key|api-key|activation-?key"
_SCHEMES = r"(?:Basic|Bearer|Negotiate|Token)"
_USER_INFO = r"""[^/?#\s"'<>\\]"""
# With a digest after @ it is the name of an image.
_BEFORE_HOST = r"(?=@(?!sha[0-9]{3}:))"
# Between the words of a command, also where they are quoted, as in a list.
_NEXT = rf"{_QUOTE}[ \t,=]*{_QUOTE}"
_WORD = rf"""(?:'[^'\n]{{0,200}}'|\\?"[^"\\\n]{{0,200}}\\?"|{_VALUE}+)"""
# Not uid:gid, and not user:group of one name.
_LOGIN = rf"([^\s:\"'\\/]{{1,100}}):(?!\1(?![\w-]))(?![0-9]+\b){_NO_VALUE}({_VALUE}+)"
# Under base64, and under base64 twice.
_PACKED = (
    "H4sI", "Td6WFoA(?<=[/_]Td6WFoA)", "Qlpo[M-Z]", "KLUv[/_]",
    "SDRzS", "L1RkNldGb", "X1RkNldGb", "UWxwb", "S0xVd",
)  # fmt: skip
_MEDIA_TYPE = r"(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.=+-]+)*"

_SIGNS = (
    # A private key in one line, escaped or truncated; `redaction` handles several lines. A key
    # without END goes to the next BEGIN, the end of its string or the end of its line.
    rf"{KEY_BEGIN}(?:(?:[^\n-]|{NO_FRAME})*+{KEY_END}"
    rf'|(?:[^"\\\r\n-]|{NO_FRAME}|\\++(?!"))*+)',
    # The same without its frame: base64 of "openssh-key-v1".
    r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]+",
    _packed_keys(),
    # "name": "value", also where JSON lies in strings of JSON.
    rf"{_spelled(*_PASSWORDS, *_TOKENS, *_IN_QUOTES_ONLY, 'auth')}"
    r'(?:(?<!(?i:auth))|(?<="(?i:auth)))(\\*)"[ \t]*:[ \t]*\1"(?!\1")'
    r'([^\n]*?)(?=(?<!\\)\1"|$)',
    # name=value and name: value; after a colon ordinary words may follow.
    rf"(?:{_NAMED}){_QUOTE}[ \t]*(?:=|:[ \t]*(?={_QUOTE}{_LIKE_RANDOM}))[ \t]*{_QUOTE}"
    rf"{_NO_VALUE}({_VALUE}{{4,}})",
    rf"(?:{_spelled(*_PASSWORDS)}){_QUOTE}[ \t]*:[ \t]*{_QUOTE}"
    rf"{_NO_VALUE}({_VALUE}{{4,15}}+){_AT_END}",  # longer ones are like random
    # --password VALUE, also as a list of quoted words: Ignition logs how it runs useradd.
    rf"--[a-z-]{{0,40}}(?:{_OPTIONS}){_QUOTE}[ ,=]+{_QUOTE}"
    rf"(?!-){_NO_PATH}{_NO_VALUE}({_VALUE}{{4,}})",
    # HTTP's Authorization; Go prints header values in brackets.
    rf"uthorization{_QUOTE}[ \t]*[:=][ \t]*\[?{_QUOTE}{_SCHEMES}[ \t]+"
    rf"{_NO_VALUE}([^\s\"'\\,\]]+)",
    rf'"{_SCHEMES} +([^\s"\\]{{8,}})(?=\\*")',
    r"(?:Bearer|bearer)[ \t]+((?=[^\s\"'\\,]*[0-9])[A-Za-z0-9._~+/=-]{6,}"
    r"|[A-Za-z0-9._~+/=-]{20,})",
    # Logins on command lines: curl -u NAME:PASSWORD, also among other letters; skopeo --creds.
    rf"curl(?=[ \t\"',\\])[^\n]{{0,300}}?[ \t\"']-[A-Za-z#]{{0,10}}[uU]{_NEXT}{_LOGIN}",
    rf"-(?:u|U|-user|-proxy-user|-(?:src-|dest-)?creds){_QUOTE}[ \t,=]+{_QUOTE}{_LOGIN}",
    rf"sshpass(?=[ \t\"',\\])[^\n]{{0,100}}?[ \t\"']-p{_QUOTE}[ \t,=]*{_NO_VALUE}({_WORD})",
    rf"ipmitool(?=[ \t\"',\\])[^\n]{{0,200}}?[ \t\"']-P{_QUOTE}[ \t,=]*{_NO_VALUE}({_WORD})",
    rf"SSHPASS{_QUOTE}[ \t]*=[ \t]*{_QUOTE}{_NO_VALUE}({_VALUE}+)",
    rf"-pass(?:in|out)?[ =]{_QUOTE}pass:({_VALUE}+)",
    r"echo[ \t]+(?:-[a-zA-Z]+[ \t]+)?[\"']?[\w.-]{1,64}:([^\n|]{1,200}?)[\"']?[ \t]*\|"
    r"[ \t]*(?:sudo[ \t]+)?chpasswd",
    rf"login[ \t]+[^\s\"']{{1,100}}[ \t]+password[ \t]+({_VALUE}+)",  # netrc
    # Cookies, in headers and of curl.
    rf"--cookie{_NEXT}([\w.-]{{1,100}}={_VALUE}+)",
    rf"ookie{_QUOTE}[ \t]*[:=][ \t]*\[?{_QUOTE}([\w.-]{{1,100}}=[^\r\n\"'\\]+)",
    rf"curl(?=[ \t\"',\\])[^\n]{{0,300}}?[ \t\"']-b{_NEXT}([\w.-]{{1,100}}=[^\s\"'\\]+)",
    # Logins in URLs: anything before the @ for HTTP, where tokens stand alone; else a password.
    rf":(?:(?<=http:)|(?<=https:))(?:\\?/){{2}}({_USER_INFO}+){_BEFORE_HOST}",
    rf":(?:\\?/){{2}}([^/?#\s\"'<>\\:@]*:{_USER_INFO}+){_BEFORE_HOST}",
    r"Signature=([A-Za-z0-9%/+_-]{16,}=*)",
    r"sig(?<![A-Za-z]sig)=([A-Za-z0-9%/+_-]{16,}=*)",
    # JSON web tokens. Authfiles under base64, which puts "auths" in one of three ways.
    r"eyJ(?:[\w-]{6,}+\.[\w-]{6,}+\.[\w-]*+(?:\.[\w-]*+)*+|[\w-]*+())",
    r"(?:ImF1dGhzI|JhdXRocyI|iYXV0aHMi)[A-Za-z0-9+/=_-]{20,}",
    # Hashes of passwords. Source: crypt(5).
    r"\$(?:[1567y]|gy|sha1|2[abxy])\$(?:[./A-Za-z0-9=,+-]+\$){1,3}[./A-Za-z0-9]{4,}",
    # The contents of files in a config that Ignition cannot use and therefore logs.
    rf'data(?<![\w-]data):{_MEDIA_TYPE},((?:[^"\s\\]++|\\++u[0-9a-fA-F]{{4}})++)',
    # Keys and tokens with their issuers' marks: OpenShift, AWS, GitHub, GitLab.
    r"sha256~[\w-]{20,}",
    r"A(?:KI|SI)A[0-9A-Z]{16}(?![0-9A-Za-z])",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_\w{20,}",
    r"glpat-[\w-]{20,}",
    r"AIza[\w-]{35}",
    r"xox[abeprs]-[\w-]{10,}",
    r"AGE-SECRET-KEY-1[0-9A-Z]{20,}",
    # Bootstrap tokens of kubeadm, whose first part is public. Source: Kubernetes' documentation of
    # kubeadm-token, [a-z0-9]{6}.[a-z0-9]{16}.
    r"\.(?<=[a-z0-9]{6}\.)(?<![\w.-][a-z0-9]{6}\.)(?=[a-z]{0,15}[0-9])([a-z0-9]{16})(?![\w.-])",
    # The password of kubeadmin. Source: openshift/installer pkg/asset/password/password.go.
    r"-(?<=[A-Za-z0-9]{5}-)(?<![\w-][A-Za-z0-9]{5}-)(?=[a-z-]{0,16}[A-Z0-9])"
    r"([A-Za-z0-9]{5}-[A-Za-z0-9]{5}-[A-Za-z0-9]{5})(?![\w-])",
    # Pre-shared and private keys of networks.
    r"(?:psk|PrivateKey|PresharedKey|private-key)[ \t]*=[ \t]*([^\s\"'\\/$%<({\[][^\s\"'\\]{7,})",
    # Packed contents under base64, also twice: gzip, xz, bzip2, zstd. Nothing shows what they have.
    *(rf"{begin}[A-Za-z0-9+/=_-]{{20,}}" for begin in _PACKED),
)

SIGNS = tuple(re.compile(sign, re.MULTILINE | re.ASCII) for sign in _SIGNS)

SECRET_NAME = re.compile(rf"(?:auth|.*(?:{_NAMED}|{_spelled(*_IN_QUOTES_ONLY)}))", re.ASCII)
"""Full names of fields whose whole value is secret."""


def secret_span(found: re.Match[str]) -> tuple[int, int]:
    """Return where in its line a match has the secret; an empty span if it has none."""
    return found.span(found.lastindex or 0)


LOGIN_IN_URL = re.compile(rf"://({_USER_INFO}+){_BEFORE_HOST}")
"""All that precedes the host of a URL, secret or not."""
