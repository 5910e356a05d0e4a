-- The two functions that every run calls, with fewer statements. Parameters and results are the same, so
-- nodes of earlier versions call these, too.

CREATE OR REPLACE FUNCTION create_run(
    p_namespace text, p_request request, p_thread text, p_new_thread text,
    p_thread_message_ids text[], p_thread_message_tokens bigint[], p_thread_message_jsons text[],
    p_message_ids text[], p_message_tokens bigint[], p_message_jsons text[],
    p_id text, p_phase smallint, p_expires_at bigint, p_owner text, p_next_event bigint,
    p_hidden text, p_json text, p_first bigint, p_last bigint, p_is_done boolean, p_bytes bytea
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint;
    earlier result;
    locked bigint;
    active text;
BEGIN
    SELECT key INTO p_ns FROM namespaces WHERE name = p_namespace;
    IF p_ns IS NULL THEN
        p_ns := namespace_key(p_namespace);
    END IF;
    IF NOT p_request IS NULL THEN
        earlier := replay(p_ns, p_request);
        IF earlier.kind IS NOT NULL THEN
            RETURN earlier;
        END IF;
    END IF;
    IF p_new_thread IS NULL THEN
        SELECT seq INTO locked FROM threads
        WHERE ns = p_ns AND id = p_thread FOR NO KEY UPDATE;
        IF locked IS NULL THEN
            RETURN refused('missing_thread');
        END IF;
        SELECT id INTO active FROM runs WHERE ns = p_ns AND thread = locked AND phase < 4;
        IF active IS NOT NULL THEN
            RETURN refused('active_run', active);
        END IF;
    ELSE
        INSERT INTO threads (ns, id, json) VALUES (p_ns, p_thread, p_new_thread)
        RETURNING seq INTO locked;
    END IF;
    WITH inserted AS (
        INSERT INTO messages (ns, thread, id, tokens, json)
        SELECT p_ns, locked, id, tokens, json
        FROM unnest(
            p_thread_message_ids || p_message_ids, p_thread_message_tokens || p_message_tokens,
            p_thread_message_jsons || p_message_jsons
        ) WITH ORDINALITY AS new (id, tokens, json, number)
        ORDER BY number
    ), created AS (
        INSERT INTO runs (ns, thread, id, phase, expires_at, owner, next_event, hidden, json)
        VALUES (p_ns, locked, p_id, p_phase, p_expires_at, p_owner, p_next_event, p_hidden, p_json)
        RETURNING seq
    )
    INSERT INTO events (ns, run, first, last, is_done, bytes)
    SELECT p_ns, seq, p_first, p_last, p_is_done, p_bytes FROM created;
    IF NOT p_request IS NULL THEN
        PERFORM record(p_ns, p_request);
    END IF;
    RETURN ROW('done', 0, NULL, NULL)::result;
END $$;

-- Without an update of the run, `p_phase` and the four parameters after it are null. New messages
-- have no version. Only the run's own row tells whether the write is stale, so it is changed before
-- anything else: a claim by another node may change it at the same time.
CREATE OR REPLACE FUNCTION write_run(
    p_namespace text, p_request request, p_now bigint, p_thread text, p_run text, p_version bigint,
    p_next_event bigint, p_phase smallint, p_expires_at bigint, p_owner text, p_hidden text,
    p_json text, p_step_ids text[], p_step_jsons text[], p_step_is_new boolean[],
    p_message_ids text[], p_message_tokens bigint[], p_message_jsons text[],
    p_message_versions bigint[], p_first bigint, p_last bigint, p_is_done boolean, p_bytes bytea
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint;
    earlier result;
    locked bigint;
    written bigint;
    has_replaced boolean := array_remove(p_message_versions, NULL) <> '{}';
BEGIN
    SELECT key INTO p_ns FROM namespaces WHERE name = p_namespace;
    IF p_ns IS NULL THEN
        p_ns := namespace_key(p_namespace);
    END IF;
    IF NOT p_request IS NULL THEN
        earlier := replay(p_ns, p_request);
        IF earlier.kind IS NOT NULL THEN
            RETURN earlier;
        END IF;
    END IF;
    SELECT seq INTO locked FROM threads WHERE ns = p_ns AND id = p_thread FOR NO KEY UPDATE;
    IF locked IS NULL THEN
        RETURN refused('missing_thread');
    END IF;
    IF has_replaced THEN
        PERFORM 1 FROM unnest(p_message_ids, p_message_versions) AS new (id, version)
        WHERE new.version IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM messages
            WHERE ns = p_ns AND messages.thread = locked AND messages.id = new.id
                AND messages.version = new.version);
        IF FOUND THEN
            PERFORM 1 FROM runs WHERE ns = p_ns AND thread = locked AND id = p_run;
            RETURN refused(CASE WHEN FOUND THEN 'stale' ELSE 'missing' END);
        END IF;
    END IF;
    IF p_phase IS NULL THEN
        UPDATE runs SET version = version + 1, next_event = p_next_event
        WHERE ns = p_ns AND thread = locked AND id = p_run AND version = p_version AND phase <> 4
        RETURNING seq INTO written;
    ELSE
        UPDATE runs SET version = version + 1, phase = p_phase, expires_at = p_expires_at,
            ended_at = CASE WHEN p_phase = 4 THEN p_now END, owner = p_owner,
            next_event = p_next_event, hidden = p_hidden, json = p_json
        WHERE ns = p_ns AND thread = locked AND id = p_run AND version = p_version AND phase <> 4
        RETURNING seq INTO written;
    END IF;
    IF written IS NULL THEN
        PERFORM 1 FROM runs WHERE ns = p_ns AND thread = locked AND id = p_run;
        RETURN refused(CASE WHEN FOUND THEN 'stale' ELSE 'missing' END);
    END IF;

    WITH new_steps AS (
        INSERT INTO steps (ns, run, id, json)
        SELECT p_ns, written, id, json
        FROM unnest(p_step_ids, p_step_jsons, p_step_is_new) WITH ORDINALITY
            AS new (id, json, is_new, number)
        WHERE is_new ORDER BY number
    ), new_messages AS (
        INSERT INTO messages (ns, thread, run, id, tokens, json)
        SELECT p_ns, locked, p_run, id, tokens, json
        FROM unnest(p_message_ids, p_message_tokens, p_message_jsons, p_message_versions)
            WITH ORDINALITY AS new (id, tokens, json, version, number)
        WHERE version IS NULL ORDER BY number
    )
    INSERT INTO events (ns, run, first, last, is_done, bytes)
    SELECT p_ns, written, p_first, p_last, p_is_done, p_bytes WHERE p_bytes IS NOT NULL;
    IF false = ANY (p_step_is_new) THEN
        UPDATE steps SET json = new.json
        FROM unnest(p_step_ids, p_step_jsons, p_step_is_new) AS new (id, json, is_new)
        WHERE ns = p_ns AND run = written AND steps.id = new.id AND NOT new.is_new;
    END IF;
    IF has_replaced THEN
        UPDATE messages SET json = new.json, tokens = new.tokens, version = messages.version + 1
        FROM unnest(p_message_ids, p_message_tokens, p_message_jsons, p_message_versions)
            AS new (id, tokens, json, version)
        WHERE ns = p_ns AND messages.thread = locked AND messages.id = new.id
            AND new.version IS NOT NULL;
    END IF;
    IF NOT p_request IS NULL THEN
        PERFORM record(p_ns, p_request);
    END IF;
    RETURN ROW('done', p_version + 1, NULL, NULL)::result;
END $$;
