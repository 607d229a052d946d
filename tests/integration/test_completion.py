# SPDX-License-Identifier: Apache-2.0
"""bash and zsh complete what the program says of itself, all of it and nothing else."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time

import pytest

from daemon import environment, run_kudev
from support import REPOSITORY, limit

BASH = REPOSITORY / "conf/completion/kudev"
ZSH = REPOSITORY / "conf/completion/_kudev"


def summaries() -> dict[str, str]:
    listed = run_kudev("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    return dict(line.split(None, 1) for line in listed.splitlines())


COMMANDS = sorted(summaries())


def options(command: str) -> set[str]:
    return set(re.findall(r"^  (--[a-z-]+) ", run_kudev(command, "--help").stdout, re.M))


@pytest.fixture(scope="module")
def words() -> dict[str, set[str]]:
    """The values of each option that takes one of a few words."""
    keys = json.loads(run_kudev("schema").stdout)["properties"]
    return {"--events": set(keys["events"]["enum"]),
            "--log-level": set(keys["logLevel"]["enum"]),
            "--log-format": set(keys["logFormat"]["enum"])}


def bash(*line: str, directory="/") -> set[str]:
    """What bash offers for the last of the words."""
    script = (f"source {shlex.quote(str(BASH))}; COMP_WORDS=({shlex.join(line)}); "
              f"COMP_CWORD={len(line) - 1}; _kudev; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-euc", script], capture_output=True, text=True,
                          check=True, env=environment(), cwd=directory)
    assert not done.stderr
    return set(done.stdout.split())


@pytest.fixture(autouse=True)
def _skip_without_bash(request):
    if "bash" in request.node.name and not shutil.which("bash"):
        pytest.skip("no bash")


def test_bash_offers_the_commands():
    assert bash("kudev", "") == set(COMMANDS)
    assert bash("kudev", "sch") == {"schema"}


@pytest.mark.parametrize("command", COMMANDS)
def test_bash_offers_the_options_of_a_command(command):
    assert bash("kudev", command, "") == options(command)
    assert bash("kudev", command, "--help", "--v") == {"--version"}


def test_bash_offers_the_options_of_run_without_a_command():
    assert bash("kudev", "--") == options("run")


def test_bash_offers_the_words_that_an_option_takes(words):
    for option, values in words.items():
        assert bash("kudev", "run", option, "") == values
        assert bash("kudev", "run", option, "=") == values
        first = sorted(values)[0]
        assert bash("kudev", "run", option, "=", first) == {first}


@pytest.mark.parametrize("command", COMMANDS)
def test_bash_offers_the_formats_that_a_command_has(command):
    if "--output" not in options(command):
        return
    for option in "--output", "-o":
        offered = bash("kudev", command, option, "")
        told = run_kudev(command, "--output", "nothing").stderr
        assert offered == set(re.findall(r"\b(?:table|json|yaml)\b", told))


def test_bash_offers_files_and_directories(stage):
    here = stage.directory / "completion"
    (here / "aa").mkdir(parents=True)
    (here / "ab.yaml").touch()
    assert bash("kudev", "run", "--config", "a", directory=here) == {"aa", "ab.yaml"}
    assert bash("kudev", "run", "--root", "a", directory=here) == {"aa"}
    assert bash("kudev", "run", "--domain", "", directory=here) == set()
    assert "/dev/null" in bash("kudev", "list", "--for", "/dev/nul")
    assert "/dev/null" in bash("kudev", "list", "--for", "")


def test_zsh_has_the_commands_and_options():
    text = ZSH.read_text()
    commands = re.search(r"commands=\((.*?)\n\)", text, re.S)[1]
    assert dict(re.findall(r"'(\w+):(.*)'", commands)) == summaries()
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", text)) == set().union(
        *map(options, COMMANDS))


class Terminal:
    """zsh at work in a terminal of its own."""

    def __init__(self, directory):
        self.seen = ""
        self.process, self.fd = pty.fork()
        if self.process == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(
                TERM="dumb", ZDOTDIR=str(directory), COLUMNS="300", LINES="100"))
        self.run(f"fpath=({shlex.quote(str(ZSH.parent))} $fpath); LISTMAX=1000; "
                 "stty cols 300; autoload -U compinit; compinit -u -D; PS1='kudev''-test: '")

    def run(self, text: str):
        """Until the prompt is there: what is typed before may not be for the editor."""
        self.seen = ""
        os.write(self.fd, f"{text}\n".encode())
        self.wait("kudev-test: ")

    def wait(self, until: str):
        deadline = time.monotonic() + limit(10)
        while not re.search(until, self.seen):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], self.seen
            self.seen += os.read(self.fd, 65536).decode(errors="replace")

    def offered(self, line: str) -> set[str]:
        """What is listed for the line. Control-D lists and changes nothing."""
        self.seen = ""
        os.write(self.fd, f"{line}\x04".encode())
        # Behind the list the line stands again.
        again = re.escape(line)
        self.wait(rf"(?s){again}.*\n.*{again}")
        listed = self.seen
        self.run("\x15")
        return set(listed.replace(line, "").split())

    def close(self):
        os.close(self.fd)
        os.waitpid(self.process, 0)


@pytest.fixture(scope="module")
def zsh(tmp_path_factory):
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    terminal = Terminal(tmp_path_factory.mktemp("zsh"))
    yield terminal
    terminal.close()


def test_zsh_offers_the_commands(zsh):
    assert set(COMMANDS) <= zsh.offered("kudev ")


@pytest.mark.parametrize("command", COMMANDS)
def test_zsh_offers_the_options_of_a_command(zsh, command):
    offered = {word.rstrip("=") for word in zsh.offered(f"kudev {command} --")}
    assert {word for word in offered if re.fullmatch(r"--[a-z-]+", word) and word != "--"} == \
        options(command)


def test_zsh_offers_the_words_that_an_option_takes(zsh, words):
    for option, values in words.items():
        assert values <= zsh.offered(f"kudev run {option} ")
