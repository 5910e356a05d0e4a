-- Reads the newest messages of a thread, without those of a run, down to the first that exceeds a
-- limit. Reads only those after `p_after` if the thread still has the revision `p_revision`. The first
-- row has the revision; a thread that does not exist has no row. The newest message is always read. If
-- it exceeds the limit of tokens on its own, the next one shows whether it is the only one.
CREATE OR REPLACE FUNCTION thread_context(
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
        EXIT WHEN (total > p_max_tokens AND count > 1) OR count > p_max_messages;
    END LOOP;
END $$;
