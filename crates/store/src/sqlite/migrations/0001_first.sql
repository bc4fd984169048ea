-- Times are microseconds since 1970. States, priorities and ways in are the numbers of `code.rs`.

CREATE TABLE message (
    seq                 INTEGER PRIMARY KEY,  -- order of arrival; a number is never used again
    id                  BLOB    NOT NULL,
    state               INTEGER NOT NULL,
    lane                INTEGER,              -- NULL: no route took it
    priority            INTEGER NOT NULL,
    due_at              INTEGER NOT NULL,     -- means something only while queued (and held: when it would be due)
    starts_at           INTEGER NOT NULL,     -- when it was first due
    attempts            INTEGER NOT NULL,
    may_be_duplicated   INTEGER NOT NULL,
    bounced             INTEGER NOT NULL DEFAULT 0,
    delay_noted         INTEGER NOT NULL DEFAULT 0,
    progress            TEXT,                 -- JSON, what became of each recipient; NULL: all are pending
    last_error          TEXT,
    received_at         INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    size                INTEGER NOT NULL,
    via                 INTEGER NOT NULL,
    account             TEXT    NOT NULL,     -- '-' for no account, else '=' and the account's id
    peer                TEXT,
    header_from         TEXT,
    subject             TEXT,
    internet_message_id TEXT,
    envelope            TEXT    NOT NULL,
    added_header        TEXT    NOT NULL,
    metadata            TEXT
) STRICT;

CREATE UNIQUE INDEX message_id ON message (id);
-- What is due, apart for each account, so that the accounts can take turns. Messages leave this index with the first
-- attempt, so it is as small as the queue.
CREATE INDEX message_due ON message (lane, priority, account, due_at) WHERE state = 0;
-- Queued or being sent, oldest first; with what tells old ones, so that a search for them reads only the index.
CREATE INDEX message_waiting ON message (seq, expires_at, starts_at, delay_noted) WHERE state IN (0, 1);
-- Every other state, each in order of arrival. Accepting a message costs nothing here.
CREATE INDEX message_state ON message (state) WHERE state <> 0;
-- The few that bounced.
CREATE INDEX message_bounced ON message (bounced) WHERE bounced <> 0;

-- The words one can search for, by the message's seq. It only narrows a search and is filled behind acceptance: up to
-- the tally `indexed_up_to`. What was deleted goes from it too.
CREATE VIRTUAL TABLE message_words USING fts5
    (words, content = '', contentless_delete = 1, detail = none, tokenize = "ascii tokenchars '=_'");
-- When the messages of a run of numbers arrived, so that a span of time becomes a span of numbers. Filled with the words.
CREATE TABLE message_run (
    run      INTEGER PRIMARY KEY,             -- seq / 1024
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL
) STRICT;

-- Apart from the message, so that a scan of messages does not drag bodies along.
CREATE TABLE body (
    seq   INTEGER PRIMARY KEY,
    crc32 INTEGER NOT NULL,
    spool TEXT,                               -- name of the spool file; NULL: the body is in `bytes`
    bytes BLOB
) STRICT;
CREATE UNIQUE INDEX body_spool ON body (spool) WHERE spool IS NOT NULL;

CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY,          -- the message's seq * 2^20 + the attempt's number
    lane        INTEGER NOT NULL,
    recipients  TEXT    NOT NULL,             -- JSON, indices into the envelope
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outcomes    TEXT,
    explanation TEXT,
    request_id  TEXT
) STRICT;

CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    detail  TEXT
) STRICT;
CREATE INDEX event_message ON event (message);

-- A lane stays for good: attempts name it.
CREATE TABLE lane (
    id          INTEGER PRIMARY KEY,
    connection  TEXT    NOT NULL,
    mailbox     TEXT    NOT NULL,
    mailbox_key TEXT    NOT NULL,             -- the mailbox, letter case folded
    waiting     INTEGER NOT NULL DEFAULT 0,   -- messages queued or being sent
    lease_node  TEXT,
    lease_epoch INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER NOT NULL DEFAULT 0,
    pause       TEXT,
    UNIQUE (connection, mailbox_key)
) STRICT;

-- When each account last handed in a message.
CREATE TABLE account_use (
    account TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lane_hour (
    lane       INTEGER NOT NULL,
    hour       INTEGER NOT NULL,              -- hours since 1970
    recipients INTEGER NOT NULL,
    PRIMARY KEY (lane, hour)
) STRICT, WITHOUT ROWID;

-- Which account a lane's latest claim of a priority served last. No row: the round begins.
CREATE TABLE lane_turn (
    lane     INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    account  TEXT    NOT NULL,                -- as in `message`
    PRIMARY KEY (lane, priority)
) STRICT, WITHOUT ROWID;

-- What budgets were charged.
CREATE TABLE charge (
    budget TEXT    NOT NULL,
    hour   INTEGER NOT NULL,                  -- hours since 1970
    amount INTEGER NOT NULL,
    PRIMARY KEY (budget, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX charge_hour ON charge (hour);

-- What somebody may want to be told. Readers remember how far they came; the tally `newest_outcome` outlives the rows.
CREATE TABLE outcome (
    number  INTEGER PRIMARY KEY,
    message BLOB    NOT NULL,                 -- its id: the message may be gone by then
    kind    INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

-- Small facts of others, JSON.
CREATE TABLE kept (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    account    TEXT    NOT NULL,              -- as in `message`
    key        TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    message    BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Numbers that are kept, not counted: messages in each state, the next seq, the last one whose words are indexed, the
-- newest outcome, the version of the settings.
CREATE TABLE tally (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tally (name, value) VALUES
    ('queued', 0), ('sending', 0), ('sent', 0), ('failed', 0), ('uncertain', 0), ('held', 0), ('cancelled', 0),
    ('quarantined', 0), ('next_seq', 1), ('indexed_up_to', 0), ('newest_outcome', 0),
    ('settings_version', 0);

CREATE TABLE setting (
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    position INTEGER NOT NULL,                -- order among routes; 0 elsewhere
    data     TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;

-- Sessions of the console. Only the token's digest is here.
CREATE TABLE session (
    digest           TEXT    NOT NULL PRIMARY KEY,
    user             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    peer             TEXT,
    user_agent       TEXT
) STRICT, WITHOUT ROWID;

-- What users granted delegated connections, JSON. Apart from the settings, for a refresh token changes by itself.
CREATE TABLE connection_grant (
    connection TEXT NOT NULL PRIMARY KEY,
    data       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What went through, in steps of five minutes.
CREATE TABLE history (
    step     INTEGER NOT NULL PRIMARY KEY,    -- seconds since 1970
    accepted INTEGER NOT NULL,
    sent     INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    waiting  INTEGER NOT NULL                 -- queued or being sent, when the step was last written
) STRICT;

CREATE TABLE key_ring (
    id      INTEGER PRIMARY KEY,
    wrapped TEXT    NOT NULL
) STRICT;

CREATE TABLE probe (
    id    INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
INSERT INTO probe (id, count) VALUES (0, 0);
