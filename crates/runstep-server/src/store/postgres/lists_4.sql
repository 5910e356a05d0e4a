-- Version 4: lists of all threads, and of the runs of all threads.

-- The members of a run that lists filter by. The server writes them before all members that a client
-- determines, so the first match is theirs; a conversion to JSON would fail for texts with \u0000.
CREATE FUNCTION run_status(p_json text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substring(substr(p_json, 1, 1024) FROM '"status":"([^"]*)"')
$$;
CREATE FUNCTION run_assistant(p_json text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substring(substr(p_json, 1, 1024) FROM '"assistant_id":"([^"]*)"')
$$;

CREATE INDEX threads_list ON threads (ns, seq);
CREATE INDEX runs_all ON runs (ns, seq);
CREATE INDEX runs_by_id ON runs (ns, id);
CREATE INDEX runs_by_status ON runs (ns, run_status(json), seq);
CREATE INDEX runs_by_assistant ON runs (ns, run_assistant(json), seq);

-- Remembers the positions of deleted threads, also of those that nodes of earlier versions delete.
CREATE FUNCTION bury_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tombstones WHERE ns = OLD.ns AND list = -1 AND id = OLD.id;
    PERFORM bury(OLD.ns, -1, OLD.id, OLD.seq, 1000);
    RETURN NULL;
END $$;
CREATE TRIGGER bury_thread AFTER DELETE ON threads FOR EACH ROW EXECUTE FUNCTION bury_thread();
