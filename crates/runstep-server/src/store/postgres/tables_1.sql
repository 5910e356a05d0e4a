-- The tables of version 1. A node of this version must work with the next one, so later versions only
-- add to it.
--
-- The columns are those of the data file: `seq` is the order of creation, and all indexes start
-- with the namespace, apart from those by time.
CREATE SEQUENCE seq;

CREATE TABLE namespaces (key bigint PRIMARY KEY DEFAULT nextval('seq'), name text NOT NULL UNIQUE);

CREATE TABLE nodes (id text PRIMARY KEY, lease_until bigint NOT NULL);

CREATE TABLE assistants (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, id text NOT NULL,
    version bigint NOT NULL DEFAULT 0, hidden text NOT NULL, json text NOT NULL
);
CREATE UNIQUE INDEX assistants_id ON assistants (ns, id);
CREATE INDEX assistants_list ON assistants (ns, seq);

CREATE TABLE threads (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, id text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT nextval('seq'), json text NOT NULL
);
CREATE UNIQUE INDEX threads_id ON threads (ns, id);

CREATE TABLE deleted_threads (seq bigint PRIMARY KEY, ns bigint NOT NULL);

CREATE TABLE messages (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, thread bigint NOT NULL,
    id text NOT NULL, run text, version bigint NOT NULL DEFAULT 0, tokens bigint NOT NULL,
    json text NOT NULL
);
CREATE UNIQUE INDEX messages_id ON messages (ns, thread, id);
CREATE INDEX messages_list ON messages (ns, thread, seq);
CREATE INDEX messages_run ON messages (ns, thread, run, seq) WHERE run IS NOT NULL;

CREATE TABLE runs (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, thread bigint NOT NULL,
    id text NOT NULL, version bigint NOT NULL DEFAULT 0, phase smallint NOT NULL,
    expires_at bigint NOT NULL, ended_at bigint, has_events boolean NOT NULL DEFAULT true,
    owner text, next_event bigint NOT NULL, hidden text NOT NULL, json text NOT NULL
);
CREATE UNIQUE INDEX runs_id ON runs (ns, thread, id);
CREATE INDEX runs_list ON runs (ns, thread, seq);
CREATE UNIQUE INDEX runs_active ON runs (ns, thread) WHERE phase < 4;
CREATE INDEX runs_executable ON runs (seq) WHERE phase IN (0, 1, 3);
CREATE INDEX runs_waiting ON runs (expires_at) WHERE phase = 2;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_events ON runs (ended_at) WHERE ended_at IS NOT NULL AND has_events;

CREATE TABLE steps (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, run bigint NOT NULL,
    id text NOT NULL, json text NOT NULL
);
CREATE UNIQUE INDEX steps_id ON steps (ns, run, id);
CREATE INDEX steps_list ON steps (ns, run, seq);

CREATE TABLE events (
    ns bigint NOT NULL, run bigint NOT NULL, last bigint NOT NULL, first bigint NOT NULL,
    is_done boolean NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (ns, run, last)
);

CREATE TABLE tombstones (
    ns bigint NOT NULL, list bigint NOT NULL, id text NOT NULL, seq bigint NOT NULL,
    deleted bigint NOT NULL DEFAULT nextval('seq'), PRIMARY KEY (ns, list, id)
);
CREATE INDEX tombstones_age ON tombstones (ns, list, deleted);

CREATE TABLE requests (
    ns bigint NOT NULL, key text NOT NULL, fingerprint bytea NOT NULL, created_at bigint NOT NULL,
    response bytea NOT NULL, PRIMARY KEY (ns, key)
);
CREATE INDEX requests_age ON requests (created_at);
