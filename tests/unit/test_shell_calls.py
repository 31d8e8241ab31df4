from __future__ import annotations

import shlex

import pytest

from harness import folders
from harness.lint.shell_calls import read_script


def commands(text: str) -> list[str]:
    return [call.command for call in read_script(text).calls]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oc get nodes", ["oc"]),
        ("A=b oc get", ["oc"]),
        ("oc get | jq . && crictl ps || kubectl x &", ["oc", "jq", "crictl", "kubectl"]),
        ('x=$(oc get) y=`crictl ps`; echo "$(kubectl x)"', ["oc", "crictl", "kubectl"]),
        ("diff <(oc a) >(crictl b)", ["diff", "oc", "crictl"]),
        ("if oc x; then crictl y; elif runc z; then :; fi", ["oc", "crictl", "runc"]),
        ("until oc x; do sleep 1; done", ["oc", "sleep"]),
        ("case $x in a) oc b;; esac", ["oc"]),
        ("export A=$(oc x)", ["oc"]),
        ("! oc x", ["oc"]),
        ("(oc x) && { crictl y; }", ["oc", "crictl"]),
        ("/usr/bin/oc x", ["/usr/bin/oc"]),
        ("'oc' x; \"crictl\" y; r\\unc z; /bin/\"jq\" a", ["oc", "crictl", "runc", "/bin/jq"]),
        ("oc x >file 2>&1 <in", ["oc"]),
        ("jq . <<<oc", ["jq"]),
    ],
)  # fmt: skip
def test_calls_are_found_wherever_they_stand(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sudo -E -u core oc x", ["sudo", "oc"]),
        ("sudo -nu core A=b oc x", ["sudo", "oc"]),
        ("env -i -u HOME A=b oc x", ["env", "oc"]),
        ("env - A=b oc x", ["env", "oc"]),
        ("exec -a name oc x", ["oc"]),
        ("command -p oc x", ["oc"]),
        ("time -p oc x", ["oc"]),
        ("nohup oc x", ["nohup", "oc"]),
        ("timeout -k 5 $LIMIT oc x", ["timeout", "oc"]),
        ("timeout --signal=KILL 5 oc x", ["timeout", "oc"]),
        ("ls | xargs -0 -n1 -I{} oc {}", ["ls", "xargs", "oc"]),
        ("nsenter -t 1 --mount -- oc x", ["nsenter", "oc"]),
        ("nice -n 5 ionice -c 3 oc x", ["nice", "ionice", "oc"]),
        ("flock -w 5 /run/lock oc x", ["flock", "oc"]),
        ("find . -name x -exec oc {} \\;", ["find", "oc"]),
        ("systemd-run --wait -p A=b oc x", ["systemd-run", "oc"]),
        ("bash -euo pipefail -c 'oc x; crictl y'", ["bash", "oc", "crictl"]),
        ("sh -c \"bash -c 'oc x'\"", ["sh", "bash", "oc"]),
        ("su - core -c 'oc x'; flock /run/l -c 'crictl y'", ["su", "oc", "flock", "crictl"]),
        ("trap 'oc x' EXIT; eval \"crictl y\"", ["oc", "crictl"]),
        ("podman run image oc x", ["podman"]),
        ("chroot /host crictl ps; ssh host oc x", ["chroot", "ssh"]),
        ("xargs", ["xargs"]),
        ('bash -c "$x"', ["bash"]),
        ("bash script.sh oc", ["bash"]),
    ],
)
def test_programs_that_run_others_are_looked_through(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "echo oc; printf oc; read oc; local oc=1; cd /; . ./oc; set -- oc; [ oc = oc ]; [[ oc ]]",
        "f() { :; }; f x",
        "function f { :; }\nf",
        "# oc get",
        '"$OC" get; $OC get; ${X}oc get; oc-$X get',
        "~/bin/oc get; /opt/{a,b} x; oc* x; [oc]",
        "trap - EXIT; trap '' INT; trap \"$x\" EXIT; eval $x",
        "exec 3>&1; exec {fd}>file",
        "for oc in a b; do :; done; select oc in a; do :; done",
        "oc=1 crictl=2",
    ],
)
def test_builtins_functions_and_names_made_by_expansion_are_not_calls(text: str) -> None:
    assert commands(text) == []


@pytest.mark.parametrize("delimiter", ["EOF", "'EOF'", '"EOF"', "\\EOF", " EOF"])
def test_text_of_here_documents_is_not_read_but_the_rest_of_its_line_is(delimiter: str) -> None:
    text = f"cat <<{delimiter} | oc apply -f -\n\\$(runc) $(crictl x)\nkubectl y\nEOF\njq .\n"

    script = read_script(text)

    assert [(call.command, call.line) for call in script.calls] == [
        ("cat", 1), ("oc", 1), ("jq", 5),
    ]  # fmt: skip
    assert not script.unread


