"""The manual and the completions know every command and option that --help tells."""
import os
import re
import subprocess

import pytest

from conftest import CTL, TOP


def helped(*args):
    return subprocess.run([str(CTL), *args, "--help"], text=True, capture_output=True, check=True).stdout


def commands():
    text = helped().split("commands:\n", 1)[1].split("\n\n", 1)[0]
    return [re.match(r"  ([a-z-]+(?: [a-z]+)?)", line).group(1) for line in text.splitlines()]


def options(command):
    return re.findall(r"^  (--[a-z0-9-]+)", helped(*command.split()), re.M)


def test_the_manual_page_has_them_all():
    page = subprocess.run(["man", "-l", TOP / "docs/man/gnatterctl.1"], text=True, capture_output=True, check=True,
                          env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"}).stdout
    page = re.sub(r".\x08", "", page)
    for command in commands():
        assert re.search(rf"\b{command}\b", page), command
        for option in options(command):
            assert option in page, f"{command} {option}"
    assert "--version" in page
    assert set(re.findall(r"(?<![\w-])--[a-z0-9-]+", page)) <= {option for command in ["", *commands()] for option in options(command)}


@pytest.mark.parametrize("page", ["gnatterctl.1", "gnatter-syncd.8"])
def test_the_manual_pages_are_sound(page):
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", TOP / "docs/man" / page], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def complete_in_bash(*words):
    """What bash offers for the last of these words."""
    script = f"""
        source '{TOP}/clients/gnatterctl/completion/gnatterctl.bash'
        COMP_WORDS=('{CTL}' "$@") COMP_CWORD=$#
        _gnatterctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script, "-", *words], text=True, capture_output=True)
    assert done.stderr == ""
    return done.stdout.split()


def complete_in_zsh(*words):
    """What zsh is given to choose from; it takes what fits."""
    script = """
        compadd() { while [[ ${1-} == -* && $1 != -- ]]; do shift; done; [[ ${1-} == -- ]] && shift; print -l -- "$@" }
        words=("$@") CURRENT=$#words
        source """ + str(TOP / "clients/gnatterctl/completion/_gnatterctl")
    done = subprocess.run(["zsh", "-f", "-c", script, "-", CTL, *words], text=True, capture_output=True)
    assert done.stderr == ""
    return [word for word in done.stdout.split() if word.startswith(words[-1])]


@pytest.mark.parametrize("complete", [complete_in_bash, complete_in_zsh])
def test_the_shell_completes_what_there_is(complete):
    assert set(complete("")) == {command.split()[0] for command in commands()}
    assert complete("--dir", "/tmp", "sta") == ["status"]
    for first in {command.split()[0] for command in commands() if " " in command}:
        assert set(complete(first, "")) == {command.split()[1] for command in commands() if command.startswith(first + " ")}
    for command in commands():
        assert set(complete(*command.split(), "--")) == set(options(command)), command
    assert set(complete("up", "--limits", "o")) == {"on", "off"}
