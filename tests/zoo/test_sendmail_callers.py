"""Programs that know only `sendmail` find one: `postern` under that name, called as they call it."""

import os
import subprocess

import pytest

from stage.letter import letters, subject_of, texts_of
from stage.process import postern_binary


@pytest.fixture
def sendmail(tmp_path):
    path = tmp_path / "bin" / "sendmail"
    path.parent.mkdir()
    path.symlink_to(postern_binary())
    return path


def run(arguments, home, gateway, stdin):
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8", "POSTERN_CONFIG": str(gateway.config)}
    done = subprocess.run([str(each) for each in arguments], input=stdin, capture_output=True, timeout=60, cwd=home, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def mutt(sendmail, letter, home, gateway):
    config = home / "muttrc"
    config.write_text(
        f'set sendmail="{sendmail} -oem -oi"\nset from="{letter.sender}"\nset use_from=yes\nset use_envelope_from=yes\nset copy=no\n'
        f'set sendmail_wait=0\nset tmpdir="{home}"\n'
    )
    run(["mutt", "-n", "-F", config, "-s", letter.subject, "--", letter.recipient], home, gateway, letter.text.encode())


def s_nail(sendmail, letter, home, gateway):
    settings = [f"mta={sendmail}", f"from={letter.sender}", "ttycharset=utf-8", "sendwait", f"DEAD={home}/dead.letter"]
    options = [option for setting in settings for option in ("-S", setting)]
    run(["s-nail", "-:/", *options, "-s", letter.subject, letter.recipient], home, gateway, letter.text.encode())


def like_php(sendmail, letter, home, gateway):
    """PHP's mail() writes the header itself and calls `sendmail -t -i`, with LF line ends."""
    message = f"To: {letter.recipient}\nSubject: =?UTF-8?Q?{quoted(letter.subject)}?=\nFrom: {letter.sender}\n"
    message += "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n" + letter.text
    run([sendmail, "-t", "-i"], home, gateway, message.encode())


def quoted(text):
    return "".join(f"={octet:02X}" for octet in text.encode())


def git(sendmail, letter, home, gateway):
    # git reads the message from a file; it calls the program with -i and the recipients.
    message = home / "message.eml"
    header = f"From: {letter.sender}\nSubject: {letter.subject}\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    message.write_text(header + "MIME-Version: 1.0\n\n" + letter.text)
    arguments = ["git", "-c", "user.name=Anna", "-c", f"user.email={letter.sender}", "send-email", "--confirm=never", "--suppress-cc=all"]
    run([*arguments, f"--smtp-server={sendmail}", "--from", letter.sender, "--to", letter.recipient, message], home, gateway, b"")


@pytest.mark.parametrize("kind", ["ascii", "utf8"])
@pytest.mark.parametrize("caller", [mutt, s_nail, like_php, git], ids=lambda caller: caller.__name__)
def test_what_a_caller_of_sendmail_sends_arrives(caller, kind, sendmail, gateway, sandbox, recipient, tmp_path):
    letter = letters(tmp_path, recipient)[kind]
    caller(sendmail, letter, tmp_path, gateway)
    delivery = sandbox.wait_for_delivery_to(recipient)
    raw = sandbox.raw(delivery)
    assert delivery["recipients"] == [recipient]
    assert subject_of(raw) == letter.subject
    assert letter.text.rstrip("\n") in texts_of(raw)