def test_here_documents_may_be_indented_several_and_feed_a_loop() -> None:
    two = "diff - /x <<-A 3<<B\n\toc\n\tA\ncrictl\nB\n"
    loop = "cat <<E | while read x; do\nkubectl\nE\n  jq $x\ndone\n"

    script = read_script(two + loop)

    assert [(call.command, call.line) for call in script.calls] == [
        ("diff", 1), ("cat", 6), ("jq", 9),
    ]  # fmt: skip
    assert not script.unread


@pytest.mark.parametrize(
    "line", ["x=$((1<<n))", 'echo "<<n"', "# cat <<EOF", "cat <<<EOF", "echo '<<EOF' # EOF"]
)
def test_what_only_looks_like_a_here_document_hides_nothing(line: str) -> None:
    text = f"{line}\noc get\n" + ("EOF\n" if line.startswith(("#", "cat <<<")) else "")

    assert "oc" in commands(text)


@pytest.mark.parametrize(
    "probe",
    [
        "command -v oc",
        "if ! command -v oc >/dev/null; then exit; fi",
        "type -P oc",
        "hash oc 2>/dev/null",
        "[ -x /usr/bin/oc ]",
        "[[ -e /usr/bin/oc && 1 ]]",
        "test -f /bin/oc",
    ],
)
def test_what_a_script_asks_for_first_it_is_taken_to_do_without(probe: str) -> None:
    assert commands(f"{probe}; oc get; /usr/bin/oc x; crictl y") == ["crictl"]


def test_which_is_a_program_and_asks_for_another() -> None:
    assert commands("which oc && oc get") == ["which"]


@pytest.mark.parametrize("test", ["[ -d /usr/bin/oc ]", "[ -x /opt/oc ]", "[ -x $OC ]", "[ oc ]"])
def test_other_tests_ask_for_no_program(test: str) -> None:
    assert commands(f"{test} && oc get") == ["oc"]


def test_a_function_does_not_answer_what_goes_past_functions() -> None:
    script = read_script('oc() { command oc "$@"; }\noc get\nsudo oc get\n')

    assert [(call.command, call.line) for call in script.calls] == [
        ("oc", 1), ("sudo", 3), ("oc", 3),
    ]  # fmt: skip
    assert script.library.functions == {"oc"}


def test_lines_are_those_of_the_script() -> None:
    script = read_script("#!/bin/bash\nset -e\n\noc \\\n  get\nif x; then\n    crictl ps\nfi\n")

    assert [(call.command, call.line) for call in script.calls] == [
        ("oc", 4),
        ("x", 6),
        ("crictl", 7),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (". /lib.sh", ("/lib.sh",)), ("source x", ("x",)), ("ls", ()),
        ('. "$here/lib.sh"', ("lib.sh",)), (". $(dirname $0)/lib.sh", ("lib.sh",)),
        ('. "$lib"', ("",)), ("for x in a b; do . /etc/$x.sh; done", ("",)),
    ],
)  # fmt: skip
def test_scripts_that_are_sourced_are_named(text: str, expected: tuple[str, ...]) -> None:
    assert read_script(text).sources == expected


@pytest.mark.parametrize(
    "function",
    [
        'f() { "$@"; }; f oc get',
        'f() { shift 2; "${@}" >$out; }; f a b oc get',
        'f() { local out=$1; shift; if ! "$@"; then :; fi; }; f a oc get',
        'f() { "${@:2}" | tee; }; f a oc get',
        'f() { shift; timeout 5 sudo -n "$@" && :; }; f 1 oc get',
        'f() { local c=("$@"); "${c[@]}"; }; f oc get',
        'f() { local out=$1; shift; local -a c=("${@}"); until "${c[@]}"; do :; done; }; f a oc x',
        'f() { local c=$2; "$c" get; }; f a oc',
        "f() { $1 get; }; f oc",
        'f() { eval "$@"; }; f oc get',
        'f() { x=$("$@"); }; f oc get',
        "function f { shift; $* ; }; f a oc get",
        'g() { shift; "$@"; }; f() { g a "$@"; }; f oc get',
        'f() { g 3 "$@"; }; g() { shift; "$@"; }; f oc get',
    ],
)
def test_calls_through_a_function_that_runs_its_arguments_are_found(function: str) -> None:
    assert "oc" in commands(function)
    assert not {"f", "g", "a", "b", "3"} & set(commands(function))


