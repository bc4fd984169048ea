"""The order of system calls: a message is on the disk before the client hears `250`."""

import os
import re

from stage.dialog import Dialog, queued_id
from stage.gateway import setup_toml

CALL = re.compile(r"^(?P<pid>\d+) +(?P<time>[\d.]+) (?P<call>\w+)\((?P<arguments>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+) +(?P<time>[\d.]+) <\.\.\. (?P<call>\w+) resumed>(?P<arguments>.*)$")
WRITES = {"write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg"}
SYNCS = {"fsync", "fdatasync"}


def calls(trace):
    """Every finished call as (number of the line it began on, number of the line it ended on, name, text), in that order.

    A call that another thread's call interrupts in the trace stands in two lines; it has ended where it was resumed.
    """
    begun, finished = {}, []
    for number, line in enumerate(trace.splitlines()):
        if match := CALL.match(line):
            if match["arguments"].endswith("<unfinished ...>"):
                begun[match["pid"]] = (number, match["call"], match["arguments"])
            else:
                finished.append((number, number, match["call"], match["arguments"]))
        elif match := RESUMED.match(line):
            if match["pid"] in begun:
                start, call, arguments = begun.pop(match["pid"])
                finished.append((start, number, call, arguments + match["arguments"]))
    return finished


def path_of(text):
    """The file that the first argument, a descriptor as strace -y prints it, stands for."""
    found = re.match(r"\d+<([^>]*)>", text)
    return found[1] if found else ""


def record(stage, tmp_path, size, count=5):
    """Sends `count` messages to a traced gateway. Returns the ids and the calls, by their beginning."""
    gateway = stage.gateway(setup_toml("http://127.0.0.1:9", emails_enabled=False))
    log = tmp_path / "trace"
    names = ",".join(sorted(WRITES | SYNCS))
    # -D: the tracer stands aside, so that the process started is the gateway itself.
    gateway.start(under=["strace", "-D", "-f", "-y", "-s", "400", "-ttt", "-e", f"trace={names}", "-o", str(log)])
    content = b"From: noreply@contoso.test\r\nSubject: sync\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)
    with Dialog(gateway.doors["plain"]) as dialog:
        dialog.hello()
        ids = [queued_id(dialog.message("noreply@contoso.test", ["a@example.test"], content)) for _ in range(count)]
    assert gateway.stop() == 0
    return ids, sorted(calls(log.read_text(errors="replace")))


def between(trace, message, previous):
    """The calls from the 250 of `previous` (or the start) to the beginning of the 250 of `message`."""

    def answer(of):
        return next(begin for begin, _, call, text in trace if call in WRITES and f"Queued as {of}" in text)

    start = answer(previous) if previous else -1
    return [each for each in trace if start < each[0] < answer(message)], answer(message)


def last_write(window, path):
    return max((begin for begin, _, call, text in window if call in WRITES and path_of(text) == path), default=None)


def synced_after(window, path, moment, before):
    """When a sync of `path` that began after `moment` was over, if that was `before`; None otherwise."""
    ends = [
        end
        for begin, end, call, text in window
        if call in SYNCS and path_of(text) == path and begin > moment and end < before and re.search(r"\) += 0\b", text)
    ]
    return max(ends, default=None)


def test_a_message_is_synced_before_its_250(stage, tmp_path):
    ids, trace = record(stage, tmp_path, size=2_000)
    for previous, message in zip([None, *ids], ids):
        window, answered = between(trace, message, previous)
        log = next(path_of(text) for *_, text in window if path_of(text).endswith("/postern.db-wal"))
        written = last_write(window, log)
        assert written is not None, f"nothing was written for {message}"
        assert synced_after(window, log, written, answered), f"{message} was answered before its record was synced"


def test_a_large_body_and_its_folder_are_synced_before_the_record_and_the_record_before_the_250(stage, tmp_path):
    ids, trace = record(stage, tmp_path, size=500_000)
    for previous, message in zip([None, *ids], ids):
        window, answered = between(trace, message, previous)
        log = next(path_of(text) for *_, text in window if path_of(text).endswith("/postern.db-wal"))
        record_written = last_write(window, log)
        assert synced_after(window, log, record_written, answered), f"{message} was answered before its record was synced"
        bodies = {path_of(text) for _, _, call, text in window if call in WRITES and "/spool/" in path_of(text)}
        assert bodies, f"the body of {message} has no file"
        for body in bodies:
            body_synced = synced_after(window, body, last_write(window, body), record_written)
            assert body_synced, f"{body} was not synced before the record was written"
            folder_synced = synced_after(window, os.path.dirname(body), body_synced, record_written)
            assert folder_synced, f"the folder of {body} was not synced before the record was written"
