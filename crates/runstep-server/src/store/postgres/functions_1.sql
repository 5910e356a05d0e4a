-- One function for each change, so that a transaction is one statement and one round trip. A function
-- whose parameters change gets a new name, because nodes of the previous version still call it.
--
-- Each checks everything before it writes anything. A change of a thread, or of something on it,
-- locks the row of the thread first: changes of one thread are one after the other.

-- What a change did. `kind` is `done`, or the reason why nothing was written: `missing`,
-- `missing_thread`, `active_run`, `stale`, `replayed` or `key_reused`.
CREATE TYPE result AS (kind text, version bigint, detail text, response bytea);

-- What a request with an idempotency key is recorded with.
CREATE TYPE request AS (key text, fingerprint bytea, now bigint, oldest bigint, response bytea);

CREATE FUNCTION done(version bigint, detail text DEFAULT NULL) RETURNS result
LANGUAGE sql IMMUTABLE AS $$ SELECT ROW('done', version, detail, NULL)::result $$;

CREATE FUNCTION refused(kind text, detail text DEFAULT NULL) RETURNS result
LANGUAGE sql IMMUTABLE AS $$ SELECT ROW(kind, 0, detail, NULL)::result $$;

CREATE FUNCTION namespace_key(p_name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    LOOP
        SELECT key INTO stored FROM namespaces WHERE name = p_name;
        IF FOUND THEN
            RETURN stored;
        END IF;
        INSERT INTO namespaces (name) VALUES (p_name) ON CONFLICT DO NOTHING;
    END LOOP;
END $$;

-- Returns the result of an earlier request with the same key, or null.
CREATE FUNCTION replay(p_ns bigint, p_request request) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    stored requests;
BEGIN
    IF p_request IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO stored FROM requests
    WHERE ns = p_ns AND key = (p_request).key AND created_at > (p_request).oldest;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF stored.fingerprint <> (p_request).fingerprint THEN
        RETURN refused('key_reused');
    END IF;
    RETURN ROW('replayed', 0, NULL, stored.response)::result;
END $$;

-- Records a request. Fails, and with it the transaction, if another one has recorded the key meanwhile.
CREATE FUNCTION record(p_ns bigint, p_request request) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_request IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO requests AS stored (ns, key, fingerprint, created_at, response)
    VALUES (p_ns, (p_request).key, (p_request).fingerprint, (p_request).now, (p_request).response)
    ON CONFLICT (ns, key) DO UPDATE SET fingerprint = excluded.fingerprint,
        created_at = excluded.created_at, response = excluded.response
    WHERE stored.created_at <= (p_request).oldest;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RS001', MESSAGE = 'the request was executed already';
    END IF;
END $$;

-- Locks a thread and returns its `seq`, or null.
CREATE FUNCTION lock_thread(p_ns bigint, p_id text) RETURNS bigint LANGUAGE sql AS $$
    SELECT seq FROM threads WHERE ns = p_ns AND id = p_id FOR NO KEY UPDATE
$$;

CREATE FUNCTION active_run(p_ns bigint, p_thread bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT id FROM runs WHERE ns = p_ns AND thread = p_thread AND phase < 4
$$;

CREATE FUNCTION insert_messages(
    p_ns bigint, p_thread bigint, p_run text, p_ids text[], p_tokens bigint[], p_jsons text[]
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO messages (ns, thread, run, id, tokens, json)
    SELECT p_ns, p_thread, p_run, id, tokens, json
    FROM unnest(p_ids, p_tokens, p_jsons) WITH ORDINALITY AS new (id, tokens, json, number)
    ORDER BY number
$$;

-- Remembers the position of a deleted object for a while, because a client that deletes the objects
-- it lists continues after the last entry of a page.
CREATE FUNCTION bury(p_ns bigint, p_list bigint, p_id text, p_seq bigint, p_limit bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO tombstones (ns, list, id, seq) VALUES (p_ns, p_list, p_id, p_seq);
    DELETE FROM tombstones WHERE ns = p_ns AND list = p_list AND deleted <= (
        SELECT deleted FROM tombstones WHERE ns = p_ns AND list = p_list
        ORDER BY deleted DESC LIMIT 1 OFFSET p_limit)
$$;

CREATE FUNCTION create_assistant(
    p_namespace text, p_request request, p_id text, p_hidden text, p_json text
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    -- Assistants become visible in the order of their `seq`.
    PERFORM 1 FROM namespaces WHERE key = p_ns FOR NO KEY UPDATE;
    INSERT INTO assistants (ns, id, hidden, json) VALUES (p_ns, p_id, p_hidden, p_json);
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;

CREATE FUNCTION create_thread(
    p_namespace text, p_request request, p_id text, p_json text,
    p_message_ids text[], p_message_tokens bigint[], p_message_jsons text[]
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    INSERT INTO threads (ns, id, json) VALUES (p_ns, p_id, p_json) RETURNING seq INTO locked;
    PERFORM insert_messages(
        p_ns, locked, NULL, p_message_ids, p_message_tokens, p_message_jsons);
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;

CREATE FUNCTION create_message(
    p_namespace text, p_request request, p_thread text, p_id text, p_tokens bigint, p_json text
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
    active text;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    locked := lock_thread(p_ns, p_thread);
    IF locked IS NULL THEN
        RETURN refused('missing_thread');
    END IF;
    active := active_run(p_ns, locked);
    IF active IS NOT NULL THEN
        RETURN refused('active_run', active);
    END IF;
    PERFORM insert_messages(p_ns, locked, NULL, ARRAY[p_id], ARRAY[p_tokens], ARRAY[p_json]);
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;

CREATE FUNCTION create_run(
    p_namespace text, p_request request, p_thread text, p_new_thread text,
    p_thread_message_ids text[], p_thread_message_tokens bigint[], p_thread_message_jsons text[],
    p_message_ids text[], p_message_tokens bigint[], p_message_jsons text[],
    p_id text, p_phase smallint, p_expires_at bigint, p_owner text, p_next_event bigint,
    p_hidden text, p_json text, p_first bigint, p_last bigint, p_is_done boolean, p_bytes bytea
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
    created bigint;
    active text;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    IF p_new_thread IS NULL THEN
        locked := lock_thread(p_ns, p_thread);
        IF locked IS NULL THEN
            RETURN refused('missing_thread');
        END IF;
        active := active_run(p_ns, locked);
        IF active IS NOT NULL THEN
            RETURN refused('active_run', active);
        END IF;
    ELSE
        INSERT INTO threads (ns, id, json) VALUES (p_ns, p_thread, p_new_thread)
        RETURNING seq INTO locked;
        PERFORM insert_messages(p_ns, locked, NULL, p_thread_message_ids,
            p_thread_message_tokens, p_thread_message_jsons);
    END IF;
    PERFORM insert_messages(
        p_ns, locked, NULL, p_message_ids, p_message_tokens, p_message_jsons);
    INSERT INTO runs (ns, thread, id, phase, expires_at, owner, next_event, hidden, json)
    VALUES (p_ns, locked, p_id, p_phase, p_expires_at, p_owner, p_next_event, p_hidden, p_json)
    RETURNING seq INTO created;
    INSERT INTO events (ns, run, first, last, is_done, bytes)
    VALUES (p_ns, created, p_first, p_last, p_is_done, p_bytes);
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;

-- Without an update of the run, `p_phase` and the four parameters after it are null. New messages
-- have no version.
CREATE FUNCTION write_run(
    p_namespace text, p_request request, p_now bigint, p_thread text, p_run text, p_version bigint,
    p_next_event bigint, p_phase smallint, p_expires_at bigint, p_owner text, p_hidden text,
    p_json text, p_step_ids text[], p_step_jsons text[], p_step_is_new boolean[],
    p_message_ids text[], p_message_tokens bigint[], p_message_jsons text[],
    p_message_versions bigint[], p_first bigint, p_last bigint, p_is_done boolean, p_bytes bytea
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
    stored record;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    locked := lock_thread(p_ns, p_thread);
    IF locked IS NULL THEN
        RETURN refused('missing_thread');
    END IF;
    SELECT seq, version, phase INTO stored FROM runs
    WHERE ns = p_ns AND thread = locked AND id = p_run FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN refused('missing');
    END IF;
    IF stored.version <> p_version OR stored.phase = 4 THEN
        RETURN refused('stale');
    END IF;
    PERFORM 1 FROM unnest(p_message_ids, p_message_versions) AS new (id, version)
    WHERE new.version IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM messages
        WHERE ns = p_ns AND messages.thread = locked AND messages.id = new.id
            AND messages.version = new.version);
    IF FOUND THEN
        RETURN refused('stale');
    END IF;

    IF p_step_ids <> '{}' THEN
        INSERT INTO steps (ns, run, id, json)
        SELECT p_ns, stored.seq, id, json
        FROM unnest(p_step_ids, p_step_jsons, p_step_is_new) WITH ORDINALITY
            AS new (id, json, is_new, number)
        WHERE is_new ORDER BY number;
        UPDATE steps SET json = new.json
        FROM unnest(p_step_ids, p_step_jsons, p_step_is_new) AS new (id, json, is_new)
        WHERE ns = p_ns AND run = stored.seq AND steps.id = new.id AND NOT new.is_new;
    END IF;
    IF p_message_ids <> '{}' THEN
        INSERT INTO messages (ns, thread, run, id, tokens, json)
        SELECT p_ns, locked, p_run, id, tokens, json
        FROM unnest(p_message_ids, p_message_tokens, p_message_jsons, p_message_versions)
            WITH ORDINALITY AS new (id, tokens, json, version, number)
        WHERE version IS NULL ORDER BY number;
        UPDATE messages SET json = new.json, tokens = new.tokens, version = messages.version + 1
        FROM unnest(p_message_ids, p_message_tokens, p_message_jsons, p_message_versions)
            AS new (id, tokens, json, version)
        WHERE ns = p_ns AND messages.thread = locked AND messages.id = new.id
            AND new.version IS NOT NULL;
    END IF;
    IF p_bytes IS NOT NULL THEN
        INSERT INTO events (ns, run, first, last, is_done, bytes)
        VALUES (p_ns, stored.seq, p_first, p_last, p_is_done, p_bytes);
    END IF;
    IF p_phase IS NULL THEN
        UPDATE runs SET version = version + 1, next_event = p_next_event WHERE seq = stored.seq;
    ELSE
        UPDATE runs SET version = version + 1, phase = p_phase, expires_at = p_expires_at,
            ended_at = CASE WHEN p_phase = 4 THEN p_now END, owner = p_owner,
            next_event = p_next_event, hidden = p_hidden, json = p_json
        WHERE seq = stored.seq;
    END IF;
    PERFORM record(p_ns, p_request);
    RETURN done(p_version + 1);
END $$;

-- `p_thread` is that of a message or run. `p_collection` is the name of a table.
CREATE FUNCTION replace_object(
    p_namespace text, p_request request, p_collection text, p_thread text, p_id text,
    p_version bigint, p_hidden text, p_json text
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
    stored bigint;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    IF p_thread IS NOT NULL THEN
        locked := lock_thread(p_ns, p_thread);
        IF locked IS NULL THEN
            RETURN refused('missing_thread');
        END IF;
    END IF;
    CASE p_collection
        WHEN 'assistants' THEN
            SELECT version INTO stored FROM assistants
            WHERE ns = p_ns AND id = p_id FOR NO KEY UPDATE;
        WHEN 'threads' THEN
            SELECT version INTO stored FROM threads
            WHERE ns = p_ns AND id = p_id FOR NO KEY UPDATE;
        WHEN 'messages' THEN
            SELECT version INTO stored FROM messages
            WHERE ns = p_ns AND thread = locked AND id = p_id FOR NO KEY UPDATE;
        WHEN 'runs' THEN
            SELECT version INTO stored FROM runs
            WHERE ns = p_ns AND thread = locked AND id = p_id FOR NO KEY UPDATE;
    END CASE;
    IF stored IS NULL THEN
        RETURN refused('missing');
    ELSIF stored <> p_version THEN
        RETURN refused('stale');
    END IF;
    CASE p_collection
        WHEN 'assistants' THEN
            UPDATE assistants SET version = version + 1, hidden = p_hidden, json = p_json
            WHERE ns = p_ns AND id = p_id;
        WHEN 'threads' THEN
            UPDATE threads SET version = version + 1, json = p_json WHERE ns = p_ns AND id = p_id;
        WHEN 'messages' THEN
            UPDATE messages SET version = version + 1, json = p_json
            WHERE ns = p_ns AND thread = locked AND id = p_id;
        WHEN 'runs' THEN
            UPDATE runs SET version = version + 1, hidden = p_hidden, json = p_json
            WHERE ns = p_ns AND thread = locked AND id = p_id;
    END CASE;
    PERFORM record(p_ns, p_request);
    RETURN done(p_version + 1);
END $$;

-- Deletes an assistant, a thread or a message. The detail of the result is the run that was active on
-- a deleted thread.
CREATE FUNCTION delete_object(
    p_namespace text, p_request request, p_collection text, p_thread text, p_id text,
    p_tombstones bigint
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    locked bigint;
    deleted bigint;
    active text;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    IF p_collection = 'assistants' THEN
        DELETE FROM assistants WHERE ns = p_ns AND id = p_id RETURNING seq INTO deleted;
        IF deleted IS NULL THEN
            RETURN refused('missing');
        END IF;
        PERFORM bury(p_ns, 0, p_id, deleted, p_tombstones);
    ELSIF p_collection = 'threads' THEN
        locked := lock_thread(p_ns, p_id);
        IF locked IS NULL THEN
            RETURN refused('missing');
        END IF;
        active := active_run(p_ns, locked);
        -- Without the row of the thread nothing on it can be read. The rest is removed later, because
        -- a thread can have any number of rows.
        DELETE FROM threads WHERE seq = locked;
        INSERT INTO deleted_threads (seq, ns) VALUES (locked, p_ns);
        UPDATE runs SET phase = 4 WHERE ns = p_ns AND thread = locked AND phase < 4;
    ELSE
        locked := lock_thread(p_ns, p_thread);
        IF locked IS NULL THEN
            RETURN refused('missing_thread');
        END IF;
        SELECT seq INTO deleted FROM messages WHERE ns = p_ns AND thread = locked AND id = p_id;
        IF deleted IS NULL THEN
            RETURN refused('missing');
        END IF;
        active := active_run(p_ns, locked);
        IF active IS NOT NULL THEN
            RETURN refused('active_run', active);
        END IF;
        DELETE FROM messages WHERE seq = deleted;
        PERFORM bury(p_ns, locked, p_id, deleted, p_tombstones);
        UPDATE threads SET revision = nextval('seq') WHERE seq = locked;
    END IF;
    PERFORM record(p_ns, p_request);
    RETURN done(0, active);
END $$;

-- Claims runs that nobody executes, with the namespaces in turn. Runs that another node is claiming
-- or writing are skipped.
CREATE FUNCTION claim_runs(p_node text, p_now bigint, p_limit bigint)
RETURNS TABLE (namespace text, thread text, run text) LANGUAGE sql AS $$
    WITH free AS (
        SELECT candidate.seq FROM runs AS candidate
        WHERE phase IN (0, 1, 3) AND (owner IS NULL OR owner <> p_node AND NOT EXISTS (
            SELECT 1 FROM nodes WHERE nodes.id = candidate.owner AND lease_until > p_now))
        FOR NO KEY UPDATE SKIP LOCKED
    ), ranked AS (
        SELECT runs.seq, row_number() OVER (PARTITION BY runs.ns ORDER BY runs.seq) AS turn
        FROM runs JOIN free ON free.seq = runs.seq
    ), chosen AS (
        SELECT seq, turn FROM ranked ORDER BY turn, seq LIMIT p_limit
    ), claimed AS (
        UPDATE runs SET owner = p_node, version = version + 1 FROM chosen
        WHERE runs.seq = chosen.seq RETURNING runs.ns, runs.thread, runs.id, runs.seq, chosen.turn
    )
    SELECT namespaces.name, threads.id, claimed.id FROM claimed
    JOIN threads ON threads.seq = claimed.thread JOIN namespaces ON namespaces.key = claimed.ns
    ORDER BY claimed.turn, claimed.seq
$$;

-- Removes up to about `p_limit` rows that deleted threads have left. Returns how many were removed.
CREATE FUNCTION remove_deleted(p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone record;
    ended bigint;
    removed bigint := 0;
    count bigint;
BEGIN
    WHILE removed < p_limit LOOP
        SELECT seq, ns INTO gone FROM deleted_threads LIMIT 1 FOR UPDATE SKIP LOCKED;
        EXIT WHEN NOT FOUND;
        DELETE FROM messages WHERE seq IN (
            SELECT seq FROM messages WHERE ns = gone.ns AND thread = gone.seq
            LIMIT p_limit - removed);
        GET DIAGNOSTICS count = ROW_COUNT;
        removed := removed + count;
        DELETE FROM tombstones WHERE ns = gone.ns AND list = gone.seq;
        LOOP
            EXIT WHEN removed >= p_limit;
            SELECT seq INTO ended FROM runs WHERE ns = gone.ns AND thread = gone.seq LIMIT 1;
            EXIT WHEN NOT FOUND;
            removed := removed + remove_run(gone.ns, ended);
        END LOOP;
        IF removed < p_limit THEN
            DELETE FROM deleted_threads WHERE seq = gone.seq;
            removed := removed + 1;
        END IF;
    END LOOP;
    RETURN removed;
END $$;

-- Removes a run with its steps and events. Returns the number of rows.
CREATE FUNCTION remove_run(p_ns bigint, p_run bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    removed bigint := 1;
    count bigint;
BEGIN
    DELETE FROM events WHERE ns = p_ns AND run = p_run;
    GET DIAGNOSTICS count = ROW_COUNT;
    removed := removed + count;
    DELETE FROM steps WHERE ns = p_ns AND run = p_run;
    GET DIAGNOSTICS count = ROW_COUNT;
    DELETE FROM runs WHERE seq = p_run;
    RETURN removed + count;
END $$;

-- Removes what is older than it is retained. `p_runs_ended` is null if runs are kept for ever.
CREATE FUNCTION remove_expired(
    p_requests_created bigint, p_events_ended bigint, p_runs_ended bigint, p_limit bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    removed bigint := remove_deleted(p_limit);
    count bigint;
    ended record;
BEGIN
    DELETE FROM requests WHERE (ns, key) IN (
        SELECT ns, key FROM requests WHERE created_at <= p_requests_created
        LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS count = ROW_COUNT;
    removed := removed + count;
    FOR ended IN
        SELECT ns, seq FROM runs
        WHERE ended_at IS NOT NULL AND has_events AND ended_at <= p_events_ended
        ORDER BY ended_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        DELETE FROM events WHERE ns = ended.ns AND run = ended.seq;
        UPDATE runs SET has_events = false WHERE seq = ended.seq;
        removed := removed + 1;
    END LOOP;
    FOR ended IN
        SELECT ns, seq FROM runs WHERE ended_at IS NOT NULL AND ended_at <= p_runs_ended
        ORDER BY ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM remove_run(ended.ns, ended.seq);
        removed := removed + 1;
    END LOOP;
    RETURN removed;
END $$;

-- Reads the newest messages of a thread, without those of a run, down to the first that exceeds a
-- limit. Reads only those after `p_after` if the thread still has the revision `p_revision`. The first
-- row has the revision; there is none if the thread does not exist.
CREATE FUNCTION thread_context(
    p_namespace text, p_thread text, p_run text, p_after bigint, p_revision bigint,
    p_max_tokens bigint, p_max_messages bigint
) RETURNS TABLE (seq bigint, tokens bigint, json text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    stored record;
    message record;
    total bigint := 0;
    count bigint := 0;
BEGIN
    SELECT threads.ns, threads.seq, threads.revision INTO stored
    FROM namespaces JOIN threads ON threads.ns = namespaces.key
    WHERE namespaces.name = p_namespace AND threads.id = p_thread;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT stored.revision, 0::bigint, NULL::text;
    FOR message IN
        SELECT messages.seq, messages.tokens, messages.json FROM messages
        WHERE messages.ns = stored.ns AND messages.thread = stored.seq
            AND messages.seq > CASE WHEN p_revision = stored.revision THEN p_after ELSE 0 END
            AND (run IS NULL OR run <> p_run)
        ORDER BY messages.seq DESC
    LOOP
        RETURN QUERY SELECT message.seq, message.tokens, message.json;
        total := total + message.tokens;
        count := count + 1;
        EXIT WHEN total > p_max_tokens OR count > p_max_messages;
    END LOOP;
END $$;
