from __future__ import annotations

import pytest

from harness.lint.ignition_calls import read
from harness.lint.python_calls import as_shell
from harness.lint.shell_calls import read_script
from harness.model.ignition import Config, File


def commands(text: str) -> list[str]:
    return [call.command for call in read_script(as_shell(text)).calls]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import subprocess\nsubprocess.run(['oc', 'get'], check=True)", ["oc"]),
        ("import subprocess as sp\nsp.check_output(('oc', name))", ["oc"]),
        ("from subprocess import Popen as P\nP(args=['sudo', 'oc'])", ["sudo", "oc"]),
        ("import subprocess\nsubprocess.call('oc get | jq .', shell=True)", ["sh", "oc", "jq"]),
        ("import subprocess\nsubprocess.run('oc')", ["oc"]),
        ("import os\nos.system(f'crictl rm {name}')", ["sh", "crictl"]),
        ("import os\nos.execvp('oc', ['oc'])", ["oc"]),
        ("import subprocess\nOC = '/usr/bin/oc'\nsubprocess.run([OC, 'get'])", ["/usr/bin/oc"]),
        ("import subprocess\nCMD = ['oc', 'get']\nsubprocess.run(CMD + more)", ["oc"]),
        ("import subprocess\nif x:\n    subprocess.run(\n        ['oc'],\n    )", ["oc"]),
    ],
)
def test_programs_that_a_script_runs_are_calls(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "run(['oc'])", "import shutil\nshutil.copy('oc', 'x')", "print('oc get')",
        "import subprocess\nsubprocess.run([tool, 'oc'])",
        "import subprocess\nsubprocess.run(tool)",
        "import subprocess\nsubprocess.run()", "import os\nos.system(line)",
        "import subprocess\nOC = 'oc'\nOC = tool\nsubprocess.run([OC])",
    ],
)  # fmt: skip
def test_other_text_runs_nothing(text: str) -> None:
    assert commands(text) == []


def test_program_that_is_looked_for_first_is_no_call() -> None:
    assert commands("import os, shutil\nif shutil.which('oc'):\n    os.system('oc get')") == ["sh"]


def test_call_has_its_line() -> None:
    script = read_script(as_shell("import os\n\nos.system('oc get')\n"))

    assert [call.line for call in script.calls] == [3, 3]


@pytest.mark.parametrize("text", ["print 'oc'", "(" * 5000, "x = '\0'", "if"])
def test_text_that_is_not_python_is_named_as_not_read(text: str) -> None:
    file = File(path="/usr/local/bin/x", contents=f"#!/usr/bin/python3\n{text}\n", mode=0o755)

    reading = read(Config(files=(file,)).to_document(), "x.ign")

    assert any("/usr/local/bin/x line" in one for one in reading.unread)


def test_units_that_a_script_starts_are_needed() -> None:
    text = "#!/usr/bin/python3\nimport os\nos.system('systemctl start crio')\n"
    file = File(path="/usr/local/bin/x", contents=text, mode=0o755)

    reading = read(Config(files=(file,)).to_document(), "x.ign")

    assert ("crio.service", 3) in [(call.command, call.line) for call in reading.calls]
