"""Questions to os-release that a bootimage without the node layer answers otherwise.

Up to 4.18 the file spoke of OpenShift: ID=rhcos, VERSION_ID=4.18, OSTREE_VERSION=418.94.… Now it
speaks of RHEL, and OPENSHIFT_VERSION comes with the node layer alone (enhancement, *os-release*).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from tree_sitter import Node

from harness.lint import shell_syntax
from harness.lint.wants import Kind, Want
from harness.lint.wrappers import Word

FILES = ("/etc/os-release", "/usr/lib/os-release")
# Not below another root, such as $checkout/usr/lib/os-release or "$root"/etc/os-release.
_IN_TEXT = re.compile(r"""(?<![\w}./*-])(?<![\w}]["'])/(?:etc|usr/lib)/os-release\b""")
_OLD_ID = re.compile(r"\b(?P<value>rhcos|scos)")
_OLD_VERSION = re.compile(r"(?<![\w.])(?P<value>4(?:\\?\.|[0-9][0-9]\b|[0-9]?[\[\\*?]|\W*$).*)")
_OLD = {
    "ID": _OLD_ID,
    "ID_LIKE": _OLD_ID,
    "VERSION_ID": _OLD_VERSION,
    "VERSION": _OLD_VERSION,
    "PRETTY_NAME": _OLD_VERSION,
}
"""Values that a field had with the node layer inside, as patterns and tests spell them."""
_GONE = ("OPENSHIFT_VERSION", "RHEL_VERSION", "OSTREE_VERSION")
_CONDITION = re.compile(r"""\|?!?(?P<field>\w+)\s*[<>!=]=?\s*["']?(?P<value>.*?)["']?""")
_COMPARISONS = frozenset(
    {"==", "=", "=~", "!=", "<", ">", "-eq", "-ne", "-ge", "-gt", "-lt", "-le"}
)
_SEARCHERS = ("grep", "egrep", "sed", "awk", "gawk")
_FIELDS = re.compile(rf"\b(?:{'|'.join((*_OLD, *_GONE))})\b")
_OLD_OSTREE = re.compile(r"4\d\d\.")


def questions(text: str, *, is_read: bool = False) -> Iterator[Want]:
    """Yield the questions of a script; with `is_read` its environment holds the file's fields.

    A question is FIELD=VALUE where a value is compared, else the field alone.
    """
    if not is_read and not _IN_TEXT.search(text):
        return
    fields = _Fields()
    for node in shell_syntax.nodes(shell_syntax.tree_of(text)):
        line = 1 + node.start_point.row
        for name in fields.note(node, line):
            yield Want(kind=Kind.OS_RELEASE, name=name, line=line)
    yield from fields.compared()


def searched(words: Sequence[Word], line: int) -> Iterator[Want]:
    """Yield the questions of a command line of a unit, such as `grep ^ID=rhcos /etc/os-release`."""
    if words and posixpath.basename(words[0] or "") in _SEARCHERS:
        for name in _searched([word or "" for word in words[1:]]):
            yield Want(kind=Kind.OS_RELEASE, name=name, line=line)


def condition(value: str, line: int) -> Iterator[Want]:
    """Yield the question of a ConditionOSRelease= setting, as systemd.unit(5) has it."""
    if match := _CONDITION.fullmatch(value):
        field, asked = match["field"], match["value"]
        is_old = field in _OLD and _OLD[field].search(asked)
        if is_old or field in _GONE:
            name = f"{field}={asked}" if is_old else field
            yield Want(kind=Kind.OS_RELEASE, name=name, line=line)


def is_answered(question: str, answers: Mapping[str, str]) -> bool:
    """Return whether the fields of an os-release answer as they did with the node layer inside."""
    field, equals, value = question.partition("=")
    if field == "OSTREE_VERSION":
        return bool(_OLD_OSTREE.match(answers.get(field, "")))
    if not equals:
        return field in answers
    actual = answers.get(field)
    if actual is not None and _OLD[field].search(actual):
        return True
    return actual is not None and any(_fits(actual, one) for one in value.split("|"))


def _fits(actual: str, value: str) -> bool:
    """Return whether a value fits a word, a glob or a regular expression, as a script has them."""
    if actual in value or fnmatchcase(actual, value.strip("^$ ")):
        return True
    try:
        return re.match(value, actual) is not None
    except re.error:
        return False


class _Fields:
    """The fields of os-release that variables of a script hold, and values they are compared to."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._values: dict[str, list[str]] = {}
        self._lines: dict[str, int] = {}

    def compared(self) -> Iterator[Want]:
        """Yield the fields of which an old value is expected.

        The values are those of the whole script: if the bootimage fits one, the others are ignored.
        """
        for field, line in self._lines.items():
            name = f"{field}={'|'.join(self._values[field])}"
            yield Want(kind=Kind.OS_RELEASE, name=name, line=line)

    def note(self, node: Node, line: int) -> Iterator[str]:
        """Note what a node of the script compares; yield what else it asks."""
        text = shell_syntax.text_of(node)
        match node.type:
            case "variable_assignment":
                name, _, value = text.partition("=")
                if field := self._field(value):
                    self._of[name] = field
            case "function_definition":
                target = node.child_by_field_name("name")
                if target and (found := _FIELDS.search(text)):
                    self._of[shell_syntax.text_of(target)] = found[0]
            case "pipeline":
                yield from self._compare(*_pipeline(node), line)
            case "simple_expansion" | "expansion":
                yield from (name for name in _GONE if re.match(rf"\$\{{?{name}\b", text))
            case "case_statement":
                yield from self._compare(*_case(node), line)
            case "binary_expression":
                yield from self._compare(*_test(node), line)
            case "command":
                words = [shell_syntax.text_of(part) for part in shell_syntax.word_nodes(node)]
                if words[:1] == ["test"] and len(words) > 3 and words[2] in _COMPARISONS:
                    yield from self._compare(words[1], [words[3]], line)
                elif words and words[0].rpartition("/")[2] in _SEARCHERS:
                    yield from _searched(words[1:])

    def _compare(self, subject: str, values: list[str], line: int) -> Iterator[str]:
        # The name of a field itself, as in a loop over the lines of the file.
        yield from (name for name in _GONE if name in values)
        field = self._field(subject)
        if field not in _OLD:
            return
        self._values.setdefault(field, []).extend(value.strip("\"'") for value in values)
        if any(_OLD[field].search(value) for value in values):
            self._lines.setdefault(field, line)

    def _field(self, subject: str) -> str:
        variables = re.findall(r"\$[({]?(\w+)", subject)
        known = [name if name in _OLD else self._of.get(name, "") for name in variables]
        found = _FIELDS.search(subject)
        return next(filter(None, known), found[0] if found else "")


def _searched(words: list[str]) -> Iterator[str]:
    """Yield what the patterns of grep, sed and awk look for in os-release."""
    text = " ".join(words)
    fields = _FIELDS.findall(text)
    yield from (name for name in _GONE if name in fields)
    if (_IN_TEXT.search(text) or "ID" in fields) and (found := _OLD_ID.search(text)):
        yield f"ID={found['value']}"
    for name in ("VERSION_ID", "VERSION"):
        pattern = re.search(rf"\b{name}=(?P<value>[^ ]*)", text)
        if pattern and (old := _OLD_VERSION.search(pattern["value"].lstrip("\"'\\?("))):
            yield f"{name}={old['value'].strip(chr(34) + chr(39))}"
            return


def _pipeline(node: Node) -> tuple[str, list[str]]:
    """Return what a pipeline reads, and the patterns that it looks for in that."""
    commands = [part for part in shell_syntax.nodes(node) if part.type == "command"]
    words = [[shell_syntax.text_of(part) for part in shell_syntax.word_nodes(c)] for c in commands]
    greps = [line[1:] for line in words if line and line[0].endswith("grep")]
    patterns = [word for line in greps for word in line if not word.startswith("-")]
    return shell_syntax.text_of(node), [one for one in patterns if not _FIELDS.search(one)]


def _case(node: Node) -> tuple[str, list[str]]:
    subject = node.child_by_field_name("value")
    items = [item for item in node.named_children if item.type == "case_item"]
    values = [value for item in items for value in item.children_by_field_name("value")]
    texts = [text for value in values if (text := shell_syntax.text_of(value)) != "*"]
    return (shell_syntax.text_of(subject) if subject else ""), texts


def _test(node: Node) -> tuple[str, list[str]]:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    operator = node.child_by_field_name("operator")
    if not (left and right and operator and shell_syntax.text_of(operator) in _COMPARISONS):
        return "", []
    return shell_syntax.text_of(left), [shell_syntax.text_of(right)]
