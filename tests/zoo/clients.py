"""Foreign SMTP clients, unchanged: for each, the command line or configuration an administrator would write.

Every function sends one letter through one door and raises if the client was not content.
"""

import dataclasses
import json
import os
import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path

from stage.process import REPOSITORY


def _run(arguments, home, stdin=None, **environment):
    done = subprocess.run(
        [str(argument) for argument in arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        cwd=home,
        env={**os.environ, "HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **environment},
    )
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise AssertionError(f"{Path(str(arguments[0])).name} ended with {done.returncode}:\n{output}")
    return done


def python_smtplib(door, letter, home):
    context = ssl.create_default_context(cafile=door.ca) if door.ca else None
    if door.security == "implicit":
        client = smtplib.SMTP_SSL(door.host, door.port, context=context, timeout=30)
    else:
        client = smtplib.SMTP(door.host, door.port, timeout=30)
    with client:
        if door.security == "starttls":
            client.starttls(context=context)
        if door.username:
            client.login(door.username, door.password)
        assert client.send_message(letter.as_message()) == {}


def swaks(door, letter, home):
    arguments = ["swaks", "--server", door.host, "--port", door.port, "--from", letter.sender, "--to", letter.recipient]
    arguments += ["--header", f"Subject: {letter.subject}", "--body", letter.text]
    arguments += {"none": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[door.security]
    if door.ca:
        arguments += ["--tls-verify", "--tls-ca-path", door.ca]
    if door.username:
        arguments += ["--auth", "PLAIN", "--auth-user", door.username, "--auth-password", door.password]
    if letter.attachment:
        arguments += ["--attach-type", "application/octet-stream", "--attach", f"@{letter.attachment}"]
    _run(arguments, home)


def curl(door, letter, home):
    message = home / "message.eml"
    message.write_bytes(letter.as_message().as_bytes())
    scheme = "smtps" if door.security == "implicit" else "smtp"
    arguments = ["curl", "--silent", "--show-error", "--url", f"{scheme}://{door.host}:{door.port}/client.test"]
    arguments += ["--mail-from", letter.sender, "--mail-rcpt", letter.recipient, "--upload-file", message]
    if door.security == "starttls":
        arguments += ["--ssl-reqd"]
    if door.ca:
        arguments += ["--cacert", door.ca]
    if door.username:
        arguments += ["--user", f"{door.username}:{door.password}"]
    _run(arguments, home)


def nodemailer(door, letter, home):
    what = {"door": dataclasses.asdict(door), "letter": dataclasses.asdict(letter)}
    script = REPOSITORY / "tests" / "node" / "nodemailer.js"
    _run(["node", script], home, stdin=json.dumps(what, default=str).encode())


def msmtp(door, letter, home):
    lines = ["account default", f"host {door.host}", f"port {door.port}", f"from {letter.sender}"]
    lines += ["tls off"] if door.security == "none" else ["tls on", f"tls_trust_file {door.ca}"]
    lines += ["tls_starttls " + ("on" if door.security == "starttls" else "off")]
    lines += ["auth plain", f"user {door.username}", f'password "{door.password}"'] if door.username else ["auth off"]
    config = home / "msmtprc"
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)
    # msmtp is given what a local program writes: LF line ends.
    message = letter.as_message().as_bytes().replace(b"\r\n", b"\n")
    _run(["msmtp", "--file", config, letter.recipient], home, stdin=message)


def mutt(door, letter, home):
    credentials = f"{door.username}:{door.password.replace(' ', '%20')}@" if door.username else ""
    scheme = "smtps" if door.security == "implicit" else "smtp"
    lines = [f'set smtp_url="{scheme}://{credentials}{door.host}:{door.port}/"', f'set from="{letter.sender}"']
    lines += ["set use_from=yes", "unset record", "set copy=no", f'set tmpdir="{home}"', 'set send_charset="us-ascii:utf-8"']
    if door.security == "none":
        lines += ["set ssl_force_tls=no", "set ssl_starttls=no"]
    else:
        lines += ["set ssl_force_tls=yes", "set ssl_starttls=yes", f'set ssl_ca_certificates_file="{door.ca}"']
        lines += [f'set certificate_file="{home}/accepted"']
    config = home / "muttrc"
    config.write_text("\n".join(lines) + "\n")
    arguments = ["mutt", "-n", "-F", config, "-s", letter.subject]
    arguments += ["-a", letter.attachment] if letter.attachment else []
    _run([*arguments, "--", letter.recipient], home, stdin=letter.text.encode())


def s_nail(door, letter, home):
    scheme = "smtps" if door.security == "implicit" else "smtp"
    settings = {"v15-compat": "yes", "from": letter.sender, "ttycharset": "utf-8", "smtp-auth": "none", "DEAD": str(home / "dead.letter")}
    credentials = ""
    if door.username:
        settings |= {"smtp-auth": "plain"}
        credentials = f"{door.username}:{door.password.replace(' ', '%20')}@"
    if door.ca:
        settings |= {"tls-ca-file": door.ca, "tls-verify": "strict"}
    if door.security == "starttls":
        settings |= {"smtp-use-starttls": "yes"}
    settings |= {"mta": f"{scheme}://{credentials}{door.host}:{door.port}"}
    arguments = ["s-nail", "-:/", "-S", "sendwait", "-S", "nosave"]
    for name, value in settings.items():
        arguments += ["-S", f"{name}={value}"]
    arguments += ["-s", letter.subject]
    arguments += ["-a", letter.attachment] if letter.attachment else []
    _run([*arguments, letter.recipient], home, stdin=letter.text.encode(), MAILRC="/dev/null")


def git_send_email(door, letter, home):
    """The letter becomes a commit: its subject and body the commit's, its attachment `git format-patch --attach`."""
    shutil.rmtree(home / "work", ignore_errors=True)
    who = ["-c", "user.name=Anna Wagner", "-c", f"user.email={letter.sender}"]
    _run(["git", "init", "-q", "work"], home)
    work = home / "work"
    (work / "note.txt").write_text(letter.text)
    _run(["git", "add", "note.txt"], work)
    _run(["git", *who, "commit", "-q", "-m", f"{letter.subject}\n\n{letter.text}"], work)
    patch = _run(["git", *who, "format-patch", "-1", *(["--attach"] if letter.attachment else [])], work).stdout.decode().strip()
    arguments = ["git", *who, "send-email", "--confirm=never", "--suppress-cc=all", "--from", letter.sender, "--to", letter.recipient]
    arguments += [f"--smtp-server={door.host}", f"--smtp-server-port={door.port}", "--8bit-encoding=UTF-8", "--smtp-domain=client.test"]
    arguments += {"none": [], "starttls": ["--smtp-encryption=tls"], "implicit": ["--smtp-encryption=ssl"]}[door.security]
    if door.ca:
        arguments += [f"--smtp-ssl-cert-path={door.ca}"]
    if door.username:
        arguments += [f"--smtp-user={door.username}", f"--smtp-pass={door.password}"]
    _run([*arguments, patch], work)


CLIENTS = [python_smtplib, swaks, curl, nodemailer, msmtp, mutt, s_nail, git_send_email]