@pytest.mark.parametrize(
    "function",
    [
        'f() { echo "$@"; }; f oc get',
        'f() { podman run image "$@"; }; f oc get',
        'f() { local out=$1; shift; jq . "$out"; }; f oc crictl',
        "f() { set -- x; }; f oc",
        'f() { "$@"; }; f',
    ],
)
def test_other_functions_run_no_arguments(function: str) -> None:
    assert not {"oc", "crictl"} & set(commands(function))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OC=oc; $OC get", ["oc"]),
        ('OC=${OC:-oc}\n"$OC" get', ["oc"]),
        ('"${OC:-oc}" get; ${TOOL-crictl} ps', ["oc", "crictl"]),
        ('tools=(oc crictl); for one in "${tools[@]}"; do $one; done', ["oc", "crictl"]),
        ("OC=oc; TOOL=$OC; $TOOL get", ["oc"]),
        ("BIN=/usr/bin; ${BIN}/oc get", ["/usr/bin/oc"]),
        ('CMD="sudo oc get"; $CMD', ["sudo", "oc"]),
        ('cmd=(timeout 5 oc get); "${cmd[@]}"', ["timeout", "oc"]),
        ("for tool in oc crictl; do $tool version; done", ["oc", "crictl"]),
        ("if x; then T=oc; else T=crictl; fi; $T", ["x", "oc", "crictl"]),
        ('readonly OC=oc; bash -c "$OC get"', ["bash", "oc"]),
    ],
)
def test_variables_with_known_values_are_filled_in(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "OC=oc; OC=$1; $OC get", "TOOL=$OC; $TOOL get", "OC=oc; OC=$1; T=$OC; $T get",
        "OC=oc; read OC; $OC get", "OC=; $OC get", 'OC=o; OC+=c; $OC get',
        'for tool in "$@"; do $tool; done', "OC='two words'; \"$OC\" get", "for OC; do $OC; done",
    ],
)  # fmt: skip
def test_variables_with_unknown_values_are_not_calls(text: str) -> None:
    assert commands(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bash <<'EOF'\noc get\nEOF\n", ["bash", "oc"]),
        ("sudo bash -s <<EOF\n\toc get\nEOF\ncrictl ps\n", ["sudo", "bash", "crictl", "oc"]),
        ("cat > /x <<'EOF'\n#!/bin/bash\noc get\nEOF\n", ["cat", "oc"]),
        ("cat > /x <<'EOF'\noc get\nEOF\n", ["cat"]),
        ("cat > /x <<'EOF'\n#!/usr/bin/python3\noc get\nEOF\n", ["cat"]),
        ("bash /usr/local/bin/x <<EOF\noc get\nEOF\n", ["bash"]),
        ("ssh host bash <<EOF\noc get\nEOF\n", ["ssh"]),
        ("podman run -i image bash <<EOF\noc get\nEOF\n", ["podman"]),
    ],
)
def test_here_document_counts_if_a_shell_reads_it(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


def test_call_in_a_here_document_has_its_line() -> None:
    assert read_script("x\nbash <<EOF\n# why\noc get\nEOF\n").calls[-1].line == 4


def test_every_program_that_find_runs_is_a_call() -> None:
    found = commands("find / -name x -exec restorecon {} + -exec sh -c 'oc get' \\; -print")

    assert found == ["find", "restorecon", "sh", "oc"]


@pytest.mark.parametrize(
    "function",
    ['need() { command -v "$1" >/dev/null; }', "need() { local t=$1; type -P $t; }",
     'has() { command -v "$1"; }; need() { has "$1" || exit 1; }'],
)  # fmt: skip
def test_function_that_asks_for_a_program_is_a_test_for_it(function: str) -> None:
    assert "oc" not in commands(f"{function}\nneed oc\noc get\n")
    assert "oc" in commands(f"{function}\nneed crictl\noc get\n")


def test_functions_of_a_library_are_not_calls_and_run_what_they_run() -> None:
    library = read_script('retry() { shift; "$@"; }\nnote() { :; }\n').library

    script = read_script("retry 3 oc get\nnote x\nsudo note\n", library)

    assert [call.command for call in script.calls] == ["oc", "sudo", "note"]


def test_lines_with_a_syntax_error_are_reported_and_the_rest_is_read() -> None:
    script = read_script("oc get\nf() {\n  while kubectl x\n}\nf\ncrictl ps\n")

    assert [call.command for call in script.calls] == ["oc", "kubectl", "crictl"]
    assert script.unread


def test_shells_within_shells_end_somewhere() -> None:
    text = "crictl ps"
    for _ in range(4):
        text = f"bash -c {shlex.quote(text)}"

    assert commands(text) == ["bash"] * 4 + ["crictl"]
    assert commands(f"bash -c {shlex.quote(text)}") == ["bash"] * 5


def test_the_harness_own_scripts_are_read_whole() -> None:
    for name in ("node-image-pull", "node-image-overlay", "observe", "node-image-harness-failed"):
        script = read_script(folders.fixture(f"guest/{name}").read_text(encoding="utf-8"))
        assert script.calls, name
        assert not script.unread, name


def test_calls_of_the_pull_script_are_those_that_it_makes() -> None:
    text = folders.fixture("guest/node-image-pull").read_text(encoding="utf-8")

    assert {"ostree", "rpm-ostree", "jq", "nm-online", "grep", "sed"} <= set(commands(text))
    assert not {"event", "say", "pull", "report", "printf"} & set(commands(text))
