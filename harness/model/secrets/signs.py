"""Signs of secrets: patterns as data, for `redaction` and `known`.

The last group of a pattern is removed, or all of it if it has none. No pattern crosses the end of
a line. Each begins with plain characters, which Python's `re` finds at the speed of memory: a pass
for each takes a third of the time of one pass for all of them joined.
"""

from __future__ import annotations

import base64
import re

KEY_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
KEY_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

_KEY_KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")
_PASSWORDS = ("password", "passwd", "passphrase", "password hash")
_TOKENS = ("token", "client secret", "client key data", "secret access key", "api key")
_IN_QUOTES_ONLY = ("secret", "private key", "secret key")


def _packed_keys() -> str:
    """Match private keys in PEM under base64, by its beginning."""
    heads = (f"-----BEGIN {kind}PRIVATE KEY-----".encode() for kind in _KEY_KINDS)
    # The last bytes of an incomplete group of three depend on what follows.
    packed = (base64.b64encode(head[: len(head) // 3 * 3]).decode() for head in heads)
    rests = (re.escape(head.removeprefix("LS0t")) for head in packed)
    return rf"LS0t(?:{'|'.join(rests)})[A-Za-z0-9+/=]*"


def _spelled(*names: str) -> str:
    """Match names in every spelling: `api_key`, `api-key`, `apikey`, `apiKey`, `API_KEY`."""
    spellings: set[str] = set()
    for words in (name.split() for name in names):
        camel = "".join(word.capitalize() for word in words)
        spellings |= {"".join(words), "_".join(words), "-".join(words), "_".join(words).upper()}
        spellings |= {camel, camel[0].lower() + camel[1:]}
    return "|".join(sorted(spellings, reverse=True))


_NAMED = _spelled(*_PASSWORDS, *_TOKENS)
_VALUE = r"""[^\s"'\\&]"""
# A variable, a placeholder or a format in place of the secret.
_NO_VALUE = r"(?![<({%\[]|\$[({A-Za-z_])"
# A file that holds the secret, as in --pull-secret=/assets/pull-secret.
_NO_PATH = r"(?!/(?:assets|dev|etc|home|mnt|opt|proc|root|run|srv|tmp|usr|var)/)"
_LIKE_RANDOM = rf"(?:(?={_VALUE}*[0-9]){_VALUE}{{6,}}|{_VALUE}{{16,}})"
_QUOTE = r"""(?:\\*["'])?"""
_AT_END = r"""(?=["'\\]|[ \t]*$)"""
_SCHEMES = r"(?:Basic|Bearer|Negotiate|Token)"
_USER_INFO = r"""[^/?#\s"'<>\\]"""
# With a digest after @ it is the name of an image.
_BEFORE_HOST = r"(?=@(?!sha[0-9]{3}:))"
_MEDIA_TYPE = r"(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.=+-]+)*"

_SIGNS = (
    # A private key in one line, escaped or truncated; `redaction` handles several lines.
    rf'{KEY_BEGIN}(?:[^\n]*?{KEY_END}|[^"\r\n]*?(?=\\*"|\r?$))',
    # The same without its frame: base64 of "openssh-key-v1".
    r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]+",
    _packed_keys(),
    # "name": "value", also where JSON lies in strings of JSON.
    rf'(?:auth(?<="auth)|{_NAMED}|{_spelled(*_IN_QUOTES_ONLY)})'
    r'(\\*)"[ \t]*:[ \t]*\1"(?!\1")'
    r'([^\n]*?)(?=(?<!\\)\1"|$)',
    # name=value and name: value; after a colon ordinary words may follow.
    rf"(?:{_NAMED}){_QUOTE}[ \t]*(?:=|:[ \t]*(?={_QUOTE}{_LIKE_RANDOM}))[ \t]*{_QUOTE}"
    rf"{_NO_VALUE}({_VALUE}{{4,}})",
    rf"(?:{_spelled(*_PASSWORDS)}){_QUOTE}[ \t]*:[ \t]*{_QUOTE}"
    rf"{_NO_VALUE}({_VALUE}{{4,}}){_AT_END}",
    # --password VALUE, also as a list of quoted words: Ignition logs how it runs useradd.
    rf"--[a-z-]{{0,40}}(?:password|token|secret){_QUOTE}[ ,=]+{_QUOTE}"
    rf"(?!-){_NO_PATH}{_NO_VALUE}({_VALUE}{{4,}})",
    # HTTP's Authorization; Go prints header values in brackets.
    rf"uthorization{_QUOTE}[ \t]*[:=][ \t]*\[?{_QUOTE}{_SCHEMES}[ \t]+"
    rf"{_NO_VALUE}([^\s\"'\\,\]]+)",
    rf'"{_SCHEMES} +([^\s"\\]{{8,}})(?=\\*")',
    r"(?:Bearer|bearer)[ \t]+((?=[^\s\"'\\,]*[0-9])[A-Za-z0-9._~+/=-]{6,})",
    # Logins in URLs: anything before the @ for HTTP, where tokens stand alone; else a password.
    rf":(?:(?<=http:)|(?<=https:))(?:\\?/){{2}}({_USER_INFO}+){_BEFORE_HOST}",
    rf":(?:\\?/){{2}}([^/?#\s\"'<>\\:@]*:{_USER_INFO}+){_BEFORE_HOST}",
    r"Signature=([A-Za-z0-9%/+_-]{16,}=*)",
    r"sig(?<![A-Za-z]sig)=([A-Za-z0-9%/+_-]{16,}=*)",
    # JSON web tokens. Authfiles under base64, which puts "auths" in one of three ways.
    r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*(?:\.[\w-]*)*",
    r"(?:ImF1dGhzI|JhdXRocyI|iYXV0aHMi)[A-Za-z0-9+/=_-]{20,}",
    # Hashes of passwords. Source: crypt(5).
    r"\$(?:[1567y]|gy|sha1|2[abxy])\$(?:[./A-Za-z0-9=,+-]+\$){1,3}[./A-Za-z0-9]{4,}",
    # The contents of files in a config that Ignition cannot use and therefore logs.
    rf'data(?<![\w-]data):{_MEDIA_TYPE},((?:[^"\s\\]|\\+u[0-9a-fA-F]{{4}})+)',
    # Keys and tokens with their issuers' marks: OpenShift, AWS, GitHub, GitLab.
    r"sha256~[\w-]{20,}",
    r"A(?:KI|SI)A[0-9A-Z]{16}(?![0-9A-Za-z])",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_\w{20,}",
    r"glpat-[\w-]{20,}",
)

SIGNS = tuple(re.compile(sign, re.MULTILINE | re.ASCII) for sign in _SIGNS)

SECRET_NAME = re.compile(rf"(?:auth|.*(?:{_NAMED}|{_spelled(*_IN_QUOTES_ONLY)}))", re.ASCII)
"""Full names of fields whose whole value is secret."""

LOGIN_IN_URL = re.compile(rf"://({_USER_INFO}+){_BEFORE_HOST}")
"""All that precedes the host of a URL, secret or not."""
